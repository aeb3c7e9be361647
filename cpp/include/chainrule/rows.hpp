// What works on whole rows: softmax, costs and δ^L, gathering examples, 𝒲ᵀ, and the product of a single row.
#pragma once

#include "chainrule/activations.hpp"
#include "chainrule/costs.hpp"
#include "chainrule/dense.hpp"
#include "chainrule/kernels.hpp"

namespace chainrule::CHAINRULE_ISA {

// Call f(offset, columns) for each vector of row n: where it lies in `m`, and how many of its lanes are columns of the
// matrix, all of them but in the last vector.
template <class T, class F>
CHAINRULE_INLINE void over_row(const Panels<T>& m, Index n, F f) {
    const Grid grid = grid_of<T>;
    const Index panel = grid.panel();
    for (Index p = 0; p < grid.count(m.columns); ++p) {
        const Index width = grid.width(m.columns, p), begin = p * panel * m.capacity + n * width;
        for (Index v = 0; v < width; v += Simd<T>::lanes) f(begin + v, m.columns - p * panel - v);
    }
}

// --- softmax (E5′) ----------------------------------------------------------------------------------------------------
template <class T>
CHAINRULE_INLINE T largest_of_row(const Panels<T>& z, Index n) {
    vec<T> top = all<T>(-static_cast<T>(HUGE_VAL));
    over_row<T>(z, n,
                [&](Index at, Index lanes) { top = maximum<T>(first_lanes<T>(load(z.data + at), lanes, top), top); });
    return largest_lane<T>(top);
}

// a = e^(z − max z)/Σ; z and a have the same columns and capacity, and may be one.
template <class T>
void softmax_rows(Panels<T> z, Panels<T> a, Index n0, Index n1) {
    for (Index n = n0; n < n1; ++n) {
        const T top = largest_of_row(z, n);
        vec<T> sum{};
        over_row<T>(z, n, [&](Index at, Index lanes) {
            const vec<T> e = first_lanes<T>(exp<T>(load(z.data + at) - top), lanes, vec<T>{});
            store<T>(a.data + at, e);
            sum += e;
        });
        const T total = sum_lanes<T>(sum);
        over_row<T>(a, n, [&](Index at, Index) { store<T>(a.data + at, load(a.data + at) / total); });
    }
}

// v ← a ⊙ (v − ⟨a, v⟩): the product with softmax's Jacobian, which is symmetric. a and v have the same capacity.
template <class T>
void softmax_product_rows(Panels<T> a, Panels<T> v, Index n0, Index n1) {
    for (Index n = n0; n < n1; ++n) {
        vec<T> sum{};
        over_row<T>(a, n, [&](Index at, Index) { sum += load(a.data + at) * load(v.data + at); });  // a is 0 in padding
        const T inner = sum_lanes<T>(sum);
        over_row<T>(a, n,
                    [&](Index at, Index) { store<T>(v.data + at, load(a.data + at) * (load(v.data + at) - inner)); });
    }
}

// How v ← ∂a/∂z v changes along dz, added to `bent`; the panels have the same columns and capacity. v, which is e = ∂C/∂a
// here, and R{e} in `bent` become δ and R{δ}.
template <class T>
void softmax_bent_rows(const BentLayer<T>& b) {
    for (Index n = b.n0; n < b.n1; ++n) {
        // ȧ = a ⊙ (ż − ⟨a, ż⟩), and then R{δ} = a ⊙ (R{e} − ⟨a, R{e}⟩) + ȧ ⊙ (e − ⟨a, e⟩) − a⟨ȧ, e⟩
        vec<T> along{}, straight{}, bent{};
        over_row<T>(b.a, n, [&](Index at, Index) {  // a is 0 in padding
            const vec<T> a = load(b.a.data + at);
            along += a * load(b.dz.data + at);
            straight += a * load(b.delta.data + at);
            bent += a * load(b.bent.data + at);
        });
        const T of_dz = sum_lanes<T>(along), of_e = sum_lanes<T>(straight), of_bent = sum_lanes<T>(bent);
        vec<T> cross{};
        over_row<T>(b.a, n, [&](Index at, Index) {
            cross += load(b.a.data + at) * (load(b.dz.data + at) - of_dz) * load(b.delta.data + at);
        });
        const T of_da = sum_lanes<T>(cross);
        over_row<T>(b.a, n, [&](Index at, Index) {
            const vec<T> a = load(b.a.data + at), da = a * (load(b.dz.data + at) - of_dz);
            const vec<T> e = load(b.delta.data + at) - of_e;
            store<T>(b.bent.data + at, a * (load(b.bent.data + at) - of_bent) + da * e - a * of_da);
            store<T>(b.delta.data + at, a * e);
        });
    }
}

// --- the output layer: costs and δ ------------------------------------------------------------------------------------
template <class T>
T softmax_cross_entropy_of_row(const OutputLayer<T>& o, Index n) {
    const T top = largest_of_row(o.z, n);
    // Σ e^(z − max z) without one of the largest, whose e^0 = 1 is left out: that keeps the digits of ln(1 + rest)
    const vec<T> zero{}, one = all<T>(1);
    vec<T> smaller{}, largest{};
    over_row<T>(o.z, n, [&](Index at, Index lanes) {
        const vec<T> z = load(o.z.data + at);
        smaller += first_lanes<T>(z == top ? zero : exp<T>(z - top), lanes, zero);
        largest += first_lanes<T>(z == top ? one : zero, lanes, zero);
    });
    const T rest = sum_lanes<T>(smaller) + (sum_lanes<T>(largest) - 1);
    const T log_sum = static_cast<T>(::log1p(static_cast<double>(rest)));
    vec<T> cost{};
    over_row<T>(o.z, n, [&](Index at, Index) {
        cost += load(o.y.data + at) * ((top - load(o.z.data + at)) + log_sum);  // y is 0 in padding
    });
    return sum_lanes<T>(cost);
}

template <class T>
void softmax_cross_entropy_delta_of_row(const OutputLayer<T>& o, Index n) {
    vec<T> sum{};
    over_row<T>(o.y, n, [&](Index at, Index) { sum += load(o.y.data + at); });
    const T total = sum_lanes<T>(sum);
    over_row<T>(o.y, n, [&](Index at, Index) {
        store<T>(o.delta.data + at, load(o.a.data + at) * total - load(o.y.data + at));
    });
}

template <class T, Activation A>
void multiply_row_by_slope(const OutputLayer<T>& o, Index n) {
    over_row<T>(o.z, n, [&](Index at, Index) {
        const vec<T> slope = activated<T, A>(load(o.z.data + at), static_cast<T>(o.parameter)).d;
        store<T>(o.delta.data + at, load(o.delta.data + at) * slope);
    });
}

// z, a, y and delta have the same capacity.
template <class T>
void output_rows(const OutputLayer<T>& o) {
    const bool coupled = o.matched == Matched::softmax_cross_entropy, wants_delta = o.delta.data != nullptr;
    const T p = static_cast<T>(o.cost_parameter);
    for (Index n = o.n0; n < o.n1; ++n) {
        if (coupled) {
            if (o.costs != nullptr) o.costs[n] = softmax_cross_entropy_of_row(o, n);
            if (wants_delta) softmax_cross_entropy_delta_of_row(o, n);
        } else {
            vec<T> cost{};
            over_row<T>(o.a, n, [&](Index at, Index lanes) {
                const vec<T> a = load(o.a.data + at), y = load(o.y.data + at);
                const Costed<T> c = o.matched == Matched::none ? costed<T>(o.cost, a, y, p)
                                                               : matched<T>(o.matched, load(o.z.data + at), a, y);
                cost += first_lanes<T>(c.c, lanes, vec<T>{});
                if (wants_delta) store<T>(o.delta.data + at, c.d);
            });
            if (o.costs != nullptr) o.costs[n] = sum_lanes<T>(cost);
        }
        if (!wants_delta) continue;
        if (o.matched == Matched::none) {
#define CHAINRULE_SLOPE(A) multiply_row_by_slope<T, A>(o, n)
            if (o.activation == Activation::softmax) softmax_product_rows<T>(o.a, o.delta, n, n + 1);
            else if (o.activation != Activation::identity) CHAINRULE_ON_ACTIVATION(o.activation, CHAINRULE_SLOPE)
#undef CHAINRULE_SLOPE
        }
        const T c = o.coefficients == nullptr ? T(1) : o.coefficients[n];
        over_row<T>(o.delta, n, [&](Index at, Index lanes) {
            const vec<T> delta = load(o.delta.data + at);
            store<T>(o.delta.data + at, first_lanes<T>(o.coefficients == nullptr ? delta : delta * c, lanes, vec<T>{}));
        });
    }
}

// --- half precision, which not every compiler has a type for -----------------------------------------------------------
struct Half {
    std::uint16_t bits = 0;
    explicit operator float() const {
        const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16U, size = bits & 0x7fffU;
        if (size < 0x0400U) {  // subnormal: so many times 2^-24
            const float magnitude = static_cast<float>(size) * 0x1p-24F;
            return sign != 0 ? -magnitude : magnitude;
        }
        const std::uint32_t exponent =
            size < 0x7c00U ? 112U << 23U : 0xe0U << 23U;  // infinities and NaN keep theirs full
        return __builtin_bit_cast(float, sign | ((size << 13U) + exponent));
    }
    explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

template <class T, class S>
inline constexpr bool same_type = false;
template <class T>
inline constexpr bool same_type<T, T> = true;

// --- examples ---------------------------------------------------------------------------------------------------------
// A row of `columns` numbers of type S, `stride` bytes apart, aligned or not, into row n of out.
template <class T, class S>
void gather_row(const std::byte* from, Index stride, Index n, const Panels<T>& out) {
    constexpr Index P = panel_width<T>;
    const Grid grid = grid_of<T>;
    for (Index p = 0; p < grid.count(out.columns); ++p) {
        const Index width = grid.width(out.columns, p), left = out.columns - p * P, count = left < P ? left : P;
        T* to = out.data + p * P * out.capacity + n * width;
        if constexpr (same_type<T, S>) {  // nothing to convert
            if (stride == static_cast<Index>(sizeof(S))) {
                if (count == P) {  // a size that the compiler knows takes some moves instead of a call
                    std::memcpy(to, from + p * P * stride, P * sizeof(S));
                    continue;
                }
                std::memcpy(to, from + p * P * stride, static_cast<std::size_t>(count) * sizeof(S));
                for (Index k = count; k < width; ++k) to[k] = T(0);
                continue;
            }
        }
        S some[P];
        if (stride == static_cast<Index>(sizeof(S))) {
            if (count == P) {
                std::memcpy(some, from + p * P * stride, sizeof some);
                for (Index k = 0; k < P; ++k) to[k] = static_cast<T>(some[k]);
                continue;
            }
            std::memcpy(some, from + p * P * stride, static_cast<std::size_t>(count) * sizeof(S));
        } else {
            for (Index k = 0; k < count; ++k) std::memcpy(some + k, from + (p * P + k) * stride, sizeof(S));
        }
        for (Index k = 0; k < count; ++k) to[k] = static_cast<T>(some[k]);
        for (Index k = count; k < width; ++k) to[k] = T(0);
    }
}

template <class T>
void clear_row(Index n, const Panels<T>& out) {
    over_row<T>(out, n, [&](Index at, Index) { store<T>(out.data + at, vec<T>{}); });
}

// Squared lengths of rows, in double, where no square of a float is too small or too large.
template <class T>
void row_lengths(Panels<T> x, Index n0, Index n1, double* out) {
    constexpr int V = Simd<T>::lanes, D = V * static_cast<int>(sizeof(T) / sizeof(float)) / 2;
    typedef T part __attribute__((vector_size(D * sizeof(T))));
    typedef double wide __attribute__((vector_size(D * sizeof(double))));
    for (Index n = n0; n < n1; ++n) {
        wide sums[V / D] = {};
        over_row<T>(x, n, [&](Index at, Index lanes) {
            const vec<T> some = first_lanes<T>(load(x.data + at), lanes, vec<T>{});
            part parts[V / D];
            std::memcpy(parts, &some, sizeof some);
            for (int h = 0; h < V / D; ++h) {
                const wide w = __builtin_convertvector(parts[h], wide);
                sums[h] += w * w;
            }
        });
        double total = 0;
        for (int h = 0; h < V / D; ++h)
            for (int lane = 0; lane < D; ++lane) total += sums[h][lane];
        out[n] = total;
    }
}

template <class T>
CHAINRULE_INLINE T& element(const Panels<T>& m, Index n, Index column) {
    const Grid grid = grid_of<T>;
    const Index p = column / grid.panel();
    return m.data[p * grid.panel() * m.capacity + n * grid.width(m.columns, p) + column % grid.panel()];
}

template <class I>
CHAINRULE_INLINE Index read_index(const std::byte* at, Index k) {
    I i;
    std::memcpy(&i, at + k * static_cast<Index>(sizeof(I)), sizeof i);
    return static_cast<Index>(i);
}

template <class T, class S, class I>
void gather_sparse_row(const Rows& X, Index row, Index n, const Panels<T>& out) {
    clear_row(n, out);
    const Index begin = read_index<I>(X.indptr, row), end = read_index<I>(X.indptr, row + 1);
    for (Index k = begin < 0 ? 0 : begin; k < end && k < X.stored; ++k) {
        S x;
        std::memcpy(&x, X.data + k * static_cast<Index>(sizeof(S)), sizeof x);
        const Index column = read_index<I>(X.indices, k);
        if (column >= 0 && column < X.columns) element(out, n, column) += static_cast<T>(x);  // of one place: added up
    }
}

template <class T, class S>
void gather_as(const Rows& X, const Index* which, Index first, Index n0, Index n1, const Panels<T>& out) {
    for (Index n = n0; n < n1; ++n) {
        const Index row = which != nullptr ? which[n] : first + n;
        if (X.indptr != nullptr) {
            if (X.wide) gather_sparse_row<T, S, std::int64_t>(X, row, n, out);
            else gather_sparse_row<T, S, std::int32_t>(X, row, n, out);
        } else {
            gather_row<T, S>(X.data + row * X.row_stride, X.column_stride, n, out);
        }
    }
}

template <class T>
void gather_rows(const Rows& X, const Index* which, Index first, Index n0, Index n1, Panels<T> out) {
    if (X.classes) {
        for (Index n = n0; n < n1; ++n) {
            const Index row = which != nullptr ? which[n] : first + n;
            clear_row(n, out);
            const Index column = read_index<std::int64_t>(X.data + row * X.row_stride, 0);
            if (column >= 0 && column < X.columns) element(out, n, column) = T(1);
        }
        return;
    }
    switch (X.dtype) {
        case Dtype::f32: return gather_as<T, float>(X, which, first, n0, n1, out);
        case Dtype::f64: return gather_as<T, double>(X, which, first, n0, n1, out);
        case Dtype::f16: return gather_as<T, Half>(X, which, first, n0, n1, out);
        case Dtype::i8: return gather_as<T, std::int8_t>(X, which, first, n0, n1, out);
        case Dtype::i16: return gather_as<T, std::int16_t>(X, which, first, n0, n1, out);
        case Dtype::i32: return gather_as<T, std::int32_t>(X, which, first, n0, n1, out);
        case Dtype::i64: return gather_as<T, std::int64_t>(X, which, first, n0, n1, out);
        case Dtype::boolean:
        case Dtype::u8: return gather_as<T, std::uint8_t>(X, which, first, n0, n1, out);
        case Dtype::u16: return gather_as<T, std::uint16_t>(X, which, first, n0, n1, out);
        case Dtype::u32: return gather_as<T, std::uint32_t>(X, which, first, n0, n1, out);
        case Dtype::u64: return gather_as<T, std::uint64_t>(X, which, first, n0, n1, out);
    }
}

// --- weights ----------------------------------------------------------------------------------------------------------
template <class T>
void transpose_block(const TransposedBlock<T>& block) {
    typedef T four __attribute__((vector_size(4 * sizeof(T)), aligned(sizeof(T)), may_alias));
    const Grid grid = grid_of<T>;
    const Index P = grid.panel(), p = block.o0 / P, from_width = grid.width(block.out, p),
                columns = block.o1 - block.o0;
    const T* from = block.weights + p * P * block.in + block.o0 % P;
    for (Index begin = block.i0, end; begin < block.i1; begin = end) {  // rows of one panel of 𝒲ᵀ's columns
        const Index q = begin / P, to_width = grid.width(block.in, q);
        end = (q + 1) * P < block.i1 ? (q + 1) * P : block.i1;
        const Index rows = end - begin;
        const T* source = from + begin * from_width;
        T* to = block.transposed.data + q * P * block.transposed.capacity + (block.o0 - block.first) * to_width +
                (begin - q * P);
        const Index whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
        for (Index i = 0; i < whole_rows; i += 4)
            for (Index o = 0; o < whole_columns; o += 4) {
                const T* s = source + i * from_width + o;
                const four a = *reinterpret_cast<const four*>(s), b = *reinterpret_cast<const four*>(s + from_width),
                           c = *reinterpret_cast<const four*>(s + 2 * from_width),
                           d = *reinterpret_cast<const four*>(s + 3 * from_width);
                const four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
                const four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
                const four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
                const four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
                T* t = to + o * to_width + i;
                *reinterpret_cast<four*>(t) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
                *reinterpret_cast<four*>(t + to_width) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
                *reinterpret_cast<four*>(t + 2 * to_width) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
                *reinterpret_cast<four*>(t + 3 * to_width) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
            }
        for (Index i = 0; i < rows; ++i)
            for (Index o = i < whole_rows ? whole_columns : 0; o < columns; ++o)
                to[o * to_width + i] = source[i * from_width + o];
    }
}

// --- one row, without packing -----------------------------------------------------------------------------------------
template <class T>
CHAINRULE_INLINE T fma_scalar(T x, T y, T z) {  // as fma of vectors
#if defined(__FMA__) || defined(__aarch64__)
    if constexpr (sizeof(T) == 4) return __builtin_fmaf(x, y, z);
    else return __builtin_fma(x, y, z);
#else
    return x * y + z;
#endif
}

template <class T, int NV>
CHAINRULE_INLINE void row_columns(const T* x, const T* w, const T* bias, Index in, Index out, T* z) {
    constexpr int V = Simd<T>::lanes;
    vec<T> acc[NV];
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) acc[v] = bias != nullptr ? load(bias + v * V) : vec<T>{};
    for (Index i = 0; i < in; ++i, w += out) {
        const vec<T> xi = all<T>(x[i]);
#pragma GCC unroll 8
        for (int v = 0; v < NV; ++v) acc[v] = fma<T>(xi, load(w + v * V), acc[v]);
    }
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) store<T>(z + v * V, acc[v]);
}

// One column of the edge, as edge_tile does it.
template <class T>
CHAINRULE_INLINE T row_dot(const T* x, const T* w, T bias, Index in, Index out) {
    constexpr Index V = Simd<T>::lanes;
    T sums[V] = {};
    for (Index i = 0; i < in; ++i, w += out) sums[i % V] = fma_scalar<T>(x[i], *w, sums[i % V]);
    return sum_lanes<T>(load(sums)) + bias;
}

template <class T>
void row_product(const T* x, const T* weights, const T* bias, Index in, Index out, Index edge, T* z) {
    constexpr Index V = Simd<T>::lanes;
    Index o = 0;
    const auto at = [&](Index column) { return bias != nullptr ? bias + column : nullptr; };
    for (; o + 8 * V <= out; o += 8 * V) row_columns<T, 8>(x, weights + o, at(o), in, out, z + o);
    for (; o + 4 * V <= out; o += 4 * V) row_columns<T, 4>(x, weights + o, at(o), in, out, z + o);
    for (; o + V <= out; o += V) row_columns<T, 1>(x, weights + o, at(o), in, out, z + o);
    if (edge > 0) {  // which is all that is left
        for (; o < out; ++o) z[o] = row_dot<T>(x, weights + o, bias != nullptr ? bias[o] : T(0), in, out);
        return;
    }
    if (o < out && out >= V) {  // the last whole vector once more, over columns that are done already
        row_columns<T, 1>(x, weights + out - V, at(out - V), in, out, z + out - V);
        o = out;
    }
    for (; o < out; ++o) {
        T sum = bias != nullptr ? bias[o] : T(0);
        for (Index i = 0; i < in; ++i) sum = fma_scalar<T>(x[i], weights[i * out + o], sum);
        z[o] = sum;
    }
}

}  // namespace chainrule::CHAINRULE_ISA
