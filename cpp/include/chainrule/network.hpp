// The passes that users call (E1 to E10), on row-major arrays of T that are checked already: src/chainrule/_core.pyi.
#pragma once

#include "chainrule/batch.hpp"

namespace chainrule {

template <class T>
class Network {
public:
    explicit Network(const Plan& plan) : plan_(plan), kernels_(kernels<T>()) {}

    // Index of the first row with a number that is not finite, or −1.
    Index predict(const T* theta, const Rows& X, T* out, int threads) const;
    void forward(const T* theta, const Rows& X, T* const* a, T* const* z, int threads) const;
    double backward(const T* theta, Index m, const T* const* a, const T* const* z, const T* Y, const T* weights,
                    T* const* delta, T* x, T* gradient, int threads) const;
    void example_costs(Index m, const T* a, const T* z, const T* Y, T* out) const;
    double value_and_gradient(const T* theta, const Rows& X, const T* Y, const T* weights, T* gradient,
                              int threads) const;

private:
    const Plan& plan_;
    const Kernels<T>& kernels_;
};

// Outputs of single rows, without packing and without allocating: the same bits as Network::predict.
template <class T>
class RowPredictor {
public:
    explicit RowPredictor(const Plan& plan);
    // False when x or an entry of it is not finite.
    bool predict(const T* theta, const Rows& X, Index row, T* out);

private:
    const Plan& plan_;
    const Kernels<T>& kernels_;
    Buffer<T> x_, z_, rest_;
};

}  // namespace chainrule
