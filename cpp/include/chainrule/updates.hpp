// Update rules (E16 to E21) on flat stretches of θ, with the operations of src/chainrule/maths/updates.py in their order
// and nothing contracted, so that a rule gives the same bits here as there (but for the quotient of over_root).
#pragma once

#include "chainrule/kernels.hpp"
#include "chainrule/simd.hpp"

namespace chainrule::CHAINRULE_ISA {

template <class T, Rule R>
CHAINRULE_INLINE vec<T> updated(const Step<T>& s, vec<T> theta, vec<T> g, T* first_at, T* second_at, bool weights) {
    if constexpr (R == Rule::sgd) {
        return theta - s.rate * g;
    } else if constexpr (R == Rule::momentum) {
        const vec<T> v = s.mu * load(first_at) - s.rate * g;
        store<T>(first_at, v);
        return theta + v;
    } else if constexpr (R == Rule::nesterov) {
        const vec<T> descent = s.rate * g, v = s.mu * load(first_at) - descent;
        store<T>(first_at, v);
        return theta + (s.mu * v - descent);
    } else if constexpr (R == Rule::rmsprop) {
        const vec<T> mean = s.beta2 * load(first_at) + s.rest2 * (g * g);
        store<T>(first_at, mean);
        return theta - over_root<T>(s.rate * g, mean, s.epsilon);
    } else {
        if constexpr (R == Rule::adamw)
            if (weights) theta = theta - s.decay * theta;
        const vec<T> m = s.beta1 * load(first_at) + s.rest1 * g;
        const vec<T> v = s.beta2 * load(second_at) + s.rest2 * (g * g);
        store<T>(first_at, m);
        store<T>(second_at, v);
        return theta - over_root<T>(s.rate_now * m, v, s.epsilon_now);
    }
}

// θ ← rule(θ, ∇C + λθ) on `count` elements, whole vectors; λ = 0 and no decay at biases. `first`, `second` are the rule's
// vectors there. Adds Σ(∇C + λθ)² and Σθ², of before the step, to `sums`.
template <class T, Rule R>
void update_stretch(const Step<T>& s, T* theta, const T* gradient, T* first, T* second, Index count, bool weights,
                    Sums& sums) {
    constexpr Index V = Simd<T>::lanes;
    const T penalty = weights ? s.penalty : T(0);
    vec<T> squares[2] = {},
           weight_squares[2] = {};  // two chains of additions each, so that none waits for the last one
    const auto update_at = [&](Index at, int chain) __attribute__((always_inline)) {
        const vec<T> w = load(theta + at);
        vec<T> g = load(gradient + at);
        if (penalty != T(0)) g = g + penalty * w;
        squares[chain] = fma<T>(g, g, squares[chain]);
        weight_squares[chain] = fma<T>(w, w, weight_squares[chain]);
        // a rule without such a vector is given none
        T *first_at = R == Rule::sgd ? first : first + at, *second_at = R < Rule::adam ? second : second + at;
        store<T>(theta + at, updated<T, R>(s, w, g, first_at, second_at, weights));
    };
    Index at = 0;
    for (; at + 2 * V <= count; at += 2 * V) {
        update_at(at, 0);
        update_at(at + V, 1);
    }
    if (at < count) update_at(at, 0);
    sums.gradient += static_cast<double>(sum_lanes<T>(squares[0] + squares[1]));
    if (weights) sums.weights += static_cast<double>(sum_lanes<T>(weight_squares[0] + weight_squares[1]));
}

}  // namespace chainrule::CHAINRULE_ISA
