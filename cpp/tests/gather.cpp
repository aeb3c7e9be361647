// Examples from users' arrays into panels: every dtype, strides of either sign, odd addresses, CSR, class indices.
#include <array>
#include <cmath>
#include <limits>

#include "naive.hpp"
#include "panels.hpp"

namespace {

using namespace chainrule;
using check::Exactly;
using check::Matrix;
using check::Random;
using naive::at;

// The number that 16 bits of IEEE half precision stand for, read off their definition.
double half(std::uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double size = exponent == 0    ? std::ldexp(fraction, -24)
                        : exponent == 31 ? (fraction == 0 ? HUGE_VAL : std::nan(""))
                                         : std::ldexp(1024 + fraction, exponent - 25);
    return (bits >> 15) != 0 ? -size : size;
}

// An element of a dtype at random, its bytes in `bytes`, and what it is in T.
template <class T, class S>
T element_of(Random& random, std::byte* bytes, S value) {
    static_cast<void>(random);
    std::memcpy(bytes, &value, sizeof value);
    return static_cast<T>(value);
}
template <class T>
T element(Random& random, Dtype dtype, std::byte* bytes) {
    const std::uint64_t any = random.bits();
    switch (dtype) {
        case Dtype::f32: return element_of<T>(random, bytes, static_cast<float>(random.between(-9, 9)));
        case Dtype::f64: return element_of<T>(random, bytes, random.between(-9, 9));
        case Dtype::f16: {
            auto bits = static_cast<std::uint16_t>(any);
            if ((bits >> 10 & 31) == 31) bits = static_cast<std::uint16_t>(bits & 0xfc00U);  // ±∞, no NaN
            std::memcpy(bytes, &bits, sizeof bits);
            return static_cast<T>(half(bits));
        }
        case Dtype::i8: return element_of<T>(random, bytes, static_cast<std::int8_t>(any));
        case Dtype::i16: return element_of<T>(random, bytes, static_cast<std::int16_t>(any));
        case Dtype::i32: return element_of<T>(random, bytes, static_cast<std::int32_t>(any));
        case Dtype::i64: return element_of<T>(random, bytes, static_cast<std::int64_t>(any));
        case Dtype::u8: return element_of<T>(random, bytes, static_cast<std::uint8_t>(any));
        case Dtype::u16: return element_of<T>(random, bytes, static_cast<std::uint16_t>(any));
        case Dtype::u32: return element_of<T>(random, bytes, static_cast<std::uint32_t>(any));
        case Dtype::u64: return element_of<T>(random, bytes, any);
        case Dtype::boolean: return element_of<T>(random, bytes, static_cast<std::uint8_t>(any & 1));
    }
    return T(0);
}

struct Kind {
    Dtype dtype;
    const char* name;
    Index size;
};
constexpr Kind kinds[] = {{Dtype::f32, "f32", 4}, {Dtype::f64, "f64", 8}, {Dtype::f16, "f16", 2},
                          {Dtype::i8, "i8", 1},   {Dtype::i16, "i16", 2}, {Dtype::i32, "i32", 4},
                          {Dtype::i64, "i64", 8}, {Dtype::u8, "u8", 1},   {Dtype::u16, "u16", 2},
                          {Dtype::u32, "u32", 4}, {Dtype::u64, "u64", 8}, {Dtype::boolean, "bool", 1}};

// Rows n0..n1 of panels must be rows of `dense`, all else as it was.
template <class T>
void check_gathered(const Kernels<T>& k, const Rows& X, const std::vector<T>& dense, Random& random,
                    const std::string& what) {
    const Index capacity = 14, n0 = random.whole(0, 3), n1 = n0 + random.whole(0, 9);
    for (const bool shuffled : {false, true}) {
        const Matrix<T> out(k.grid, capacity, X.columns, check::untouched<T>), before(out);
        std::vector<Index> which(at(capacity), -1);  // an index that is not asked for must not be used
        for (Index n = n0; n < n1; ++n) which[at(n)] = random.whole(0, X.rows - 1);  // rows may come twice
        const Index first = random.whole(0, X.rows - n1);
        k.gather(X, shuffled ? which.data() : nullptr, first, n0, n1, out.panels());
        CHECK(out.same_outside(before, n0, n1), k.name << ": rows outside, " << what);
        CHECK(out.zero_padding(n0, n1), k.name << ": padding, " << what);
        for (Index n = n0; n < n1; ++n)
            for (Index j = 0; j < X.columns; ++j) {
                const T expected = dense[at((shuffled ? which[at(n)] : first + n) * X.columns + j)];
                CHECK(check::same_bits(out(n, j), expected), k.name << ' ' << check::name_of<T>() << ": x(" << n << ", "
                                                                    << j << ") = " << out(n, j) << ", not " << expected
                                                                    << ", " << what);
            }
    }
}

template <class T>
void dense(const Kernels<T>& k) {
    Random random(1);
    const Index rows = 20;
    for (const Kind& kind : kinds)
        for (Index columns = 1; columns <= 61; columns += columns < 10 ? 1 : 3)
            for (int layout = 0; layout < 8; ++layout) {
                const bool odd_address = (layout & 1) != 0, negative = (layout & 2) != 0, spread = (layout & 4) != 0;
                const bool by_columns = layout == 6 || layout == 5;  // Fortran's order
                const Index step =
                    spread ? 3 * kind.size + (odd_address ? 1 : 0) : kind.size;  // bytes between neighbours
                Index column_stride = by_columns ? rows * step : step;
                Index row_stride = by_columns ? step : columns * step + (spread ? 5 : 0);
                const Index bytes = (rows - 1) * row_stride + (columns - 1) * column_stride + kind.size;
                const Exactly<std::byte> memory(bytes + 1);
                const std::byte* data = memory.data() + (odd_address ? 1 : 0);
                if (negative) {
                    data += (rows - 1) * row_stride + (columns - 1) * column_stride;
                    row_stride = -row_stride;
                    column_stride = -column_stride;
                }
                Rows X;
                X.data = data;
                X.dtype = kind.dtype;
                X.rows = rows;
                X.columns = columns;
                X.row_stride = row_stride;
                X.column_stride = column_stride;
                std::vector<T> expected;
                for (Index n = 0; n < rows; ++n)
                    for (Index j = 0; j < columns; ++j) {
                        std::array<std::byte, 8> bits{};
                        expected.push_back(element<T>(random, kind.dtype, bits.data()));
                        std::memcpy(const_cast<std::byte*>(data) + n * row_stride + j * column_stride, bits.data(),
                                    at(kind.size));
                    }
                check_gathered(k, X, expected, random,
                               std::string(kind.name) + ", layout " + std::to_string(layout) + ", " +
                                   std::to_string(columns) + " columns");
            }
}
TEST(dense_f32) {
    check::for_each_instruction_set<float>(dense<float>);
}
TEST(dense_f64) {
    check::for_each_instruction_set<double>(dense<double>);
}

// A broadcast row: all rows, all columns are one number.
template <class T>
void stride_zero(const Kernels<T>& k) {
    Random random(2);
    const double one = 0.375;
    for (const Index columns : {1, 7, 50}) {
        Rows X;
        X.data = reinterpret_cast<const std::byte*>(&one);
        X.dtype = Dtype::f64;
        X.rows = 20;
        X.columns = columns;
        check_gathered(k, X, std::vector<T>(at(20 * columns), T(0.375)), random, "strides of 0");
    }
}
TEST(stride_zero_f32) {
    check::for_each_instruction_set<float>(stride_zero<float>);
}
TEST(stride_zero_f64) {
    check::for_each_instruction_set<double>(stride_zero<double>);
}

template <class T, class I>
void sparse(const Kernels<T>& k) {
    Random random(3);
    const Index rows = 20;
    for (const Kind& kind : kinds) {
        if (kind.dtype == Dtype::f16) continue;  // ∞ − ∞ where two entries add up
        for (Index columns = 1; columns <= 61; columns += columns < 10 ? 1 : 5) {
            std::vector<I> indices, starts{0};
            std::vector<T> values, expected(at(rows * columns), T(0));
            Exactly<std::byte> data(rows * 12 * kind.size + 1);
            std::byte* const from = data.data() + 1;  // at an odd address
            for (Index n = 0; n < rows; ++n) {
                const Index entries = n % 4 == 0 ? 0 : random.whole(1, 12);  // some rows are empty
                for (Index e = 0; e < entries; ++e) {
                    const Index j = random.whole(0, columns - 1);  // in any order, and some twice
                    const T value =
                        element<T>(random, kind.dtype, from + static_cast<Index>(indices.size()) * kind.size);
                    expected[at(n * columns + j)] += value;
                    indices.push_back(static_cast<I>(j));
                }
                starts.push_back(static_cast<I>(indices.size()));
            }
            Rows X;
            X.data = from;
            X.dtype = kind.dtype;
            X.rows = rows;
            X.columns = columns;
            X.indices = reinterpret_cast<const std::byte*>(indices.data());
            X.indptr = reinterpret_cast<const std::byte*>(starts.data());
            X.stored = static_cast<Index>(indices.size());
            X.wide = sizeof(I) == 8;
            check_gathered(k, X, expected, random,
                           std::string("CSR of ") + kind.name + ", " + std::to_string(columns) + " columns");
        }
    }
}
TEST(sparse_f32) {
    check::for_each_instruction_set<float>(sparse<float, std::int32_t>);
    check::for_each_instruction_set<float>(sparse<float, std::int64_t>);
}
TEST(sparse_f64) {
    check::for_each_instruction_set<double>(sparse<double, std::int32_t>);
    check::for_each_instruction_set<double>(sparse<double, std::int64_t>);
}

template <class T>
void classes(const Kernels<T>& k) {
    Random random(4);
    const Index rows = 20;
    for (Index columns = 1; columns <= 61; ++columns)
        for (const Index stride : {8, 16, 13, -8}) {
            const Exactly<std::byte> memory(rows * 16 + 1);
            const std::byte* data = memory.data() + 1 + (stride < 0 ? (rows - 1) * 8 : 0);
            std::vector<T> expected(at(rows * columns), T(0));
            for (Index n = 0; n < rows; ++n) {
                const std::int64_t label = n == 0 ? columns - 1 : random.whole(0, columns - 1);
                std::memcpy(const_cast<std::byte*>(data) + n * stride, &label, sizeof label);
                expected[at(n * columns + label)] = T(1);
            }
            Rows Y;
            Y.data = data;
            Y.dtype = Dtype::i64;
            Y.rows = rows;
            Y.columns = columns;
            Y.row_stride = stride;
            Y.classes = true;
            check_gathered(k, Y, expected, random, "classes, " + std::to_string(columns) + " columns");
        }
}
TEST(classes_f32) {
    check::for_each_instruction_set<float>(classes<float>);
}
TEST(classes_f64) {
    check::for_each_instruction_set<double>(classes<double>);
}

// Indices that somebody wrote to after they were checked: wrong numbers may come of it, but no address outside the arrays.
template <class T, class I>
void spoilt_indices(const Kernels<T>& k) {
    constexpr I most = std::numeric_limits<I>::max(), least = std::numeric_limits<I>::min();
    const Index columns = 7;
    for (const I bad : {I(-1), I(columns), most, least}) {
        const Exactly<float> data(3, 2.0F);
        Exactly<I> indices(3, I(4)), starts(3);
        starts[1] = 2;
        starts[2] = 3;
        indices[1] = bad;
        Rows X;
        X.data = reinterpret_cast<const std::byte*>(data.data());
        X.rows = 2;
        X.columns = columns;
        X.indices = reinterpret_cast<const std::byte*>(indices.data());
        X.indptr = reinterpret_cast<const std::byte*>(starts.data());
        X.stored = 3;
        X.wide = sizeof(I) == 8;
        const Matrix<T> out(k.grid, 2, columns, check::untouched<T>);
        k.gather(X, nullptr, 0, 0, 2, out.panels());
        for (Index j = 0; j < columns; ++j)
            CHECK(out(0, j) == (j == 4 ? 2 : 0) && out(1, j) == (j == 4 ? 2 : 0), k.name << ": a column of " << bad);
        for (const Index place : {0, 1, 2}) {
            const I before = starts[place];
            starts[place] = bad;
            k.gather(X, nullptr, 0, 0, 2, out.panels());
            starts[place] = before;
            CHECK(out.zero_padding(0, 2), k.name << ": indptr[" << place << "] of " << bad);
        }
    }
    const std::vector<std::int64_t> labels{-1, columns, std::numeric_limits<std::int64_t>::max(), 3};
    Rows Y;
    Y.data = reinterpret_cast<const std::byte*>(labels.data());
    Y.dtype = Dtype::i64;
    Y.rows = 4;
    Y.columns = columns;
    Y.row_stride = 8;
    Y.classes = true;
    const Matrix<T> out(k.grid, 4, columns, check::untouched<T>);
    k.gather(Y, nullptr, 0, 0, 4, out.panels());
    for (Index n = 0; n < 4; ++n)
        for (Index j = 0; j < out.padded(); ++j)
            CHECK(out(n, j) == (n == 3 && j == 3 ? 1 : 0), k.name << ": label " << labels[at(n)]);
}
TEST(spoilt_indices_f32) {
    check::for_each_instruction_set<float>(spoilt_indices<float, std::int32_t>);
    check::for_each_instruction_set<float>(spoilt_indices<float, std::int64_t>);
}
TEST(spoilt_indices_f64) {
    check::for_each_instruction_set<double>(spoilt_indices<double, std::int32_t>);
    check::for_each_instruction_set<double>(spoilt_indices<double, std::int64_t>);
}

}  // namespace

TEST_MAIN
