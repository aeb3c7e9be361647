// Steps of training with all that they may do besides (E51 to E58), naively: example by example, in whatever precision R is
// asked for. The random numbers are those of src/chainrule/maths/masks.py.
#pragma once

#include <array>

#include "chainrule/options.hpp"
#include "naive.hpp"

namespace naive {

using chainrule::StepOptions;

// Philox4x32-10 as its authors write it.
inline std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c, std::uint32_t k0, std::uint32_t k1) {
    for (int round = 0; round < 10; ++round, k0 += 0x9e3779b9U, k1 += 0xbb67ae85U) {
        const std::uint64_t p0 = std::uint64_t{0xd2511f53U} * c[0], p1 = std::uint64_t{0xcd9e8d57U} * c[2];
        c = {static_cast<std::uint32_t>(p1 >> 32U) ^ c[1] ^ k0, static_cast<std::uint32_t>(p1),
             static_cast<std::uint32_t>(p0 >> 32U) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
    }
    return c;
}

// The words of the block that has a unit in it, and which of them is the unit's.
struct Drawn {
    std::array<std::uint32_t, 4> words;
    std::size_t mine;
};
inline Drawn drawn(std::uint64_t seed, Index step, std::uint32_t stream, Index row, Index unit) {
    const auto block = static_cast<std::uint32_t>(16 * (unit / 64) + unit % 16);
    return {philox({block, static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(step), stream},
                   static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U)),
            at(unit % 64 / 16)};
}

// M (E51).
inline double mask(double p, std::uint64_t seed, Index step, std::uint32_t stream, Index row, Index unit) {
    const Drawn d = drawn(seed, step, stream, row, unit);
    const double threshold = std::min(std::floor(std::ldexp(p, 32) + 0.5), 4294967295.0);
    return static_cast<double>(d.words[d.mine]) < threshold ? 0 : 1 / (1 - p);
}

// N (E56).
template <class R>
R normal(std::uint64_t seed, Index step, Index row, Index unit) {
    const Drawn d = drawn(seed, step, 1U << 31U, row, unit);
    const std::size_t pair = d.mine / 2 * 2;
    const R u = (static_cast<R>(d.words[pair]) + 1) / 4294967296, v = static_cast<R>(d.words[pair + 1]) / 4294967296;
    const R angle = 8 * std::atan(R(1)) * v;
    return std::sqrt(-2 * std::log(u)) * (d.mine % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

// C of a batch, and factor·∇C of it, 0 at frozen layers.
template <class R>
struct StepGradient {
    R cost = 0;
    Vector<R> gradient;
};

template <class R>
StepGradient<R> step_gradient(const Plan& plan, const StepOptions& options, const Vector<R>& theta, const Vector<R>& X,
                              const Vector<R>& Y, const Vector<R>& weights, Index m, Index number, double factor) {
    const std::size_t L = plan.layers.size();
    const auto masked = [&](std::size_t layer, Index row, Vector<R>& v) {  // times M of a^layer
        const double p = layer < L ? options.p(layer) : 0;
        for (std::size_t u = 0; p > 0 && u < v.size(); ++u)
            v[u] *= static_cast<R>(
                mask(p, options.seed, number, static_cast<std::uint32_t>(layer), row, static_cast<Index>(u)));
    };
    StepGradient<R> found;
    found.gradient.assign(at(plan.n_parameters), 0);
    R total = 0;
    for (Index n = 0; n < m; ++n) total += weights.empty() ? R(1) : weights[at(n)];
    for (Index n = 0; n < m; ++n) {
        std::vector<Vector<R>> a{row_of(X, n, plan.inputs())}, z, delta(L);
        for (std::size_t u = 0; options.noise > 0 && u < a[0].size(); ++u)
            a[0][u] += static_cast<R>(options.noise) * normal<R>(options.seed, number, n, static_cast<Index>(u));
        masked(0, n, a[0]);
        for (std::size_t l = 0; l < L; ++l) {
            const chainrule::Layer& layer = plan.layers[l];
            z.push_back(affine(a[l], theta.data() + layer.weights_at,
                               layer.bias ? theta.data() + layer.bias_at : nullptr, 1, layer.in, layer.out));
            a.push_back(activate_row(layer.activation, static_cast<R>(layer.parameter), z[l]));
            masked(l + 1, n, a[l + 1]);
        }
        Vector<R> da;
        R of_example = 0;
        for (Index j = 0; j < plan.outputs(); ++j) {
            R y = Y[at(n * plan.outputs() + j)];
            const bool classes = plan.cost == Cost::cross_entropy && plan.outputs() > 1;
            const R share = classes ? R(1) / static_cast<R>(plan.outputs()) : R(0.5),
                    epsilon = static_cast<R>(options.smoothing);
            if (epsilon > 0) y = (1 - epsilon) * y + epsilon * share;
            const Costed<R> c = cost(plan.cost, static_cast<R>(plan.cost_parameter), a[L][at(j)], y);
            of_example += c.c;
            da.push_back(c.d);
        }
        Vector<R> gradient(at(plan.n_parameters));
        R squares = 0;
        for (std::size_t l = L; l-- > 0;) {
            const chainrule::Layer& layer = plan.layers[l];
            masked(l + 1, n, da);
            delta[l] = activation_vjp(layer.activation, static_cast<R>(layer.parameter), z[l], da);
            da = times_transposed(delta[l], theta.data() + layer.weights_at, 1, layer.in, layer.out);
            for (Index o = 0; o < layer.out && !options.frozen(l); ++o) {
                for (Index i = 0; i < layer.in; ++i)
                    gradient[at(layer.weights_at + i * layer.out + o)] = a[l][at(i)] * delta[l][at(o)];
                if (layer.bias) gradient[at(layer.bias_at + o)] = delta[l][at(o)];
            }
        }
        for (const R g : gradient) squares += g * g;
        const R norm = std::sqrt(squares), limit = static_cast<R>(options.clip_example_norm);
        const R share = (weights.empty() ? R(1) : weights[at(n)]) / (plan.mean ? total : R(1));
        found.cost += share * of_example;
        for (std::size_t p = 0; p < gradient.size(); ++p)
            found.gradient[p] += static_cast<R>(factor) * share * (norm > limit ? limit / norm : R(1)) * gradient[p];
    }
    return found;
}

// Each column of the 𝒲 that aren't frozen, no longer than max_norm (E54).
template <class R>
void constrain(const Plan& plan, const StepOptions& options, Vector<R>& theta) {
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const chainrule::Layer& layer = plan.layers[l];
        for (Index o = 0; o < layer.out && !options.frozen(l); ++o) {
            R squares = 0;
            for (Index i = 0; i < layer.in; ++i) {
                const R w = theta[at(layer.weights_at + i * layer.out + o)];
                squares += w * w;
            }
            const R norm = std::sqrt(squares), limit = static_cast<R>(options.max_norm);
            for (Index i = 0; i < layer.in && norm > limit; ++i)
                theta[at(layer.weights_at + i * layer.out + o)] *= limit / norm;
        }
    }
}

}  // namespace naive
