// What the three products are made of: tiles whose sums stay in registers, R rows by NV vectors of them, and tables of those.
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

// acc[r][v] over the rows of `init` (`init_stride` 0: the same for each, a bias); c, b: NV vectors of rows of `width`.
template <class T, int R, int NV>
CHAINRULE_INLINE void forward_tile_of(Index width, const TileRows<T>& rows, const T* b, T* c, const T* init,
                                      Index init_stride, Ahead ahead) {
    constexpr int V = Simd<T>::lanes;
    constexpr Index P = panel_width<T>;
    vec<T> acc[R][NV];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) acc[r][v] = load(init + r * init_stride + v * V);
    const T* a = rows.a;
    for (Index q = 0; q < rows.full; ++q, a += rows.panel_stride) {
#pragma GCC unroll 4
        for (Index k = 0; k < P; ++k, b += width, ahead.at += ahead.step) {
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
    for (Index k = 0; k < rows.tail; ++k, ++last, b += width) {
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
        for (int v = 0; v < NV; ++v) store<T>(c + r * width + v * V, acc[r][v]);
}

// Rows are as wide as the tile, or have one more vector, the edge's: each has code of its own.
template <class T, int R, int NV>
void forward_tile(Index width, const TileRows<T>& rows, const T* b, T* c, const T* init, Index init_stride,
                  Ahead ahead) {
    constexpr Index W = NV * Simd<T>::lanes;
    if (NV == panel_vectors || width == W) forward_tile_of<T, R, NV>(W, rows, b, c, init, init_stride, ahead);
    else forward_tile_of<T, R, NV>(W + Simd<T>::lanes, rows, b, c, init, init_stride, ahead);
}

// Dot products of R rows of A, from its first panel on, with N columns of 𝒲, which are rows of `edge`, in panels as A's are,
// each with room for N rows. They are the first lanes of a vector of c's rows, `width` apart, and what is behind them is 0.
template <class T, int R, int N>
void edge_tile(Index width, const TileRows<T>& rows, const T* edge, const T* bias, T* c) {
    constexpr Index V = Simd<T>::lanes, P = panel_width<T>;
    vec<T> acc[R][N] = {};
    const T* a = rows.a;
    for (Index q = 0; q < rows.full; ++q, a += rows.panel_stride, edge += N * P)
#pragma GCC unroll 4
        for (Index k = 0; k < P; k += V)
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const vec<T> ar = load(a + r * P + k);
#pragma GCC unroll 4
                for (int n = 0; n < N; ++n) acc[r][n] = fma<T>(ar, load(edge + n * P + k), acc[r][n]);
            }
    for (Index k = 0; k < rows.tail; k += V)
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const vec<T> ar = load(rows.last + r * rows.tail_stride + k);
#pragma GCC unroll 4
            for (int n = 0; n < N; ++n)
                acc[r][n] = first_lanes<T>(fma<T>(ar, load(edge + n * rows.tail_stride + k), acc[r][n]), rows.tail - k,
                                           acc[r][n]);
        }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        vec<T> z{};
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) z[n] = sum_lanes<T>(acc[r][n]) + bias[n];
        store<T>(c + r * width, z);
    }
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

// C (R × NV vectors) = or += AᵀB over n rows; A's R columns lie side by side, its rows `stride` apart, B's and C's `width`.
template <class T, int R, int NV>
CHAINRULE_INLINE void gradient_tile_of(Index width, Index n, const T* a, Index stride, const T* b, T* c,
                                       bool accumulate, Ahead ahead) {
    constexpr int V = Simd<T>::lanes;
    vec<T> acc[R][NV];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) acc[r][v] = accumulate ? load(c + r * width + v * V) : vec<T>{};
    for (Index k = 0; k < n; ++k, a += stride, b += width, ahead.at += ahead.step) {
        __builtin_prefetch(ahead.at, 0, 3);
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
        for (int v = 0; v < NV; ++v) store<T>(c + r * width + v * V, acc[r][v]);
}

template <class T, int R, int NV>
void gradient_tile(Index width, Index n, const T* a, Index stride, const T* b, T* c, bool accumulate, Ahead ahead) {
    constexpr Index W = NV * Simd<T>::lanes;
    if (NV == panel_vectors || width == W) gradient_tile_of<T, R, NV>(W, n, a, stride, b, c, accumulate, ahead);
    else gradient_tile_of<T, R, NV>(W + Simd<T>::lanes, n, a, stride, b, c, accumulate, ahead);
}

// As a gradient tile, for the N columns of the edge: A's columns, NV vectors of them, are what goes into vectors here. Of those
// that lie there `begin` to `end` are wanted; each makes a vector in a row of C, the first of which is at c.
template <class T, int NV, int N>
void edge_gradient_tile(Index width, Index n, const T* a, Index stride, const T* b, T* c, bool accumulate, Index begin,
                        Index end) {
    constexpr int V = Simd<T>::lanes;
    vec<T> acc[N][NV] = {};
    for (Index i = begin; accumulate && i < end; ++i)
        for (int o = 0; o < N; ++o) acc[o][i / V][i % V] = c[(i - begin) * width + o];
    for (Index k = 0; k < n; ++k, a += stride, b += width) {
#pragma GCC unroll 4
        for (int o = 0; o < N; ++o) {
            const vec<T> bo = all<T>(b[o]);
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) acc[o][v] = fma<T>(load(a + v * V), bo, acc[o][v]);
        }
    }
    T sums[N][NV * V];
    for (int o = 0; o < N; ++o)
        for (int v = 0; v < NV; ++v) store<T>(sums[o] + v * V, acc[o][v]);
    for (Index i = begin; i < end; ++i) {
        vec<T> row{};
        for (int o = 0; o < N; ++o) row[o] = sums[o][i];
        store<T>(c + (i - begin) * width, row);
    }
}

template <class T>
using ForwardTile = void (*)(Index, const TileRows<T>&, const T*, T*, const T*, Index, Ahead);
template <class T>
using GradientTile = void (*)(Index, Index, const T*, Index, const T*, T*, bool, Ahead);
template <class T>
using EdgeTile = void (*)(Index, const TileRows<T>&, const T*, const T*, T*);
template <class T>
using EdgeGradientTile = void (*)(Index, Index, const T*, Index, const T*, T*, bool, Index, Index);

// An edge has so many columns at most; entries of tables for more than that are never looked up.
template <class T>
inline constexpr int most_edge = Simd<T>::lanes < 4 ? 1 : Simd<T>::lanes / 4;

// forward[r − 1], edge[r − 1] and gradient[r − 1] have r rows.
template <class T, int NV, int... R>
struct Tiles {
    static constexpr ForwardTile<T> forward[] = {forward_tile<T, R, NV>...};
    static constexpr EdgeTile<T> edge[] = {edge_tile<T, R, (NV <= most_edge<T> ? NV : 1)>...};
    static constexpr GradientTile<T> gradient[] = {gradient_tile<T, R, NV>...};
    // [n − 1]: n columns
    static constexpr EdgeGradientTile<T> edge_gradient[] = {
        edge_gradient_tile<T, NV, 1>, edge_gradient_tile<T, NV, (2 <= most_edge<T> ? 2 : 1)>,
        edge_gradient_tile<T, NV, (3 <= most_edge<T> ? 3 : 1)>, edge_gradient_tile<T, NV, (4 <= most_edge<T> ? 4 : 1)>};
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

// The tiles of so many vectors, or columns of the edge.
template <class T>
inline constexpr const ForwardTile<T>* forward_tiles[] = {nullptr, Tiles1<T>::forward, Tiles2<T>::forward,
                                                          Tiles3<T>::forward, Tiles4<T>::forward};
template <class T>
inline constexpr const EdgeTile<T>* edge_tiles[] = {nullptr, Tiles1<T>::edge, Tiles2<T>::edge, Tiles3<T>::edge,
                                                    Tiles4<T>::edge};
template <class T>
inline constexpr const EdgeGradientTile<T>* edge_gradient_tiles[] = {
    nullptr, Tiles1<T>::edge_gradient, Tiles2<T>::edge_gradient, Tiles3<T>::edge_gradient, Tiles4<T>::edge_gradient};
template <class T>
inline constexpr const GradientTile<T>* gradient_tiles[] = {nullptr, Tiles1<T>::gradient, Tiles2<T>::gradient,
                                                            Tiles3<T>::gradient, Tiles4<T>::gradient};

}  // namespace chainrule::CHAINRULE_ISA
