// Python's arrays as views: every pointer that the core gets has passed through here. Arrays are taken by the buffer
// protocol, whose lock keeps their memory where it is for as long as a view of it lives.
#pragma once

#include <nanobind/nanobind.h>

#include <list>
#include <string>

#include "chainrule/plan.hpp"
#include "chainrule/view.hpp"

namespace chainrule::bindings {

namespace nb = nanobind;

// A buffer, held until the view ends. Throws what Python raises for a dead or unsuitable one, with the argument's name.
class Held {
public:
    Held(nb::handle array, const char* name, bool writable);
    ~Held();
    Held(Held&& other) noexcept;
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    Held& operator=(Held&&) = delete;

    [[nodiscard]] Dtype dtype(const char* name) const;  // std::invalid_argument when it is none of ours
    [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(view_.buf); }
    [[nodiscard]] int dimensions() const { return view_.ndim; }
    [[nodiscard]] Index size(int axis) const { return view_.shape[axis]; }
    [[nodiscard]] Index stride(int axis) const;  // in bytes
    [[nodiscard]] bool contiguous() const;
    [[nodiscard]] std::string shape() const;

private:
    Py_buffer view_{};
};

// Throw std::invalid_argument for a number of threads, or of rows of an argument, that can't be.
void check_threads(int threads);
void check_some(Index rows, const char* name);

// A matrix of vectors: how many it has in the first two axes, and the numbers from one to the next along them.
template <class T>
struct Vectors {
    T* data;
    Index sizes[2], strides[2];
};

// The arrays of one call. Each function names the argument in what it throws.
class Arguments {
public:
    // A C-contiguous array of this dtype: a vector of `count`, or a matrix of rows × columns; −1 takes any number.
    template <class T>
    T* vector(nb::handle array, Index count, const char* name, bool writable = false);
    template <class T>
    T* matrix(nb::handle array, Index rows, Index columns, const char* name, bool writable = false);
    // Vectors of T side by side, (first, second, size), at any strides of whole numbers from one to the next.
    template <class T>
    Vectors<T> vectors(nb::handle array, Index first, Index second, Index size, const char* name,
                       bool writable = false);
    // X: any real dtype and strides, or (data, indices, indptr).
    Rows rows(nb::handle X, Index columns, const char* name);
    // Y: class indices, int64 (m,), or (m, columns) of any real dtype.
    Rows targets(nb::handle Y, Index m, Index columns, const char* name);
    [[nodiscard]] Index last_size() const { return last_size_; }  // of the first axis of the array that was taken last

private:
    Held& hold(nb::handle array, const char* name, bool writable) { return held_.emplace_back(array, name, writable); }
    template <class T>
    T* contiguous(const Held& held, const char* name, const std::string& expected);
    Rows sparse(nb::tuple parts, Index columns, const char* name);

    std::list<Held> held_;
    Index last_size_ = 0;
};

}  // namespace chainrule::bindings
