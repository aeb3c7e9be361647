// Costs of one output C_ij (E3) and their derivatives in a, side by side, in the forms of src/chainrule/maths/costs.py.
#pragma once

#include "chainrule/plan.hpp"
#include "chainrule/simd.hpp"

namespace chainrule::CHAINRULE_ISA {

template <class T>
struct Costed {
    vec<T> c, d;  // C_ij and ∂C_ij/∂a_j (or ∂C_ij/∂z_j for a matched pair)
};

template <class T>
CHAINRULE_INLINE vec<T> x_log_y(vec<T> x, vec<T> y) {  // 0 where x is 0, whatever y is
    const vec<T> zero{};
    const vec<T> safe = x == zero ? all<T>(1) : y;
    return x * each_lane<T>(safe, [](T v) {
               if constexpr (sizeof(T) == 4) return ::logf(v);
               else return ::log(v);
           });
}

template <class T>
CHAINRULE_INLINE vec<T> quotient(vec<T> x, vec<T> y) {  // 0 where x is 0, whatever y is
    const vec<T> zero{};
    return x / (x == zero ? all<T>(1) : y);
}

template <class T>
CHAINRULE_INLINE Costed<T> log_cosh_and_derivative(vec<T> r) {
    const vec<T> size = absolute<T>(r);
    const vec<T> t = expm1<T>(minimum<T>(size, all<T>(1)) * static_cast<T>(0.5));
    const vec<T> half = (t + t / (t + 1)) * static_cast<T>(0.5);  // sinh(|r|/2)
    const vec<T> near = log1p_unit<T>(2 * half * half);
    const vec<T> far = size - static_cast<T>(0.69314718055994530942) + log1p_unit<T>(exp<T>(-2 * size));
    return {size < all<T>(1) ? near : far, tanh_and_derivative<T>(r).a};
}

template <class T>
CHAINRULE_INLINE Costed<T> costed(Cost cost, vec<T> a, vec<T> y, T p) {
    const vec<T> zero{}, one = all<T>(1), r = a - y;
    switch (cost) {
        case Cost::squared_error: return {r * r, 2 * r};
        case Cost::half_squared_error: return {static_cast<T>(0.5) * (r * r), r};
        case Cost::binary_cross_entropy:
            return {-(x_log_y<T>(y, a) + x_log_y<T>(1 - y, 1 - a)), quotient<T>(1 - y, 1 - a) - quotient<T>(y, a)};
        case Cost::cross_entropy: return {-x_log_y<T>(y, a), -quotient<T>(y, a)};
        case Cost::poisson: return {a - x_log_y<T>(y, a), 1 - quotient<T>(y, a)};
        case Cost::huber: {
            const vec<T> size = absolute<T>(r), inner = size > all<T>(p) ? all<T>(p) : size;
            return {inner * (size - static_cast<T>(0.5) * inner),
                    r > all<T>(p) ? all<T>(p) : (r < all<T>(-p) ? all<T>(-p) : r)};
        }
        case Cost::absolute_error: return {absolute<T>(r), r == r ? sign<T>(r) : r};
        case Cost::quantile: {
            const vec<T> s = r == r ? sign<T>(r) : r;
            return {r < zero ? -p * r : (1 - p) * r, s * (s < zero ? p * one : (1 - p) * one)};
        }
        case Cost::log_cosh: return log_cosh_and_derivative<T>(r);
    }
    __builtin_unreachable();
}

// C_ij from z and ∂C_ij/∂z_j from a, for pairs whose units are not coupled.
template <class T>
CHAINRULE_INLINE Costed<T> matched(Matched pair, vec<T> z, vec<T> a, vec<T> y) {
    const vec<T> zero{};
    if (pair == Matched::logistic_binary_cross_entropy)
        return {((z < zero ? zero : z) - y * z) + log1p_unit<T>(exp<T>(-absolute<T>(z))), a - y};
    return {a - y * z, a - y};  // exp with poisson; a is e^z
}

}  // namespace chainrule::CHAINRULE_ISA
