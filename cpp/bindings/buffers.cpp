#include "buffers.hpp"

#include <cstring>
#include <stdexcept>
#include <type_traits>

namespace chainrule::bindings {
namespace {

[[noreturn]] void refuse(const char* name, const std::string& expected, const std::string& got) {
    throw std::invalid_argument(std::string(name) + ": expected " + expected + ", got " + got);
}

template <class T>
constexpr Dtype dtype_of() {
    if constexpr (std::is_same_v<T, float>) return Dtype::f32;
    else if constexpr (std::is_same_v<T, double>) return Dtype::f64;
    else if constexpr (std::is_same_v<T, std::int32_t>) return Dtype::i32;
    else return Dtype::i64;
}

const char* dtype_name(Dtype dtype) {
    switch (dtype) {
        case Dtype::f32: return "float32";
        case Dtype::f64: return "float64";
        case Dtype::f16: return "float16";
        case Dtype::i8: return "int8";
        case Dtype::i16: return "int16";
        case Dtype::i32: return "int32";
        case Dtype::i64: return "int64";
        case Dtype::u8: return "uint8";
        case Dtype::u16: return "uint16";
        case Dtype::u32: return "uint32";
        case Dtype::u64: return "uint64";
        case Dtype::boolean: return "bool";
    }
    return "";
}

std::string number(Index n) {
    return n < 0 ? "any" : std::to_string(n);
}

Dtype integer(Py_ssize_t size, bool is_signed) {
    switch (size) {
        case 1: return is_signed ? Dtype::i8 : Dtype::u8;
        case 2: return is_signed ? Dtype::i16 : Dtype::u16;
        case 4: return is_signed ? Dtype::i32 : Dtype::u32;
        default: return is_signed ? Dtype::i64 : Dtype::u64;
    }
}

template <class I>
void check_csr(const std::byte* indices, const std::byte* indptr, Index m, Index stored, Index columns,
               const char* name) {
    const auto at = [](const std::byte* from, Index k) {
        I value;
        std::memcpy(&value, from + k * static_cast<Index>(sizeof value), sizeof value);
        return static_cast<Index>(value);
    };
    Index before = 0;
    for (Index row = 0; row <= m; ++row) {
        const Index now = at(indptr, row);
        if (now < before || now > stored || (row == 0 && now != 0))
            refuse(name, "indptr that rises from 0 to at most " + std::to_string(stored),
                   std::to_string(now) + " at " + std::to_string(row));
        before = now;
    }
    for (Index k = 0; k < before; ++k)
        if (at(indices, k) < 0 || at(indices, k) >= columns)
            refuse(name, "column indices 0 to " + std::to_string(columns - 1), std::to_string(at(indices, k)));
}

}  // namespace

void check_threads(int threads) {
    if (threads < 1 || threads > 1024)
        throw std::invalid_argument("threads: expected 1 to 1024, got " + std::to_string(threads));
}

void check_some(Index rows, const char* name) {
    if (rows < 1) throw std::invalid_argument(std::string(name) + ": expected at least one row, got none");
}

Held::Held(nb::handle array, const char* name, bool writable) {
    const int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(array.ptr(), &view_, flags) == 0) return;
    nb::python_error error;  // the exception stays what it is: a TypeError, a BufferError, …
    const bool no_array = error.matches(PyExc_TypeError);
    const nb::str got = no_array ? nb::str(nb::inst_name(array)) : nb::str(error.value());
    PyErr_Format(error.type().ptr(), "%s: expected %s array, got %U", name, writable && !no_array ? "a writable" : "an",
                 got.ptr());
    throw nb::python_error();
}

Held::~Held() {
    if (view_.obj != nullptr) PyBuffer_Release(&view_);
}

Held::Held(Held&& other) noexcept : view_(other.view_) {
    other.view_ = {};
}

Dtype Held::dtype(const char* name) const {
    const char* format = view_.format == nullptr ? "B" : view_.format;
    if (*format == '@' || *format == '=' || *format == '<') ++format;  // little-endian, as every processor here
    const Index size = view_.itemsize;
    if (std::strlen(format) == 1) {
        const char code = *format;
        if (code == 'f' && size == 4) return Dtype::f32;
        if (code == 'd' && size == 8) return Dtype::f64;
        if (code == 'e' && size == 2) return Dtype::f16;
        if (code == '?' && size == 1) return Dtype::boolean;
        const bool is_signed = std::strchr("bhilq", code) != nullptr,
                   is_unsigned = std::strchr("BHILQ", code) != nullptr;
        if ((is_signed || is_unsigned) && (size == 1 || size == 2 || size == 4 || size == 8))
            return integer(size, is_signed);
    }
    refuse(name, "real numbers of up to 64 bits in the machine's byte order",
           std::string("format '") + (view_.format == nullptr ? "" : view_.format) + "'");
}

Index Held::stride(int axis) const {
    if (view_.strides != nullptr) return view_.strides[axis];
    Index stride = view_.itemsize;  // some leave strides out where rows follow each other
    for (int behind = axis + 1; behind < view_.ndim; ++behind) stride *= view_.shape[behind];
    return stride;
}

bool Held::contiguous() const {
    return view_.itemsize > 0 && PyBuffer_IsContiguous(&view_, 'C') != 0 &&
           reinterpret_cast<std::uintptr_t>(view_.buf) % static_cast<std::uintptr_t>(view_.itemsize) == 0;
}

std::string Held::shape() const {
    std::string text = "shape (";
    for (int axis = 0; axis < view_.ndim; ++axis) text += (axis > 0 ? ", " : "") + std::to_string(view_.shape[axis]);
    return text + (view_.ndim == 1 ? ",)" : ")");
}

template <class T>
T* Arguments::contiguous(const Held& held, const char* name, const std::string& expected) {
    const Dtype got = held.dtype(name);
    if (got != dtype_of<T>()) refuse(name, std::string("dtype ") + dtype_name(dtype_of<T>()), dtype_name(got));
    if (!held.contiguous()) refuse(name, "a C-contiguous, aligned array of " + expected, "other strides or alignment");
    last_size_ = held.size(0);
    return reinterpret_cast<T*>(held.data());
}

template <class T>
T* Arguments::vector(nb::handle array, Index count, const char* name, bool writable) {
    const Held& held = hold(array, name, writable);
    const std::string expected = "shape (" + number(count) + ",)";
    if (held.dimensions() != 1 || (count >= 0 && held.size(0) != count)) refuse(name, expected, held.shape());
    return contiguous<T>(held, name, expected);
}

template <class T>
T* Arguments::matrix(nb::handle array, Index rows, Index columns, const char* name, bool writable) {
    const Held& held = hold(array, name, writable);
    const std::string expected = "shape (" + number(rows) + ", " + number(columns) + ")";
    if (held.dimensions() != 2 || (rows >= 0 && held.size(0) != rows) || (columns >= 0 && held.size(1) != columns))
        refuse(name, expected, held.shape());
    return contiguous<T>(held, name, expected);
}

template <class T>
Vectors<T> Arguments::vectors(nb::handle array, Index first, Index second, Index size, const char* name,
                              bool writable) {
    const Held& held = hold(array, name, writable);
    const std::string expected = "shape (" + number(first) + ", " + number(second) + ", " + number(size) + ")";
    const Index sizes[] = {first, second, size};
    bool fits = held.dimensions() == 3;
    for (int axis = 0; fits && axis < 3; ++axis) fits = sizes[axis] < 0 || held.size(axis) == sizes[axis];
    if (!fits) refuse(name, expected, held.shape());
    if (held.dtype(name) != dtype_of<T>())
        refuse(name, std::string("dtype ") + dtype_name(dtype_of<T>()), dtype_name(held.dtype(name)));
    constexpr auto bytes = static_cast<Index>(sizeof(T));
    const bool aligned = reinterpret_cast<std::uintptr_t>(held.data()) % sizeof(T) == 0;
    if (!aligned || (held.size(2) > 1 && held.stride(2) != bytes) || held.stride(0) % bytes != 0 ||
        held.stride(1) % bytes != 0)
        refuse(name, "an aligned array whose last axis is contiguous", "other strides or alignment");
    return {reinterpret_cast<T*>(held.data()),
            {held.size(0), held.size(1)},
            {held.stride(0) / bytes, held.stride(1) / bytes}};
}

Rows Arguments::sparse(nb::tuple parts, Index columns, const char* name) {
    if (parts.size() != 3) refuse(name, "(data, indices, indptr)", std::to_string(parts.size()) + " parts");
    const Held &data = hold(parts[0], name, false), &indices = hold(parts[1], name, false),
               &indptr = hold(parts[2], name, false);
    for (const Held* part : {&data, &indices, &indptr})
        if (part->dimensions() != 1 || !part->contiguous())
            refuse(name, "contiguous vectors data, indices and indptr", part->shape());
    const Dtype index = indptr.dtype(name);
    if (index != indices.dtype(name) || (index != Dtype::i32 && index != Dtype::i64))
        refuse(name, "indices and indptr both int32 or both int64", dtype_name(index));
    if (indptr.size(0) < 1) refuse(name, "indptr of one number more than there are rows", "none");
    if (data.size(0) != indices.size(0))
        refuse(name, "as many indices as data",
               std::to_string(indices.size(0)) + " for " + std::to_string(data.size(0)));
    Rows X;
    X.data = data.data();
    X.dtype = data.dtype(name);
    X.rows = indptr.size(0) - 1;
    X.columns = columns;
    X.indices = indices.data();
    X.indptr = indptr.data();
    X.wide = index == Dtype::i64;
    X.stored = data.size(0);
    if (X.wide) check_csr<std::int64_t>(X.indices, X.indptr, X.rows, data.size(0), columns, name);
    else check_csr<std::int32_t>(X.indices, X.indptr, X.rows, data.size(0), columns, name);
    return X;
}

Rows Arguments::rows(nb::handle X, Index columns, const char* name) {
    if (nb::isinstance<nb::tuple>(X)) return sparse(nb::borrow<nb::tuple>(X), columns, name);
    const Held& held = hold(X, name, false);
    if (held.dimensions() != 2 || held.size(1) != columns)
        refuse(name, "shape (m, " + std::to_string(columns) + ")", held.shape());
    Rows view;
    view.data = held.data();
    view.dtype = held.dtype(name);
    view.rows = held.size(0);
    view.columns = columns;
    view.row_stride = held.stride(0);
    view.column_stride = held.stride(1);
    return view;
}

Rows Arguments::targets(nb::handle Y, Index m, Index columns, const char* name) {
    const Held& held = hold(Y, name, false);
    if (held.dimensions() < 1 || held.size(0) != m) refuse(name, std::to_string(m) + " rows, as X has", held.shape());
    Rows view;
    view.data = held.data();
    view.dtype = held.dtype(name);
    view.rows = m;
    view.columns = columns;
    view.row_stride = held.stride(0);
    if (held.dimensions() == 2 && held.size(1) == columns) {
        view.column_stride = held.stride(1);
        return view;
    }
    if (held.dimensions() != 1 || view.dtype != Dtype::i64)
        refuse(name, "int64 class indices (m,), or shape (m, " + std::to_string(columns) + ")",
               held.shape() + " of " + dtype_name(view.dtype));
    view.classes = true;
    for (Index n = 0; n < m; ++n) {
        std::int64_t index;
        std::memcpy(&index, view.data + n * view.row_stride, sizeof index);
        if (index < 0 || index >= columns)
            refuse(name, "class indices 0 to " + std::to_string(columns - 1), std::to_string(index));
    }
    return view;
}

#define CHAINRULE_INSTANTIATE(T)                                                   \
    template T* Arguments::vector<T>(nb::handle, Index, const char*, bool);        \
    template T* Arguments::matrix<T>(nb::handle, Index, Index, const char*, bool); \
    template Vectors<T> Arguments::vectors<T>(nb::handle, Index, Index, Index, const char*, bool);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)
CHAINRULE_INSTANTIATE(std::int64_t)

}  // namespace chainrule::bindings
