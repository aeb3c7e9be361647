// Matrices in panels from and to row-major ones.
#pragma once

#include <algorithm>
#include <cstring>

#include "chainrule/kernels.hpp"

namespace chainrule {

// Where row n of a panel begins, and how many columns of the matrix it has.
template <class T>
struct PanelRow {
    T* at;
    Index column, count;
};

template <class T, class F>
void over_panels(Grid grid, const Panels<T>& m, Index n, F f) {
    for (Index p = 0; p < grid.count(m.columns); ++p) {
        const Index column = p * grid.panel();
        f(PanelRow<T>{m.data + column * m.capacity + n * grid.width(m.columns, p), column,
                      std::min(grid.panel(), m.columns - column)});
    }
}

template <class T>
std::size_t bytes_of(Index count) {
    return static_cast<std::size_t>(count) * sizeof(T);
}

// Rows of a row-major matrix into rows n0..n1 of panels, and back.
template <class T>
void panels_from(const T* matrix, Index n0, Index n1, Grid grid, Panels<T> panels) {
    for (Index n = n0; n < n1; ++n)
        over_panels<T>(grid, panels, n, [&](PanelRow<T> row) {
            std::memcpy(row.at, matrix + (n - n0) * panels.columns + row.column, bytes_of<T>(row.count));
        });
}

template <class T>
void panels_into(Panels<T> panels, Index n0, Index n1, Grid grid, T* matrix) {
    for (Index n = n0; n < n1; ++n)
        over_panels<T>(grid, panels, n, [&](PanelRow<T> row) {
            std::memcpy(matrix + (n - n0) * panels.columns + row.column, row.at, bytes_of<T>(row.count));
        });
}

// Rows n0..n1 of panels into the first rows of others with the same columns.
template <class T>
void panels_of_rows(Grid grid, const Panels<T>& from, Index n0, Index n1, const Panels<T>& to) {
    for (Index p = 0; p < grid.count(from.columns); ++p) {
        const Index width = grid.width(from.columns, p), column = p * grid.panel();
        std::memcpy(to.data + column * to.capacity, from.data + column * from.capacity + n0 * width,
                    bytes_of<T>((n1 - n0) * width));
    }
}

}  // namespace chainrule
