// Activations g (E2) and their derivatives g', side by side, in the forms of src/chainrule/maths/activations.py: nothing
// overflows, and no digits are lost. Elementwise ones only; softmax works on rows (rows.hpp).
#pragma once

#include "chainrule/plan.hpp"
#include "chainrule/simd.hpp"

namespace chainrule::CHAINRULE_ISA {

template <class T>
struct Activated {
    vec<T> a, d;  // g(z) and g'(z)
};

template <class T>
struct Logistic {
    vec<T> q, s, other;  // e^(−|z|), σ(z), σ(−z)
    explicit CHAINRULE_INLINE Logistic(vec<T> z) {
        const vec<T> zero{};
        q = exp<T>(-absolute<T>(z));
        const vec<T> r = 1 / (1 + q);
        s = z < zero ? q * r : r;
        other = z < zero ? r : q * r;
    }
};

template <class T>
CHAINRULE_INLINE Activated<T> tanh_and_derivative(vec<T> z) {  // tanh |z| = (1 − q)/(1 + q), q = e^(−2|z|)
    const vec<T> zero{};
    const Reduced<T> e = reduced<T>(-2 * absolute<T>(z));
    const vec<T> power = e.half * e.other;
    const vec<T> q = (e.low + 1) * power, less = -fma<T>(e.low, power, power - 1);  // q and 1 − q
    const vec<T> r = 1 / (1 + q), size = less * r;
    return {z < zero ? -size : size, 4 * q * (r * r)};
}

template <class T>
CHAINRULE_INLINE Activated<T> elu_and_derivative(vec<T> z, T alpha, T scale) {
    const vec<T> zero{};
    const Reduced<T> e = reduced<T>(minimum<T>(zero, z));  // in this order NaN stays NaN
    const vec<T> power = e.half * e.other;
    const vec<T> below = scale * alpha * fma<T>(e.low, power, power - 1), slope = scale * alpha * ((e.low + 1) * power);
    return {z > zero ? scale * z : below, z > zero ? all<T>(scale) : slope};
}

template <class T>
CHAINRULE_INLINE vec<T> normal_density(vec<T> z) {
    const vec<T> clipped = maximum<T>(minimum<T>(z, all<T>(40)), all<T>(-40));
    return exp<T>(static_cast<T>(-0.5) * clipped * clipped) * static_cast<T>(0.39894228040143267794);
}

template <class T>
CHAINRULE_INLINE Activated<T> gelu_and_derivative(vec<T> z) {  // z Φ(z), Φ(z) + z φ(z)
    const vec<T> cdf = each_lane<T>(z * static_cast<T>(-0.70710678118654752440), [](T x) {
        if constexpr (sizeof(T) == 4) return T(0.5) * ::erfcf(x);
        else return T(0.5) * ::erfc(x);
    });
    return {z * cdf, cdf + z * normal_density<T>(z)};
}

template <class T>
struct Mish {
    Logistic<T> l;
    vec<T> t, w;  // tanh(softplus(z)) and 1 − t²
    explicit CHAINRULE_INLINE Mish(vec<T> z) : l(z) {
        const vec<T> zero{}, q = l.q;
        const vec<T> top = z < zero ? q * (q + 2) : 1 + 2 * q;
        const vec<T> bottom = z < zero ? top + 2 : top + 2 * q * q;
        const vec<T> root = 2 * (1 + q) * (z < zero ? all<T>(1) : q) / bottom;
        t = top / bottom;
        w = root * root;
    }
};

template <class T>
CHAINRULE_INLINE Activated<T> mish_and_derivative(vec<T> z) {  // z t, t + z w σ(z)
    const Mish<T> m(z);
    return {z * m.t, m.t + z * m.w * m.l.s};
}

// g and g' of a vector; the derivative is dropped by the compiler where it isn't used.
template <class T, Activation A>
CHAINRULE_INLINE Activated<T> activated(vec<T> z, T parameter) {
    const vec<T> zero{}, one = all<T>(1);
    if constexpr (A == Activation::identity) {
        return {z, one};
    } else if constexpr (A == Activation::logistic) {
        const Logistic<T> l(z);
        return {l.s, l.s * l.other};
    } else if constexpr (A == Activation::tanh) {
        return tanh_and_derivative<T>(z);
    } else if constexpr (A == Activation::relu) {
        return {z < zero ? zero : z, z > zero ? one : zero};  // NaN stays NaN
    } else if constexpr (A == Activation::leaky_relu) {
        return {z > zero ? z : parameter * z, z > zero ? one : all<T>(parameter)};
    } else if constexpr (A == Activation::elu) {
        return elu_and_derivative<T>(z, parameter, T(1));
    } else if constexpr (A == Activation::selu) {  // Klambauer et al. 2017, (14)
        return elu_and_derivative<T>(z, static_cast<T>(1.6732632423543772), static_cast<T>(1.0507009873554805));
    } else if constexpr (A == Activation::gelu) {
        return gelu_and_derivative<T>(z);
    } else if constexpr (A == Activation::silu) {
        const Logistic<T> l(z);
        return {z * l.s, l.s * (1 + z * l.other)};
    } else if constexpr (A == Activation::softplus) {
        const Logistic<T> l(z);
        return {(z < zero ? zero : z) + log1p_unit<T>(l.q), l.s};
    } else if constexpr (A == Activation::mish) {
        return mish_and_derivative<T>(z);
    } else if constexpr (A == Activation::softsign) {
        const vec<T> bottom = 1 + absolute<T>(z), r = 1 / bottom;
        return {z / bottom, r * r};
    } else {
        static_assert(A == Activation::exp);
        const vec<T> a = exp<T>(z);
        return {a, a};
    }
}

// g'' from z, a = g(z) and d = g'(z); d isn't looked at where it is read off a.
template <class T, Activation A>
CHAINRULE_INLINE vec<T> second_derivative(vec<T> z, vec<T> a, vec<T> d) {
    const vec<T> zero{};
    if constexpr (A == Activation::logistic) {
        return d * (1 - 2 * a);
    } else if constexpr (A == Activation::tanh) {
        return -2 * a * d;
    } else if constexpr (A == Activation::elu || A == Activation::selu) {
        return z > zero ? zero : d;
    } else if constexpr (A == Activation::gelu) {  // φ(z)(2 − z²)
        const vec<T> pdf = normal_density<T>(z);
        return 2 * pdf - z * (z * pdf);
    } else if constexpr (A == Activation::silu) {  // σ'(z)(2 + z(1 − 2σ(z)))
        const Logistic<T> l(z);
        return l.s * l.other * (2 + z * (l.other - l.s));
    } else if constexpr (A == Activation::softplus) {
        const Logistic<T> l(z);
        return l.s * l.other;
    } else if constexpr (A == Activation::mish) {  // w σ(z)(2 + z(σ(−z) − 2 t σ(z))), z last: twice z may be infinite
        const Mish<T> m(z);
        const vec<T> slope = m.w * m.l.s;
        return 2 * slope + z * (slope * (m.l.other - 2 * m.t * m.l.s));
    } else if constexpr (A == Activation::softsign) {  // 0 at z = 0, between ±2
        const vec<T> r = 1 / (1 + absolute<T>(z));
        return -2 * sign<T>(z) * (r * r * r);
    } else if constexpr (A == Activation::exp) {
        return a;
    } else {
        return zero;  // identity, relu, leaky_relu
    }
}

// Call f<A>() for the elementwise activation `which`.
#define CHAINRULE_ON_ACTIVATION(which, f)                              \
    switch (which) {                                                   \
        case Activation::identity: f(Activation::identity); break;     \
        case Activation::logistic: f(Activation::logistic); break;     \
        case Activation::tanh: f(Activation::tanh); break;             \
        case Activation::relu: f(Activation::relu); break;             \
        case Activation::leaky_relu: f(Activation::leaky_relu); break; \
        case Activation::elu: f(Activation::elu); break;               \
        case Activation::selu: f(Activation::selu); break;             \
        case Activation::gelu: f(Activation::gelu); break;             \
        case Activation::silu: f(Activation::silu); break;             \
        case Activation::softplus: f(Activation::softplus); break;     \
        case Activation::mish: f(Activation::mish); break;             \
        case Activation::softsign: f(Activation::softsign); break;     \
        case Activation::exp: f(Activation::exp); break;               \
        case Activation::softmax: break;                               \
    }

}  // namespace chainrule::CHAINRULE_ISA
