// Random numbers of steps: the masks of dropout (E51) and the noise of inputs (E56), by Philox4x32-10, as maths/masks.py
// defines them: every number is a function of seed, step, row and unit, so that nobody has to draw them in any order.
//
// Units are taken in groups of 64: word w of 16 neighbouring blocks is 16 neighbouring units, so that a vector of blocks gives
// vectors of units. Lanes of 64 bits hold a word each, below, as a product of two words takes them all; above stands what
// nobody reads. So blocks go in two vectors, the even and the odd.
// Source: J. K. Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
#pragma once

#include "chainrule/kernels.hpp"
#include "chainrule/tiles.hpp"

namespace chainrule::CHAINRULE_ISA {

using Wide = typename Simd<double>::bits;
using Narrow = typename Simd<float>::bits;

inline constexpr Index group_units = 64, group_lanes = 16;
inline constexpr int philox_rounds = 10;
inline constexpr std::uint64_t philox_first = 0xd2511f53U, philox_second = 0xcd9e8d57U;
inline constexpr std::uint32_t weyl_first = 0x9e3779b9U, weyl_second = 0xbb67ae85U;

// The key of each round, and what a step's counters have in common.
struct Stream {
    std::uint64_t first[philox_rounds], second[philox_rounds];
    std::uint64_t of_step;  // the product of the first round that is the same for all blocks and rows
    std::uint32_t stream;
};

inline Stream stream_of(const Words& words) {
    Stream s{};
    auto first = static_cast<std::uint32_t>(words.seed), second = static_cast<std::uint32_t>(words.seed >> 32U);
    for (int round = 0; round < philox_rounds; ++round, first += weyl_first, second += weyl_second) {
        s.first[round] = first;
        s.second[round] = second;
    }
    s.of_step = philox_second * words.step;
    s.stream = words.stream;
    return s;
}

CHAINRULE_INLINE Wide everywhere(std::uint64_t x) {
    return Wide{} + x;
}

// Two rounds and a half of the ten don't look at the row, but for one word that all blocks share: what they give, once for a
// group's vector of blocks. [0] are the even blocks, [1] the odd ones.
struct Blocks {
    Wide first[2], second[2], third[2], fourth[2];
};

CHAINRULE_INLINE Blocks blocks_from(const Stream& s, std::uint64_t block) {
    Blocks b;
    const Wide m0 = everywhere(philox_first), m1 = everywhere(philox_second);
    for (int odd = 0; odd < 2; ++odd) {
        Wide index;
        for (int lane = 0; lane < Simd<double>::lanes; ++lane)
            index[lane] = block + 2 * static_cast<std::uint64_t>(lane) + static_cast<std::uint64_t>(odd);
        const Wide p0 = multiply_low_halves(index, m0);
        const Wide c2 = (p0 >> 32U) ^ everywhere(s.stream ^ s.second[0]);
        const Wide p1 = multiply_low_halves(c2, m1);
        const Wide c0 = (p1 >> 32U) ^ everywhere(s.of_step ^ s.first[1]);
        const Wide q0 = multiply_low_halves(c0, m0);
        b.first[odd] = p0 ^ everywhere(s.second[1]);           // c2 of the third round, but for the row's upper half
        b.second[odd] = p1 ^ everywhere(s.first[2]);           // its c1, with the key
        b.third[odd] = (q0 >> 32U) ^ everywhere(s.second[2]);  // c2 of the fourth, but for the row's lower half
        b.fourth[odd] = q0;                                    // its c3
    }
    return b;
}

// The four words of a row's blocks.
CHAINRULE_INLINE void philox(const Stream& s, const Blocks& b, std::uint32_t row, Narrow (&words)[4]) {
    const Wide m0 = everywhere(philox_first), m1 = everywhere(philox_second);
    const std::uint64_t c = (s.of_step >> 32U) ^ row ^ s.first[0], p = philox_first * (c & 0xffffffffU);
    const Wide upper = everywhere(p >> 32U), lower = everywhere(p);
    Wide c0[2], c1[2], c2[2], c3[2];
    for (int odd = 0; odd < 2; ++odd) {
        const Wide p1 = multiply_low_halves(b.first[odd] ^ upper, m1);
        c0[odd] = (p1 >> 32U) ^ b.second[odd];
        c1[odd] = p1;
        c2[odd] = b.third[odd] ^ lower;
        c3[odd] = b.fourth[odd];
    }
#pragma GCC unroll 8
    for (int round = 3; round < philox_rounds; ++round) {
        const Wide k0 = everywhere(s.first[round]), k1 = everywhere(s.second[round]);
        for (int odd = 0; odd < 2; ++odd) {
            const Wide p0 = multiply_low_halves(c0[odd], m0), p1 = multiply_low_halves(c2[odd], m1);
            c0[odd] = (p1 >> 32U) ^ c1[odd] ^ k0;
            c1[odd] = p1;
            c2[odd] = (p0 >> 32U) ^ c3[odd] ^ k1;
            c3[odd] = p0;
        }
    }
    const Wide low = everywhere(0xffffffffU);
    words[0] = (Narrow)((c0[0] & low) | (c0[1] << 32U));
    words[1] = (Narrow)((c1[0] & low) | (c1[1] << 32U));
    words[2] = (Narrow)((c2[0] & low) | (c2[1] << 32U));
    words[3] = (Narrow)((c3[0] & low) | (c3[1] << 32U));
}

// Call f(words, vectors, n) for each group of units and each row: words[k] belongs to the group's unit k, and vector j of x in
// this row, of which there are `vectors.count`, to the words from first[j] on; it lies at vectors.at(j, n).
template <class T>
struct GroupVectors {
    Index count = 0, begin[group_units / Simd<T>::lanes], stride[group_units / Simd<T>::lanes],
          first[group_units / Simd<T>::lanes];
    [[nodiscard]] CHAINRULE_INLINE Index at(Index j, Index n) const { return begin[j] + n * stride[j]; }
};

template <class T, class F>
CHAINRULE_INLINE void over_groups(const MaskedRows<T>& m, F f) {
    constexpr int V = Simd<T>::lanes, B = Simd<float>::lanes;  // units in a vector; blocks in one
    constexpr Index P = panel_width<T>;
    const Grid grid = grid_of<T>;
    const Stream stream = stream_of(m.words);
    const Index from = m.p0 * P, to = m.p1 * P < m.x.columns ? m.p1 * P : m.x.columns;
    for (Index group = from / group_units * group_units; group < to; group += group_units) {
        GroupVectors<T> vectors;
        const Index begin = group < from ? from : group, end = group + group_units < to ? group + group_units : to;
        for (Index column = begin; column < end; column += V) {
            const Index p = column / P, j = vectors.count++;
            vectors.stride[j] = grid.width(m.x.columns, p);
            vectors.begin[j] = p * P * m.x.capacity + column % P;
            vectors.first[j] = column - group;
        }
        const Index lanes = end - group < group_lanes ? end - group : group_lanes;
        Blocks blocks[group_lanes / B];
        for (Index h = 0; h * B < lanes; ++h)
            blocks[h] = blocks_from(stream, static_cast<std::uint64_t>(group / 4 + h * B));
        alignas(64) std::uint32_t words[group_units];
        for (Index n = m.n0; n < m.n1; ++n) {
            for (Index h = 0; h * B < lanes; ++h) {
                Narrow some[4];
                philox(stream, blocks[h], static_cast<std::uint32_t>(n), some);
                for (int w = 0; w < 4; ++w) std::memcpy(words + w * group_lanes + h * B, &some[w], sizeof some[w]);
            }
            f(words, vectors, n);
        }
    }
}

// 0 where a word is below the threshold, else `kept`.
template <class T>
CHAINRULE_INLINE vec<T> factors(const std::uint32_t* words, std::uint32_t threshold, T kept) {
    typedef std::uint32_t some __attribute__((vector_size(Simd<T>::lanes * 4)));
    some drawn;
    std::memcpy(&drawn, words, sizeof drawn);
    if constexpr (sizeof(T) == 4) {
        return drawn < threshold ? vec<T>{} : all<T>(kept);
    } else {
        const typename Simd<T>::bits wide = __builtin_convertvector(drawn, typename Simd<T>::bits);
        return wide < threshold ? vec<T>{} : all<T>(kept);
    }
}

template <class T>
void mask_rows(const MaskedRows<T>& m) {
    const double threshold = ::floor(m.p * 0x1p32 + 0.5);
    const auto below = static_cast<std::uint32_t>(threshold < 0x1p32 - 1 ? threshold : 0x1p32 - 1);
    const T kept = static_cast<T>(1 / (1 - m.p));
    over_groups<T>(
        m, [&](const std::uint32_t* words, const GroupVectors<T>& vectors, Index n) __attribute__((always_inline)) {
            for (Index j = 0; j < vectors.count; ++j) {
                const Index at = vectors.at(j, n);
                const vec<T> factor = factors<T>(words + vectors.first[j], below, kept), x = load(m.x.data + at);
                store<T>(m.x.data + at, x * factor);
                if (m.d.data != nullptr) store<T>(m.d.data + at, m.copies ? x : load(m.d.data + at) * factor);
            }
        });
}

// --- noise ------------------------------------------------------------------------------------------------------------
// Words as whole numbers of float64.
typedef std::uint32_t Drawn __attribute__((vector_size(Simd<double>::lanes * 4)));
typedef std::int32_t Signed __attribute__((vector_size(Simd<double>::lanes * 4)));

CHAINRULE_INLINE vec<double> number(Drawn r) {
    const Wide bits = __builtin_convertvector(r, Wide) | everywhere(0x4330000000000000U);  // 2^52 + r
    return (vec<double>)bits - 0x1p52;
}

// √(−2 ln u) with u = (r + 1)/2³², from the exponent of r + 1 and 2 artanh.
CHAINRULE_INLINE vec<double> radius(Drawn r) {
    constexpr double c[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                            2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21};
    const Wide bits = (Wide)(number(r) + 1);
    const vec<double> one = all<double>(1);
    vec<double> m = (vec<double>)((bits & everywhere(0x000fffffffffffffU)) | (Wide)one);  // in [1, 2)
    vec<double> exponent = (vec<double>)((bits >> 52U) | everywhere(0x4330000000000000U)) - (0x1p52 + 1023 + 32);
    const typename Simd<double>::mask large = m > 1.4142135623730951;
    m = large ? m * 0.5 : m;
    exponent = large ? exponent + 1 : exponent;
    const vec<double> s = (m - 1) / (m + 1), s2 = s * s;
    const vec<double> log = fma<double>(s * s2, polynomial<double>(s2, c), s + s);
    return sqrt<double>(-2 * fma<double>(exponent, all<double>(0.6931471805599453), log));
}

struct Turned {
    vec<double> cosine, sine;
};

// cos and sin of 2πr/2³², by quarters of a turn, of which the rest is at most an eighth.
CHAINRULE_INLINE Turned turned(Drawn r) {
    constexpr double sines[] = {-1.0 / 6,        1.0 / 120,          -1.0 / 5040,           1.0 / 362880,
                                -1.0 / 39916800, 1.0 / 6227020800.0, -1.0 / 1307674368000.0};
    constexpr double cosines[] = {-1.0 / 2,       1.0 / 24,          -1.0 / 720,           1.0 / 40320,
                                  -1.0 / 3628800, 1.0 / 479001600.0, -1.0 / 87178291200.0, 1.0 / 20922789888000.0};
    const Drawn quarter = (r + 0x20000000U) >> 30U;
    const vec<double> x =
        __builtin_convertvector((Signed)(r - (quarter << 30U)), vec<double>) * 1.4629180792671596e-09;  // 2π/2³²
    const vec<double> x2 = x * x, one = all<double>(1);
    const vec<double> s = fma<double>(x * x2, polynomial<double>(x2, sines), x);
    const vec<double> c = fma<double>(x2, polynomial<double>(x2, cosines), one);
    const Wide q = __builtin_convertvector(quarter, Wide);
    const typename Simd<double>::mask swapped = (q & 1U) != 0U;
    const Wide of_cosine = ((q + 1) & 2U) << 62U, of_sine = (q & 2U) << 62U;  // signs
    return {(vec<double>)((Wide)(swapped ? s : c) ^ of_cosine), (vec<double>)((Wide)(swapped ? c : s) ^ of_sine)};
}

template <class T>
CHAINRULE_INLINE void store_narrowed(T* at, vec<double> x) {
    typedef T some __attribute__((vector_size(Simd<double>::lanes * sizeof(T))));
    const some y = __builtin_convertvector(x, some);
    std::memcpy(at, &y, sizeof y);
}

template <class T>
void noise_rows(const MaskedRows<T>& m, double sigma) {
    const T scale = static_cast<T>(sigma);
    over_groups<T>(
        m, [&](const std::uint32_t* words, const GroupVectors<T>& vectors, Index n) __attribute__((always_inline)) {
            alignas(64) T normal[group_units];
            for (Index w = 0; w < 4; w += 2)
                for (Index lane = 0; lane < group_lanes; lane += Simd<double>::lanes) {
                    Drawn of_radius, of_angle;
                    std::memcpy(&of_radius, words + w * group_lanes + lane, sizeof of_radius);
                    std::memcpy(&of_angle, words + (w + 1) * group_lanes + lane, sizeof of_angle);
                    const vec<double> length = radius(of_radius);
                    const Turned angle = turned(of_angle);
                    store_narrowed<T>(normal + w * group_lanes + lane, length * angle.cosine);
                    store_narrowed<T>(normal + (w + 1) * group_lanes + lane, length * angle.sine);
                }
            for (Index j = 0; j < vectors.count; ++j) {
                T* at = m.x.data + vectors.at(j, n);
                store<T>(at, load(at) + scale * load(normal + vectors.first[j]));
            }
        });
}

}  // namespace chainrule::CHAINRULE_ISA
