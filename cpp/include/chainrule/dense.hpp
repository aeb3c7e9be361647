// The three products of a layer, in register tiles of R rows by NV vectors: Z = A𝒲, Δ𝒲ᵀ, and AᵀΔ.
//
// Every element of a product is one chain of fused multiply-adds in the order of k, from its first value (a bias, or 0) on:
// cutting k into blocks, rows into tiles or work among threads changes no bit of it.
// Operands lie in panels (Grid), so that a tile reads R rows of A from one stretch of memory, and B straight on.
#pragma once

#include "chainrule/kernels.hpp"
#include "chainrule/simd.hpp"

namespace chainrule::CHAINRULE_ISA {

// How many rows a tile of 1, 2, … vectors has at most: NV·R accumulators, NV registers of B and one of A have to fit.
inline constexpr int panel_vectors = CHAINRULE_PANEL_VECTORS;
#if CHAINRULE_PANEL_VECTORS == 4
inline constexpr int tile_rows[] = {0, 16, 12, 8, 6};
#else
inline constexpr int tile_rows[] = {0, 12, 6, 4};
#endif

template <class T>
inline constexpr Index panel_width = panel_vectors * Simd<T>::lanes;
template <class T>
inline constexpr Grid grid_of{Simd<T>::lanes, panel_vectors};

// How far along k a tile goes before the next one begins, and how many rows of A are worked before the next ones: what is
// come back to, B's block and A's rows, then stays in the second-level cache.
inline constexpr Index block_depth = 512, block_rows = 240;

// A's rows for a tile of Z = A𝒲: `full` whole panels, then `tail` columns of the last one.
template <class T>
struct TileRows {
    const T* a;
    Index panel_stride;  // from a panel of A to the next
    Index full;
    const T* last;
    Index tail, tail_stride;
};

// Bytes to ask the memory for, `step` more with each turn of a tile.
struct Ahead {
    const std::byte* at;
    Index step;
};

// acc[r][v] over the rows of `init` (`init_stride` 0: the same for each, a bias); c, b: rows of NV vectors.
template <class T, int R, int NV>
void forward_tile(const TileRows<T>& rows, const T* b, T* c, const T* init, Index init_stride, Ahead ahead) {
    constexpr int V = Simd<T>::lanes;
    constexpr Index W = NV * V, P = panel_width<T>;
    vec<T> acc[R][NV];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) acc[r][v] = load(init + r * init_stride + v * V);
    const T* a = rows.a;
    for (Index q = 0; q < rows.full; ++q, a += rows.panel_stride) {
#pragma GCC unroll 4
        for (Index k = 0; k < P; ++k, b += W, ahead.at += ahead.step) {
            __builtin_prefetch(ahead.at, 0, 2);
            vec<T> bk[NV];
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) bk[v] = load(b + v * V);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const vec<T> ar = all<T>(a[r * P + k]);
#pragma GCC unroll 4
                for (int v = 0; v < NV; ++v) acc[r][v] = fma<T>(ar, bk[v], acc[r][v]);
            }
        }
    }
    const T* last = rows.last;
    for (Index k = 0; k < rows.tail; ++k, ++last, b += W) {
        vec<T> bk[NV];
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) bk[v] = load(b + v * V);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const vec<T> ar = all<T>(last[r * rows.tail_stride]);
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) acc[r][v] = fma<T>(ar, bk[v], acc[r][v]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) store<T>(c + r * W + v * V, acc[r][v]);
}

// At least so many lines, and such a part of a row that no tile is left with the odd end of one.
CHAINRULE_INLINE Index lines_of_tile(const Coming& coming, Index lines) {
    if (lines == 0) return 0;
    const Index tiles_of_row = lines < coming.lines ? coming.lines / lines : 1;
    return (coming.lines + tiles_of_row - 1) / tiles_of_row;
}

// The next `lines` of what is coming, for n turns of a tile.
CHAINRULE_INLINE Ahead ask(Coming& coming, Index lines, Index n) {
    if (coming.line == coming.lines) {
        ++coming.row;
        coming.line = 0;
    }
    if (coming.row >= coming.rows) return {coming.data, 0};
    const Index some = lines < coming.lines - coming.line ? lines : coming.lines - coming.line;
    const Ahead ahead{coming.data + coming.which[coming.row] * coming.row_stride + coming.line * cache_line,
                      (some * cache_line + n - 1) / n};
    coming.line += some;
    return ahead;
}

// C (R × NV vectors) = or += AᵀB over n rows; A's R columns lie side by side, its rows `stride` apart.
template <class T, int R, int NV>
void gradient_tile(Index n, const T* a, Index stride, const T* b, T* c, bool accumulate, Ahead ahead) {
    constexpr int V = Simd<T>::lanes;
    constexpr Index W = NV * V;
    vec<T> acc[R][NV];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) acc[r][v] = accumulate ? load(c + r * W + v * V) : vec<T>{};
    for (Index k = 0; k < n; ++k, a += stride, b += W, ahead.at += ahead.step) {
        __builtin_prefetch(ahead.at, 0, 2);
        vec<T> bk[NV];
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) bk[v] = load(b + v * V);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const vec<T> ar = all<T>(a[r]);
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) acc[r][v] = fma<T>(ar, bk[v], acc[r][v]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) store<T>(c + r * W + v * V, acc[r][v]);
}

template <class T>
using ForwardTile = void (*)(const TileRows<T>&, const T*, T*, const T*, Index, Ahead);
template <class T>
using GradientTile = void (*)(Index, const T*, Index, const T*, T*, bool, Ahead);

// forward[r − 1] and gradient[r − 1] have r rows.
template <class T, int NV, int... R>
struct Tiles {
    static constexpr ForwardTile<T> forward[] = {forward_tile<T, R, NV>...};
    static constexpr GradientTile<T> gradient[] = {gradient_tile<T, R, NV>...};
};
#if CHAINRULE_PANEL_VECTORS == 4
template <class T>
using Tiles1 = Tiles<T, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16>;
template <class T>
using Tiles2 = Tiles<T, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;
template <class T>
using Tiles3 = Tiles<T, 3, 1, 2, 3, 4, 5, 6, 7, 8>;
template <class T>
using Tiles4 = Tiles<T, 4, 1, 2, 3, 4, 5, 6>;
#else
template <class T>
using Tiles1 = Tiles<T, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12>;
template <class T>
using Tiles2 = Tiles<T, 2, 1, 2, 3, 4, 5, 6>;
template <class T>
using Tiles3 = Tiles<T, 3, 1, 2, 3, 4>;
template <class T>
using Tiles4 = Tiles3<T>;  // there is none
#endif

// The tiles of so many vectors.
template <class T>
inline constexpr const ForwardTile<T>* forward_tiles[] = {nullptr, Tiles1<T>::forward, Tiles2<T>::forward,
                                                          Tiles3<T>::forward, Tiles4<T>::forward};
template <class T>
inline constexpr const GradientTile<T>* gradient_tiles[] = {nullptr, Tiles1<T>::gradient, Tiles2<T>::gradient,
                                                            Tiles3<T>::gradient, Tiles4<T>::gradient};

// Call f(first, count) for parts of from..to, of at most `most`, that differ by at most one: 10 rows of 8 are 5 and 5, not 8
// and 2.
template <class F>
CHAINRULE_INLINE void in_parts(Index from, Index to, Index most, F f) {
    const Index parts = (to - from + most - 1) / most;
    for (Index part = 0; part < parts; ++part) {
        const Index begin = from + (to - from) * part / parts, end = from + (to - from) * (part + 1) / parts;
        f(begin, end - begin);
    }
}

// The right factor of a product: rows `first`.. of a matrix in panels of `rows` rows.
template <class T>
struct Factor {
    const T* data;
    Index rows, first = 0;
};

// C = A B (+ bias) for rows n0..n1 of A (N × K), in panels of C; finish(p, first, end) is called when these rows of panel p
// are complete, and still in the cache.
template <class T, class Finish>
void product(Panels<T> a, Index n0, Index n1, Factor<T> b, const T* bias, Panels<T> c, Finish finish) {
    constexpr int V = Simd<T>::lanes;
    constexpr Index P = panel_width<T>;
    alignas(64) static constexpr T zeros[P] = {};
    const Grid grid = grid_of<T>;
    const Index depth = a.columns, full = depth / P, tail = depth - full * P, panels = grid.count(c.columns);
    const Index tail_stride = tail > 0 ? grid.width(depth, full) : 0;
    // block (q0, p) of B: k from q0·P on, panel p
    const auto block_at = [&](Index q0, Index p) {
        return b.data + p * P * b.rows + (b.first + q0 * P) * grid.width(c.columns, p);
    };
    in_parts(n0, n1, block_rows, [&](Index m0, Index m) {
        in_parts(0, grid.count(depth), block_depth / P, [&](Index q0, Index q) {
            const Index q1 = q0 + q;
            const bool begins = q0 == 0, ends = q1 * P >= depth;
            TileRows<T> rows{nullptr, P * a.capacity,       (q1 < full ? q1 : full) - q0,
                             nullptr, q1 > full ? tail : 0, tail_stride};
            for (Index p = 0; p < panels; ++p) {
                const Index width = grid.width(c.columns, p);
                const int vectors = static_cast<int>(width / V);
                const ForwardTile<T>* tile = forward_tiles<T>[vectors];
                const T *block = block_at(q0, p),
                        *next = p + 1 < panels ? block_at(q0, p + 1) : block_at(ends ? 0 : q1, 0);
                // a tile asks for its share of the next block, which is as large as this one
                const Index tiles = (m + tile_rows[vectors] - 1) / tile_rows[vectors],
                            share = (q * P * width + tiles - 1) / tiles;
                const T* first = bias != nullptr ? bias + p * P : zeros;
                in_parts(m0, m0 + m, tile_rows[vectors], [&](Index n, Index count) {
                    rows.a = a.data + q0 * P * a.capacity + n * P;
                    rows.last = a.data + full * P * a.capacity + n * tail_stride;
                    T* at = c.data + p * P * c.capacity + n * width;
                    tile[count - 1](rows, block, at, begins ? first : at, begins ? 0 : width,
                                    {reinterpret_cast<const std::byte*>(next), share * Index{sizeof(T)} / (q * P)});
                    next += share;
                });
                if (ends) finish(p, m0, m0 + m);
            }
        });
    });
}

// (E7) for a block of 𝒲's rows and one panel of δ.
template <class T>
void gradient_block_of(const GradientBlock<T>& g) {
    constexpr int V = Simd<T>::lanes;
    constexpr Index P = panel_width<T>;
    const Grid grid = grid_of<T>;
    const Index width = grid.width(g.delta.columns, g.p);
    const int vectors = static_cast<int>(width / V);
    const GradientTile<T>* tile = gradient_tiles<T>[vectors];
    const T* delta = g.delta.data + g.p * P * g.delta.capacity;
    const Index tiles = (g.i1 - g.i0 + tile_rows[vectors] - 1) / tile_rows[vectors];
    const Index lines = g.coming == nullptr ? 0 : lines_of_tile(*g.coming, (g.lines + tiles - 1) / tiles);
    in_parts(0, g.n, block_depth, [&](Index k0, Index k) {
        for (Index i = g.i0; i < g.i1;) {
            const Index q = i / P, stride = grid.width(g.below.columns, q);
            const Index end = (q + 1) * P < g.i1 ? (q + 1) * P : g.i1;
            const T* below = g.below.data + q * P * g.below.capacity + k0 * stride;
            in_parts(i, end, tile_rows[vectors], [&](Index row, Index count) {
                const Ahead ahead =
                    lines > 0 ? ask(*g.coming, lines, k) : Ahead{reinterpret_cast<const std::byte*>(delta), 0};
                tile[count - 1](k, below + (row - q * P), stride, delta + k0 * width, g.out + (row - g.i0) * width,
                                g.accumulate || k0 > 0, ahead);
            });
            i = end;
        }
    });
}

}  // namespace chainrule::CHAINRULE_ISA
