// Update rules (E16 to E21, E62) on flat stretches of θ, with the operations of src/chainrule/maths/updates.py in their order
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
    } else if constexpr (R == Rule::rprop) {
        const vec<T> zero{}, before = load(first_at), known = load(second_at);
        const vec<T> turned = sign<T>(before) * sign<T>(g);
        vec<T> size = known == zero ? all<T>(s.rate) : known;
        size = turned > zero ? s.beta2 * size : turned < zero ? s.beta1 * size : size;
        size = minimum<T>(maximum<T>(size, all<T>(s.least)), all<T>(s.largest));
        const vec<T> kept = turned < zero ? zero : g;
        store<T>(first_at, kept);
        store<T>(second_at, size);
        return theta - sign<T>(kept) * size;
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

// ∇C + λθ + λ₁ sign(θ), of which both of the latter are 0 at biases.
template <class T, bool Plain>
CHAINRULE_INLINE vec<T> penalized(vec<T> g, vec<T> w, T penalty, T l1) {
    if (penalty != T(0)) g = g + penalty * w;
    if constexpr (!Plain)
        if (l1 != T(0)) g = g + l1 * sign<T>(w);
    return g;
}

// Call f(place, chain) for each vector of `count` elements: two chains of additions, so that none waits for the last one.
template <class T, class F>
CHAINRULE_INLINE void by_two(Index count, F f) {
    constexpr Index V = Simd<T>::lanes;
    Index at = 0;
    for (; at + 2 * V <= count; at += 2 * V) {
        f(at, 0);
        f(at + V, 1);
    }
    if (at < count) f(at, 0);
}

// θ ← rule(θ, s(∇C + λθ + λ₁ sign(θ))) on `count` elements, whole vectors; no penalty and no decay at biases. `first`,
// `second` are the rule's vectors there. Adds Σ of squares of the gradient before s, and Σθ² of before the step, to `sums`.
// A plain step has neither λ₁ nor s nor a decay apart from the rule's own.
template <class T, Rule R, bool Plain>
void update_stretch(const Step<T>& s, T* theta, const T* gradient, T* first, T* second, Index count, bool weights,
                    Sums& sums) {
    const T penalty = weights ? s.penalty : T(0), l1 = weights ? s.l1 : T(0), shrink = weights ? s.shrink : T(0);
    vec<T> squares[2] = {}, weight_squares[2] = {};
    by_two<T>(count, [&](Index at, int chain) __attribute__((always_inline)) {
        vec<T> w = load(theta + at);
        vec<T> g = penalized<T, Plain>(load(gradient + at), w, penalty, l1);
        squares[chain] = fma<T>(g, g, squares[chain]);
        weight_squares[chain] = fma<T>(w, w, weight_squares[chain]);
        if constexpr (!Plain) {
            if (s.scale != T(1)) g = g * s.scale;
            if (shrink != T(0)) w = w - shrink * w;
        }
        // a rule without such a vector is given none
        T *first_at = R == Rule::sgd ? first : first + at, *second_at = R < Rule::adam ? second : second + at;
        store<T>(theta + at, updated<T, R>(s, w, g, first_at, second_at, weights));
    });
    sums.gradient += static_cast<double>(sum_lanes<T>(squares[0] + squares[1]));
    if (weights) sums.weights += static_cast<double>(sum_lanes<T>(weight_squares[0] + weight_squares[1]));
}

// The first half of that: where the whole gradient is looked at before θ changes.
template <class T>
void penalize_stretch(const Step<T>& s, const T* theta, T* gradient, Index count, bool weights, Sums& sums) {
    const T penalty = weights ? s.penalty : T(0), l1 = weights ? s.l1 : T(0);
    vec<T> squares[2] = {}, weight_squares[2] = {};
    by_two<T>(count, [&](Index at, int chain) __attribute__((always_inline)) {
        const vec<T> w = load(theta + at), g = penalized<T, false>(load(gradient + at), w, penalty, l1);
        squares[chain] = fma<T>(g, g, squares[chain]);
        weight_squares[chain] = fma<T>(w, w, weight_squares[chain]);
        store<T>(gradient + at, g);
    });
    sums.gradient += static_cast<double>(sum_lanes<T>(squares[0] + squares[1]));
    if (weights) sums.weights += static_cast<double>(sum_lanes<T>(weight_squares[0] + weight_squares[1]));
}

template <class T>
double stretch_length(const T* x, Index count) {
    vec<T> squares[2] = {};
    by_two<T>(count, [&](Index at, int chain) __attribute__((always_inline)) {
        const vec<T> v = load(x + at);
        squares[chain] = fma<T>(v, v, squares[chain]);
    });
    return static_cast<double>(sum_lanes<T>(squares[0] + squares[1]));
}

}  // namespace chainrule::CHAINRULE_ISA
