// What users' arrays look like from here: a pointer, a dtype, strides. Nothing is owned, nothing checked: whoever makes a
// view (bindings/buffers.hpp) has checked it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace chainrule {

enum class Dtype { f32, f64, f16, i8, i16, i32, i64, u8, u16, u32, u64, boolean };

// Rows of a matrix of any real dtype: strided, or CSR. Whoever reads indices looks at them once more, as a program can
// write to its arrays at any time.
struct Rows {
    const std::byte* data = nullptr;
    Dtype dtype = Dtype::f32;
    std::int64_t rows = 0, columns = 0;
    std::int64_t row_stride = 0, column_stride = 0;  // in bytes
    // CSR: data holds the values, and these are not none. indices are int32 or int64, as `wide` says, indptr alike.
    const std::byte *indices = nullptr, *indptr = nullptr;
    std::int64_t stored = 0;  // how many values there are
    bool wide = false;
    // Class indices (int64, one column) that stand for one-hot rows of `columns`.
    bool classes = false;
};

}  // namespace chainrule
