// The naive network as a linear map: what linearized.hpp gives, example by example and entry by entry. No R{·} is taken
// together with another, no sum is halved, and each example's gradient is there as a whole.
#pragma once

#include <vector>

#include "naive.hpp"

namespace naive {

// (E31) along dθ = v; z[ℓ − 1] and a[ℓ − 1] belong to layer ℓ.
template <class R>
struct Tangent {
    std::vector<Vector<R>> z, a;
};

template <class R>
void add_to(Vector<R>& sum, const Vector<R>& more) {
    for (std::size_t e = 0; e < sum.size(); ++e) sum[e] += more[e];
}

template <class R>
Tangent<R> push(const Plan& plan, const Vector<R>& theta, const Passes<R>& run, const Vector<R>& v, Index m) {
    Tangent<R> along;
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const chainrule::Layer& layer = plan.layers[l];
        const R* db = layer.bias ? v.data() + layer.bias_at : nullptr;
        Vector<R> dz = affine(run.a[l], v.data() + layer.weights_at, db, m, layer.in, layer.out);
        if (l > 0) {
            const R *W = theta.data() + layer.weights_at, *none = nullptr;
            add_to(dz, affine(along.a[l - 1], W, none, m, layer.in, layer.out));
        }
        along.a.push_back(through_activation(layer, run.z[l], dz, m));
        along.z.push_back(dz);
    }
    return along;
}

// Every R{δ^ℓ} (E33), [ℓ − 1], along what was pushed, from δ and R{δ^L}.
template <class R>
std::vector<Vector<R>> bend(const Plan& plan, const Vector<R>& theta, const Passes<R>& run, const Vector<R>& v,
                            const Tangent<R>& along, const std::vector<Vector<R>>& delta, const Vector<R>& d_delta_L,
                            Index m) {
    std::vector<Vector<R>> d_delta(plan.layers.size());
    d_delta.back() = d_delta_L;
    for (std::size_t l = plan.layers.size() - 1; l > 0; --l) {
        const chainrule::Layer &layer = plan.layers[l], &below = plan.layers[l - 1];
        const R *W = theta.data() + layer.weights_at, *dW = v.data() + layer.weights_at;
        const Vector<R> e = times_transposed(delta[l], W, m, layer.in, layer.out);
        Vector<R> d_e = times_transposed(d_delta[l], W, m, layer.in, layer.out);
        add_to(d_e, times_transposed(delta[l], dW, m, layer.in, layer.out));
        d_delta[l - 1] = by_row<R>(m, [&](Index n) {
            const auto row = [&](const Vector<R>& matrix) { return row_of(matrix, n, below.out); };
            return bent(below.activation, static_cast<R>(below.parameter), row(run.z[l - 1]), row(along.z[l - 1]),
                        row(e), row(d_e));
        });
    }
    return d_delta;
}

// (E7), (E8) of example n alone, like θ: aδᵀ for each layer, and δ where `bias` says so.
template <class R>
Vector<R> example_gradient(const Plan& plan, const std::vector<Vector<R>>& below, const std::vector<Vector<R>>& delta,
                           Index n, bool bias = true) {
    Vector<R> gradient(at(plan.n_parameters));
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const chainrule::Layer& layer = plan.layers[l];
        for (Index o = 0; o < layer.out && !below[l].empty(); ++o) {
            const R d = delta[l][at(n * layer.out + o)];
            for (Index i = 0; i < layer.in; ++i)
                gradient[at(layer.weights_at + i * layer.out + o)] = below[l][at(n * layer.in + i)] * d;
            if (layer.bias && bias) gradient[at(layer.bias_at + o)] = d;
        }
    }
    return gradient;
}

// Σ_n c_n r rᵀ of rows r (m, n), or of r with a 1 behind it; c may be empty: 1.
template <class R>
Vector<R> second_moment(const Vector<R>& rows, Index columns, const Vector<R>& c, Index m, bool one_behind) {
    const Index n = columns + (one_behind ? 1 : 0);
    Vector<R> moment(at(n * n));
    for (Index k = 0; k < m; ++k) {
        Vector<R> r = row_of(rows, k, columns);
        if (one_behind) r.push_back(1);
        for (Index i = 0; i < n; ++i)
            for (Index j = 0; j < n; ++j) moment[at(i * n + j)] += (c.empty() ? R(1) : c[at(k)]) * r[at(i)] * r[at(j)];
    }
    return moment;
}

}  // namespace naive
