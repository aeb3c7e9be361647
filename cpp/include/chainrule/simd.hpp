// The one seam to SIMD: vectors of T, as wide as the instruction set of this translation unit makes them.
//
// Everything here is compiled once per instruction set, each time into a namespace of its own (CHAINRULE_ISA), so that
// no function of one can be taken for that of another by the linker. For the same reason nothing of the standard
// library's templates is used in files that include this one: only C functions that live in libm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <math.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#ifndef CHAINRULE_ISA
#error "define CHAINRULE_ISA, the namespace of this translation unit's kernels"
#endif

#if defined(__AVX512F__)
#define CHAINRULE_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define CHAINRULE_VECTOR_BYTES 32
#else
#define CHAINRULE_VECTOR_BYTES 16
#endif

// Of 32 vector registers, tiles of four vectors and six rows keep the sums in 24; of 16, three and four in 12.
#if defined(__AVX512F__) || defined(__aarch64__)
#define CHAINRULE_PANEL_VECTORS 4
#else
#define CHAINRULE_PANEL_VECTORS 3
#endif

#define CHAINRULE_INLINE inline __attribute__((always_inline))

namespace chainrule::CHAINRULE_ISA {

template <class T>
struct Simd;

template <>
struct Simd<float> {
    typedef float vec __attribute__((vector_size(CHAINRULE_VECTOR_BYTES)));
    typedef std::int32_t mask __attribute__((vector_size(CHAINRULE_VECTOR_BYTES)));
    typedef std::uint32_t bits __attribute__((vector_size(CHAINRULE_VECTOR_BYTES)));
    using index = std::int32_t;
    static constexpr int lanes = CHAINRULE_VECTOR_BYTES / 4;
    static constexpr float round_magic = 12582912.0F;  // 1.5 · 2^23: adding it leaves a whole number in the low bits
    static constexpr std::uint32_t exponent_bias = 127, mantissa_bits = 23;
    static constexpr float exp_low = -105.0F, exp_high = 89.0F;  // beyond: 0 and ∞
    static constexpr float ln2_high = 0.693359375F, ln2_low = -2.12194440e-4F;
};

template <>
struct Simd<double> {
    typedef double vec __attribute__((vector_size(CHAINRULE_VECTOR_BYTES)));
    typedef std::int64_t mask __attribute__((vector_size(CHAINRULE_VECTOR_BYTES)));
    typedef std::uint64_t bits __attribute__((vector_size(CHAINRULE_VECTOR_BYTES)));
    using index = std::int64_t;
    static constexpr int lanes = CHAINRULE_VECTOR_BYTES / 8;
    static constexpr double round_magic = 6755399441055744.0;  // 1.5 · 2^52
    static constexpr std::uint64_t exponent_bias = 1023, mantissa_bits = 52;
    static constexpr double exp_low = -746.0, exp_high = 710.0;
    static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
};

template <class T>
using vec = typename Simd<T>::vec;

template <class T>
CHAINRULE_INLINE vec<T> load(const T* at) {
    vec<T> v;
    std::memcpy(&v, at, sizeof v);
    return v;
}

template <class T>
CHAINRULE_INLINE void store(T* at, vec<T> v) {
    std::memcpy(at, &v, sizeof v);
}

template <class T>
CHAINRULE_INLINE vec<T> all(T x) {
    return x - vec<T>{};  // broadcast; x − 0 keeps the sign of a zero, which x + 0 would lose
}

// x·y + z, rounded once wherever the machine can (the baseline of x86-64 can't, and rounds twice).
template <class T>
CHAINRULE_INLINE vec<T> fma(vec<T> x, vec<T> y, vec<T> z);

template <class T>
CHAINRULE_INLINE vec<T> sqrt(vec<T> x);

#if defined(__AVX512F__)
template <>
CHAINRULE_INLINE vec<float> fma<float>(vec<float> x, vec<float> y, vec<float> z) {
    return _mm512_fmadd_ps(x, y, z);
}
template <>
CHAINRULE_INLINE vec<double> fma<double>(vec<double> x, vec<double> y, vec<double> z) {
    return _mm512_fmadd_pd(x, y, z);
}
template <>
CHAINRULE_INLINE vec<float> sqrt<float>(vec<float> x) {
    return _mm512_sqrt_ps(x);
}
template <>
CHAINRULE_INLINE vec<double> sqrt<double>(vec<double> x) {
    return _mm512_sqrt_pd(x);
}
#elif defined(__AVX2__)
template <>
CHAINRULE_INLINE vec<float> fma<float>(vec<float> x, vec<float> y, vec<float> z) {
    return _mm256_fmadd_ps(x, y, z);
}
template <>
CHAINRULE_INLINE vec<double> fma<double>(vec<double> x, vec<double> y, vec<double> z) {
    return _mm256_fmadd_pd(x, y, z);
}
template <>
CHAINRULE_INLINE vec<float> sqrt<float>(vec<float> x) {
    return _mm256_sqrt_ps(x);
}
template <>
CHAINRULE_INLINE vec<double> sqrt<double>(vec<double> x) {
    return _mm256_sqrt_pd(x);
}
#elif defined(__ARM_NEON) && defined(__aarch64__)
template <>
CHAINRULE_INLINE vec<float> fma<float>(vec<float> x, vec<float> y, vec<float> z) {
    return (vec<float>)vfmaq_f32((float32x4_t)z, (float32x4_t)x, (float32x4_t)y);
}
template <>
CHAINRULE_INLINE vec<double> fma<double>(vec<double> x, vec<double> y, vec<double> z) {
    return (vec<double>)vfmaq_f64((float64x2_t)z, (float64x2_t)x, (float64x2_t)y);
}
template <>
CHAINRULE_INLINE vec<float> sqrt<float>(vec<float> x) {
    return (vec<float>)vsqrtq_f32((float32x4_t)x);
}
template <>
CHAINRULE_INLINE vec<double> sqrt<double>(vec<double> x) {
    return (vec<double>)vsqrtq_f64((float64x2_t)x);
}
#else
template <class T>
CHAINRULE_INLINE vec<T> fma(vec<T> x, vec<T> y, vec<T> z) {
    return x * y + z;
}
template <class T>
CHAINRULE_INLINE vec<T> sqrt(vec<T> x) {
    for (int lane = 0; lane < Simd<T>::lanes; ++lane) x[lane] = static_cast<T>(::sqrt(static_cast<double>(x[lane])));
    return x;
}
#endif

// Products of the lower halves of 64-bit lanes, whatever stands in the upper ones.
CHAINRULE_INLINE Simd<double>::bits multiply_low_halves(Simd<double>::bits x, Simd<double>::bits y) {
    using Bits = Simd<double>::bits;
#if defined(__AVX512F__)
    return (Bits)_mm512_mul_epu32((__m512i)x, (__m512i)y);
#elif defined(__AVX2__)
    return (Bits)_mm256_mul_epu32((__m256i)x, (__m256i)y);
#elif defined(__SSE2__)
    return (Bits)_mm_mul_epu32((__m128i)x, (__m128i)y);
#elif defined(__ARM_NEON) && defined(__aarch64__)
    return (Bits)vmull_u32(vmovn_u64((uint64x2_t)x), vmovn_u64((uint64x2_t)y));
#else
    return (x & 0xffffffffU) * (y & 0xffffffffU);
#endif
}

// x/(√v + ε) for v ≥ 0 and ε > 0, all of usual size. Rounded as three operations are, but for float32 with AVX-512: there the
// divider would be what an update waits for, so that estimates of 14 bits and a step of Newton's take its place; what comes
// out is within 4 units in the last place.
template <class T>
CHAINRULE_INLINE vec<T> over_root(vec<T> x, vec<T> v, T epsilon) {
    return x / (sqrt<T>(v) + epsilon);
}
#if defined(__AVX512F__)
template <>
CHAINRULE_INLINE vec<float> over_root<float>(vec<float> x, vec<float> v, float epsilon) {
    const vec<float> least = all<float>(1e-36F), positive = v > least ? v : least;  // 0 · ∞ would be NaN
    const vec<float> y = _mm512_rsqrt14_ps(positive), half = 0.5F * positive * y;
    const vec<float> root = v * fma<float>(fma<float>(-half, y, all<float>(0.5F)), y, y);
    const vec<float> bottom = root + epsilon, r = _mm512_rcp14_ps(bottom);
    return x * fma<float>(fma<float>(-bottom, r, all<float>(1)), r, r);
}
#endif

template <class T>
CHAINRULE_INLINE vec<T> minimum(vec<T> x, vec<T> y) {  // y where x is NaN
    return x < y ? x : y;
}

template <class T>
CHAINRULE_INLINE vec<T> maximum(vec<T> x, vec<T> y) {
    return x > y ? x : y;
}

template <class T>
CHAINRULE_INLINE vec<T> absolute(vec<T> x) {
    return (vec<T>)((typename Simd<T>::bits)x << 1U >> 1U);
}

template <class T>
CHAINRULE_INLINE vec<T> sign(vec<T> x) {  // −1, 0, 1
    const vec<T> zero{}, one = all<T>(1);
    return (x > zero ? one : zero) - (x < zero ? one : zero);
}

// f over all lanes, by halves: lane with lane + half, until one is left.
template <class T, class F>
CHAINRULE_INLINE T by_halves(vec<T> x, F f) {
    T part[Simd<T>::lanes];
    store<T>(part, x);
#pragma GCC unroll 4
    for (int half = Simd<T>::lanes / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int lane = 0; lane < half; ++lane) part[lane] = f(part[lane], part[lane + half]);
    return part[0];
}

// The sum of all lanes, and the largest of them, where none is NaN; AVX-512 has these by halves.
template <class T>
CHAINRULE_INLINE T sum_lanes(vec<T> x) {
    return by_halves<T>(x, [](T p, T q) { return p + q; });
}
template <class T>
CHAINRULE_INLINE T largest_lane(vec<T> x) {
    return by_halves<T>(x, [](T p, T q) { return p > q ? p : q; });
}
#if defined(__AVX512F__)
template <>
CHAINRULE_INLINE float sum_lanes<float>(vec<float> x) {
    return _mm512_reduce_add_ps(x);
}
template <>
CHAINRULE_INLINE double sum_lanes<double>(vec<double> x) {
    return _mm512_reduce_add_pd(x);
}
template <>
CHAINRULE_INLINE float largest_lane<float>(vec<float> x) {
    return _mm512_reduce_max_ps(x);
}
template <>
CHAINRULE_INLINE double largest_lane<double>(vec<double> x) {
    return _mm512_reduce_max_pd(x);
}
#endif

// The first `count` lanes of x, `otherwise` in those behind them.
template <class T>
CHAINRULE_INLINE vec<T> first_lanes(vec<T> x, std::ptrdiff_t count, vec<T> otherwise) {
    using Mask = typename Simd<T>::mask;
    Mask index;
    for (int lane = 0; lane < Simd<T>::lanes; ++lane) index[lane] = lane;
    return index < Mask{} + static_cast<typename Simd<T>::index>(count) ? x : otherwise;
}

// f of each lane, for functions that have no vector form here.
template <class T, class F>
CHAINRULE_INLINE vec<T> each_lane(vec<T> x, F f) {
    for (int lane = 0; lane < Simd<T>::lanes; ++lane) x[lane] = f(x[lane]);
    return x;
}

// c₀ + c₁x + c₂x² + … by Horner's rule.
template <class T, int N>
CHAINRULE_INLINE vec<T> polynomial(vec<T> x, const T (&c)[N]) {
    vec<T> p = all<T>(c[N - 1]);
#pragma GCC unroll 24
    for (int k = N - 2; k >= 0; --k) p = fma<T>(p, x, all<T>(c[k]));
    return p;
}

// Taylor coefficients of (e^r − 1 − r)/r², |r| ≤ ln 2/2: the first one left out is below half a unit in the last place.
template <class T>
struct ExpSeries;
template <>
struct ExpSeries<float> {
    static constexpr float c[] = {1.0F / 2, 1.0F / 6, 1.0F / 24, 1.0F / 120, 1.0F / 720, 1.0F / 5040};
};
template <>
struct ExpSeries<double> {
    static constexpr double c[] = {1.0 / 2,       1.0 / 6,        1.0 / 24,          1.0 / 120,
                                   1.0 / 720,     1.0 / 5040,     1.0 / 40320,       1.0 / 362880,
                                   1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600.0, 1.0 / 6227020800.0};
};

// x = n ln 2 + r: e^x − 1 = 2^n (e^r − 1) + (2^n − 1).
template <class T>
struct Reduced {
    vec<T> low;          // e^r − 1
    vec<T> half, other;  // 2^⌊n/2⌋ and 2^(n − ⌊n/2⌋), as 2^n alone can overflow or be subnormal
};

template <class T>
CHAINRULE_INLINE Reduced<T> reduced(vec<T> x) {
    using S = Simd<T>;
    using Bits = typename S::bits;
    using Mask = typename S::mask;
    const vec<T> low = all<T>(S::exp_low), high = all<T>(S::exp_high);
    x = x < low ? low : x;  // NaN stays NaN
    x = x > high ? high : x;
    const vec<T> shifted = fma<T>(x, all<T>(static_cast<T>(1.4426950408889634)), all<T>(S::round_magic));
    const vec<T> n = shifted - S::round_magic;
    vec<T> r = fma<T>(n, all<T>(-S::ln2_high), x);
    r = fma<T>(n, all<T>(-S::ln2_low), r);
    const vec<T> series = polynomial<T>(r, ExpSeries<T>::c);
    const Mask whole = (Mask)((Bits)shifted - (Bits)all<T>(S::round_magic));
    const Mask first = whole >> 1;
    const Bits one = (Bits)first + S::exponent_bias, two = (Bits)(whole - first) + S::exponent_bias;
    return {fma<T>(r * r, series, r), (vec<T>)(one << S::mantissa_bits), (vec<T>)(two << S::mantissa_bits)};
}

template <class T>
CHAINRULE_INLINE vec<T> exp(vec<T> x) {
    const Reduced<T> e = reduced<T>(x);
    return (e.low + 1) * e.half * e.other;
}

// e^x − 1 with the digits that 1 would swallow, for x ≤ 0 (and small x > 0).
template <class T>
CHAINRULE_INLINE vec<T> expm1(vec<T> x) {
    const Reduced<T> e = reduced<T>(x);
    const vec<T> power = e.half * e.other;
    return fma<T>(e.low, power, power - 1);
}

// ln(1 + q) for 0 ≤ q ≤ 1, as 2 artanh s with s = q/(2 + q) ≤ 1/3.
template <class T>
CHAINRULE_INLINE vec<T> log1p_unit(vec<T> q) {
    const vec<T> s = q / (q + 2), s2 = s * s;
    vec<T> p;
    if constexpr (sizeof(T) == 4) {
        constexpr T c[] = {2.0F / 3, 2.0F / 5, 2.0F / 7, 2.0F / 9, 2.0F / 11, 2.0F / 13};
        p = polynomial<T>(s2, c);
    } else {
        constexpr T c[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17,
                           2.0 / 19, 2.0 / 21, 2.0 / 23, 2.0 / 25, 2.0 / 27, 2.0 / 29, 2.0 / 31};
        p = polynomial<T>(s2, c);
    }
    return fma<T>(s * s2, p, s + s);
}

}  // namespace chainrule::CHAINRULE_ISA
