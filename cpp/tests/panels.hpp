// Matrices in panels, built and read element by element: where each element lies is written out here once more, so that
// the kernels' idea of it is tested too.
#pragma once

#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "chainrule/kernels.hpp"
#include "check.hpp"

namespace check {

using chainrule::Grid;
using chainrule::Index;
using chainrule::Panels;

// Exactly so many elements, aligned as the core's are, so that a sanitizer sees any that is read or written beyond.
template <class T>
class Exactly {
public:
    explicit Exactly(Index count, T value = T(0)) : count_(count) {
        void* at = nullptr;
        if (posix_memalign(&at, 64, static_cast<std::size_t>(count) * sizeof(T)) != 0) throw std::bad_alloc();
        data_.reset(static_cast<T*>(at));
        for (Index k = 0; k < count; ++k) data_.get()[k] = value;
    }
    Exactly(const Exactly& other) : Exactly(other.count_) {
        for (Index k = 0; k < count_; ++k) data_.get()[k] = other[k];
    }
    Exactly(Exactly&&) noexcept = default;
    Exactly& operator=(Exactly&&) noexcept = default;
    Exactly& operator=(const Exactly&) = delete;
    ~Exactly() = default;
    [[nodiscard]] T* data() const { return data_.get(); }
    [[nodiscard]] Index size() const { return count_; }
    T& operator[](Index at) const { return data_.get()[at]; }

private:
    struct Free {
        void operator()(T* at) const { std::free(at); }
    };
    Index count_;
    std::unique_ptr<T, Free> data_;
};

template <class T>
constexpr T nan_of = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T untouched = T(-77.25);  // what memory holds that a kernel has no business in

// Columns in panels, counted out in whole vectors.
inline Index padded_columns(int lanes, Index columns) {
    Index padded = 0;
    while (padded < columns) padded += lanes;
    return padded;
}

template <class T>
class Matrix {
public:
    Matrix(Grid grid, Index capacity, Index columns, T fill = T(0))
        : grid_(grid), capacity_(capacity), columns_(columns), padded_(padded_columns(grid.lanes, columns)),
          data_(capacity * padded_, fill) {}

    [[nodiscard]] Panels<T> panels() const { return {data_.data(), capacity_, columns_}; }
    [[nodiscard]] Index capacity() const { return capacity_; }
    [[nodiscard]] Index columns() const { return columns_; }
    [[nodiscard]] Index padded() const { return padded_; }
    [[nodiscard]] Index size() const { return data_.size(); }
    [[nodiscard]] T* data() const { return data_.data(); }

    // Element (n, column), in the padding where column ≥ columns().
    T& operator()(Index n, Index column) const {
        const Index panel = grid_.panel(), p = column / panel, begin = p * panel;
        const Index width = padded_ - begin < panel ? padded_ - begin : panel;
        return data_[begin * capacity_ + n * width + (column - begin)];
    }

    void set_padding(T value) const {
        for (Index n = 0; n < capacity_; ++n)
            for (Index column = columns_; column < padded_; ++column) (*this)(n, column) = value;
    }

    void randomize(Random& random, double low = -1, double high = 1) const {
        for (Index n = 0; n < capacity_; ++n)
            for (Index column = 0; column < columns_; ++column)
                (*this)(n, column) = static_cast<T>(random.between(low, high));
    }

    // Whether all but rows n0..n1 hold the same bits as in `other`.
    [[nodiscard]] bool same_outside(const Matrix& other, Index n0, Index n1) const {
        for (Index n = 0; n < capacity_; ++n)
            for (Index column = 0; column < padded_ && (n < n0 || n >= n1); ++column)
                if (!same_bits((*this)(n, column), other(n, column))) return false;
        return true;
    }
    // Whether rows n0..n1 are 0 in the padding.
    [[nodiscard]] bool zero_padding(Index n0, Index n1) const {
        for (Index n = n0; n < n1; ++n)
            for (Index column = columns_; column < padded_; ++column)
                if ((*this)(n, column) != T(0)) return false;
        return true;
    }
    // Bit for bit the same, but that one NaN is as good as another (the sign that it gets is the compiler's choice).
    [[nodiscard]] bool same_numbers(const Matrix& other) const {
        for (Index e = 0; e < size(); ++e) {
            const T x = data_[e], y = other.data()[e];
            if (!same_bits(x, y) && !(x != x && y != y)) return false;
        }
        return size() == other.size();
    }

private:
    Grid grid_;
    Index capacity_, columns_, padded_;
    Exactly<T> data_;
};

// A bias, or any vector over columns: 0 behind the last.
template <class T>
Exactly<T> padded_vector(Grid grid, const std::vector<T>& values) {
    Exactly<T> v(padded_columns(grid.lanes, static_cast<Index>(values.size())));
    for (std::size_t k = 0; k < values.size(); ++k) v[static_cast<Index>(k)] = values[k];
    return v;
}

}  // namespace check
