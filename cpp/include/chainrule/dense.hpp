// The three products of a layer: Z = A𝒲, Δ𝒲ᵀ, and AᵀΔ.
//
// Every element of a product is one chain of fused multiply-adds in the order of k, from its first value (a bias, or 0) on;
// where 𝒲 has an edge (Grid), Z's last columns are such chains over every V-th k, added up by halves, and their bias then.
// Cutting k into blocks, rows into tiles or work among threads changes no bit of it.
// Operands lie in panels (Grid), so that a tile reads R rows of A from one stretch of memory, and B straight on.
#pragma once

#include "chainrule/tiles.hpp"

namespace chainrule::CHAINRULE_ISA {

// How far along k a tile goes before the next one begins, and how many rows of A are worked before the next ones: what is
// come back to, B's block and A's rows, then stays in the second-level cache.
inline constexpr Index block_depth = 512, block_rows = 240;

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

// The right factor of a product: rows `first`.. of a matrix in panels of `rows` rows. Its edge, transposed, or none.
template <class T>
struct Factor {
    const T* data;
    Index rows, first = 0;
    const T* edge = nullptr;
};

// The edge of C = A B + bias for rows n0..n1: the last `columns` of C, in its last vector.
template <class T>
void edge_product(Panels<T> a, Index n0, Index n1, Factor<T> b, Index columns, const T* bias, Panels<T> c) {
    constexpr Index V = Simd<T>::lanes, P = panel_width<T>;
    const Grid grid = grid_of<T>;
    const Index full = a.columns / P, p = c.columns / P, width = grid.width(c.columns, p);
    TileRows<T> rows{nullptr, P * a.capacity, full, nullptr, a.columns - full * P, grid.width(a.columns, full)};
    T* last = c.data + p * P * c.capacity + width - V;
    in_parts(n0, n1, tile_rows[columns], [&](Index n, Index count) {
        rows.a = a.data + n * P;
        rows.last = a.data + full * P * a.capacity + n * rows.tail_stride;
        edge_tiles<T>[columns][count - 1](width, rows, b.edge + b.first * columns, bias, last + n * width);
    });
}

// C = A B (+ bias) for rows n0..n1 of A (N × K), in panels of C; finish(p, first, end) is called when these rows of panel p
// are complete, and still in the cache.
template <class T, class Finish>
void product(Panels<T> a, Index n0, Index n1, Factor<T> b, const T* bias, Panels<T> c, Finish finish) {
    constexpr int V = Simd<T>::lanes;
    constexpr Index P = panel_width<T>;
    alignas(64) static constexpr T zeros[P] = {};
    const Grid grid = grid_of<T>;
    const Index depth = a.columns, full = depth / P, tail = depth - full * P, panels = grid.count(c.columns);
    const Index tail_stride = tail > 0 ? grid.width(depth, full) : 0, edge = b.edge != nullptr ? c.columns % V : 0;
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
                const bool has_edge = edge > 0 && p + 1 == panels;
                const Index width = grid.width(c.columns, p), most = tile_rows[width / V - has_edge];
                const ForwardTile<T>* tile = forward_tiles<T>[width / V - has_edge];
                const T* first = bias != nullptr ? bias + p * P : zeros;
                if (most > 0) {
                    const T *block = block_at(q0, p),
                            *next = p + 1 < panels ? block_at(q0, p + 1) : block_at(ends ? 0 : q1, 0);
                    // a tile asks for its share of the next block, which is as large as this one
                    const Index tiles = (m + most - 1) / most, share = (q * P * width + tiles - 1) / tiles;
                    in_parts(m0, m0 + m, most, [&](Index n, Index count) {
                        rows.a = a.data + q0 * P * a.capacity + n * P;
                        rows.last = a.data + full * P * a.capacity + n * tail_stride;
                        T* at = c.data + p * P * c.capacity + n * width;
                        tile[count - 1](width, rows, block, at, begins ? first : at, begins ? 0 : width,
                                        {reinterpret_cast<const std::byte*>(next), share * Index{sizeof(T)} / (q * P)});
                        next += share;
                    });
                }
                if (!ends) continue;
                if (has_edge) edge_product<T>(a, m0, m0 + m, b, edge, first + width - V, c);
                finish(p, m0, m0 + m);
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
    // the edge's chains are the same as by vectors: it is a matter of time alone
    const Index edge = g.p * P + width > g.delta.columns ? grid.edge(g.below.columns, g.delta.columns) : 0;
    const Index vectors = width / V - (edge > 0), most = tile_rows[vectors];
    const GradientTile<T>* tile = gradient_tiles<T>[vectors];
    const T* delta = g.delta.data + g.p * P * g.delta.capacity;
    const Index tiles = most > 0 ? (g.i1 - g.i0 + most - 1) / most : 0;
    const Index lines = g.coming == nullptr || tiles == 0 ? 0 : lines_of_tile(*g.coming, (g.lines + tiles - 1) / tiles);
    in_parts(0, g.n, block_depth, [&](Index k0, Index k) {
        for (Index i = g.i0; i < g.i1;) {
            const Index q = i / P, stride = grid.width(g.below.columns, q);
            const Index end = (q + 1) * P < g.i1 ? (q + 1) * P : g.i1;
            const T* below = g.below.data + q * P * g.below.capacity + k0 * stride;
            const bool accumulate = g.accumulate || k0 > 0;
            if (most > 0)
                in_parts(i, end, most, [&](Index row, Index count) {
                    const Ahead ahead =
                        lines > 0 ? ask(*g.coming, lines, k) : Ahead{reinterpret_cast<const std::byte*>(delta), 0};
                    tile[count - 1](width, k, below + (row - q * P), stride, delta + k0 * width,
                                    g.out + (row - g.i0) * width, accumulate, ahead);
                });
            if (edge > 0) {  // from the vector that has row i on
                const Index from = (i - q * P) / V * V, begin = i - q * P - from;
                edge_gradient_tiles<T>[(end - q * P - from + V - 1) / V][edge - 1](
                    width, k, below + from, stride, delta + k0 * width + width - V,
                    g.out + (i - g.i0) * width + width - V, accumulate, begin, end - q * P - from);
            }
            i = end;
        }
    });
}

}  // namespace chainrule::CHAINRULE_ISA
