// The network as a linear map, at θ and some rows: src/chainrule/engine/linearized.py, which specifies it, in panels.
//
// Arrays from and to users are row-major and checked already. `c` is what each row counts, (m,), or none: 1.
#pragma once

#include <vector>

#include "chainrule/batch.hpp"

namespace chainrule {

// What (E7), (E8) make parts of a gradient of, a layer for each entry: Aᵀ Δ. A layer whose `below` has no data has no part,
// and without `bias` only 𝒲 has one.
template <class T>
struct Outer {
    std::vector<Panels<T>> below, delta;
    bool bias = true;
};

// Vectors of each row and each of `count` cotangents, the numbers of one side by side.
template <class T>
struct Strided {
    T* data;
    Index count, row, cotangent;  // from one row to the next, in elements, and from one cotangent to the next
    [[nodiscard]] T* at(Index n, Index s) const { return data + n * row + s * cotangent; }
};

// Forward passes (E1, E2), kept.
template <class T>
class Linearized {
public:
    Linearized(const Plan& plan, const T* theta, const Rows& X, int threads);

    void outputs(T* z, T* a) const;  // z^L and a^L, (m, n_L)
    // Σ c ā āᵀ of the inputs of layer l + 1, (n_l + 1)² where the layer has a bias, else n_l².
    void moments(const T* c, T* const* out) const;
    // Σ over the terms of (E7), (E8), like θ.
    void add_up(const std::vector<Outer<T>>& terms, T* out) const;
    // Σ over the matrices of Rᵀ diag(c) R, into the upper left of a matrix whose rows are `stride` apart; `scratch` is as large
    // as each of them.
    void moment(const std::vector<Panels<T>>& rows, const T* c, Panels<T> scratch, T* out, Index stride) const;
    [[nodiscard]] Panels<T> below(std::size_t l) const { return l == 0 ? batch.x : batch.a[l - 1]; }

    Weights<T> net;
    Batch<T> batch;
    int threads;
    bool finite;  // whether all of X is, in T
};

// R{z} and R{a} along dθ = v (E31).
template <class T>
class Pushed {
public:
    Pushed(const Linearized<T>& at, const T* v);
    void outputs(T* dz) const;  // R{z^L}, (m, n_L)

    Weights<T> direction;
    std::vector<Buffer<T>> data;
    std::vector<Panels<T>> z, a;  // [l − 1] belongs to layer l; no a of the last one
};

// δ^ℓ of some cotangents of z^L for each row (E6).
template <class T>
class Pulled {
public:
    Pulled(const Linearized<T>& at, const Strided<const T>& seeds);

    void inputs(const Strided<T>& out) const;  // (E9) down to X
    void gradient(const T* c, T* out) const;
    void squared_norms(double* out) const;
    void squares(const T* c, T* out) const;
    void moments(const T* c, T* const* out) const;

private:
    const Linearized<T>& at_;
    Index count_;
    Buffer<T> data_;                              // all of deltas_, the cotangents one behind the other
    std::vector<std::vector<Panels<T>>> deltas_;  // [s][l − 1]
};

// R{δ^ℓ} along what was pushed (E33), and then R{∇C}.
template <class T>
class Bent {
public:
    Bent(const Linearized<T>& at, const Pushed<T>& pushed, const T* delta, const T* d_delta);  // both (m, n_L)
    void gradient(const T* c, T* out) const;

private:
    const Linearized<T>& at_;
    const Pushed<T>& pushed_;
    std::vector<Buffer<T>> data_;
    std::vector<Panels<T>> delta_, d_delta_;
};

}  // namespace chainrule
