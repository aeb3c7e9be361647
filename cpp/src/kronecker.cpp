#include "chainrule/kronecker.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "chainrule/panels.hpp"

namespace chainrule {
namespace {

constexpr Index unit_rows = 24;  // a multiple of the rows of every tile that has two vectors or more

// Σ xy of some hundred elements, in an order of its own: every lane adds up its part.
template <class T>
double inner_product(const T* x, const T* y, Index count) {
    constexpr Index lanes = 16;
    T sums[lanes] = {};
    Index k = 0;
    for (; k + lanes <= count; k += lanes)
        for (Index lane = 0; lane < lanes; ++lane) sums[lane] += x[k + lane] * y[k + lane];
    for (; k < count; ++k) sums[k % lanes] += x[k] * y[k];
    double total = 0;
    for (const T sum : sums) total += static_cast<double>(sum);
    return total;
}

template <class T>
const T* edge_at(const Buffer<T>& edge) {
    return edge.size() > 0 ? edge.data() : nullptr;
}

}  // namespace

template <class T>
Kronecker<T>::Kronecker(const Plan& plan, const Kernels<T>& kernels, int threads, std::vector<double> rates)
    : plan_(plan), kernels_(kernels), packing_(plan, kernels.grid, false), threads_(threads), rates_(std::move(rates)) {
    const auto numbers_of = [&](Index rows, Index columns) {
        return product_of_sizes(rows, kernels.grid.padded(columns));
    };
    Index numbers = 0;
    for (const Layer& layer : plan.layers) {
        Factors f{sum_of_sizes(layer.in, layer.bias ? 1 : 0), layer.out};
        for (const Index count : {numbers_of(f.rows, f.rows), numbers_of(f.columns, f.columns),
                                  product_of_sizes(2, numbers_of(f.rows, f.columns))})  // and edges, which are little
            numbers = sum_of_sizes(numbers, count);
        for (Index n = 0; n < f.rows; n += unit_rows)
            units_.push_back({factors_.size(), n, std::min(f.rows, n + unit_rows)});
        factors_.push_back(std::move(f));
    }
    check_fits(product_of_sizes(numbers, sizeof(T)), "the inverses of K-FAC's factors",
               "Make the layers narrower, or take another optimizer.");
    for (Factors& f : factors_) {
        f.inputs = Buffer<T>(numbers_of(f.rows, f.rows));
        f.outputs = Buffer<T>(numbers_of(f.columns, f.columns));
        f.whole = Buffer<T>(numbers_of(f.rows, f.columns));
        f.product = Buffer<T>(numbers_of(f.rows, f.columns));
        f.outputs_edge = Buffer<T>(numbers_of(kernels.grid.edge(f.columns, f.columns), f.columns));
        f.product_edge = Buffer<T>(numbers_of(kernels.grid.edge(f.rows, f.columns), f.rows));
    }
    inner_.resize(units_.size());
    of_outputs_ = shared_out([](const Factors& f) { return f.columns * f.columns; });
    of_inputs_ = shared_out([](const Factors& f) { return f.rows * f.columns; });
}

// Stretches of units of about equal work, `work` being that of a row.
template <class T>
template <class Work>
std::vector<std::size_t> Kronecker<T>::shared_out(Work work) const {
    const auto of_unit = [&](const Unit& unit) {
        return static_cast<double>((unit.n1 - unit.n0) * work(factors_[unit.layer]));
    };
    double all = 0, done = 0;
    for (const Unit& unit : units_) all += of_unit(unit);
    std::vector<std::size_t> ends{0};
    std::size_t u = 0;
    for (int thread = 1; thread < threads_; ++thread) {
        const double until = all * thread / threads_;
        for (; u < units_.size() && done + 0.5 * of_unit(units_[u]) <= until; ++u) done += of_unit(units_[u]);
        ends.push_back(u);
    }
    ends.push_back(units_.size());
    return ends;
}

template <class T>
void Kronecker<T>::set(std::size_t l, const T* inputs, const T* outputs) {
    Factors& f = factors_[l];
    panels_from<T>(inputs, 0, f.rows, kernels_.grid, Panels<T>{f.inputs.data(), f.rows, f.rows});
    panels_from<T>(outputs, 0, f.columns, kernels_.grid, Panels<T>{f.outputs.data(), f.columns, f.columns});
    transpose_edge(f.outputs, f.columns, f.columns, 0, f.columns, f.outputs_edge);
    f.given = true;
}

template <class T>
Panels<T> Kronecker<T>::panels(const Factors& f, const Buffer<T>& buffer) const {
    return {buffer.data(), f.rows, f.columns};
}

template <class T>
void Kronecker<T>::transpose_edge(const Buffer<T>& matrix, Index rows, Index columns, Index n0, Index n1,
                                  const Buffer<T>& edge) const {
    const Index count = kernels_.grid.edge(rows, columns), first = columns - count;
    if (count > 0)
        kernels_.transpose({matrix.data(), rows, columns, first, columns, n0, n1, {edge.data(), count, rows}, first});
}

template <class T>
template <class F>
void Kronecker<T>::over_stretches(std::size_t first, std::size_t last, F f) const {
    for (std::size_t u = first, end; u < last; u = end) {
        for (end = u + 1; end < last && units_[end].layer == units_[u].layer;) ++end;
        f(units_[u].layer, units_[u].n0, units_[end - 1].n1);
    }
}

template <class T>
template <class F>
void Kronecker<T>::over_rows(std::size_t l, Index n0, Index n1, F f) const {
    const Grid grid = kernels_.grid;
    const Layer& layer = plan_.layers[l];
    const Packing::At& at = packing_.layers[l];
    const Index rows = factors_[l].rows, weights = std::min(n1, layer.in);
    for (Index p = 0; p < grid.count(layer.out); ++p) {
        const Index column = p * grid.panel(), width = grid.width(layer.out, p), panel = column * rows;
        if (weights > n0) f(panel + n0 * width, at.weights + column * layer.in + n0 * width, (weights - n0) * width);
        if (n1 > layer.in) f(panel + layer.in * width, at.bias + column, width);
    }
}

template <class T>
void Kronecker<T>::outputs_part(int thread, const T* gradient) {
    const auto t = static_cast<std::size_t>(thread);
    over_stretches(of_outputs_[t], of_outputs_[t + 1], [&](std::size_t l, Index n0, Index n1) {
        const Factors& f = factors_[l];
        if (!f.given) return;
        over_rows(l, n0, n1, [&](Index in_panels, Index in_theta, Index count) {
            std::copy_n(gradient + in_theta, count, f.whole.data() + in_panels);
        });
        kernels_.sum({panels(f, f.whole), n0, n1, f.outputs.data(), nullptr, f.columns, 0, panels(f, f.product),
                      edge_at(f.outputs_edge)});
        transpose_edge(f.product, f.rows, f.columns, n0, n1, f.product_edge);
    });
}

template <class T>
void Kronecker<T>::inputs_part(int thread, T* gradient) {
    const auto t = static_cast<std::size_t>(thread);
    over_stretches(of_inputs_[t], of_inputs_[t + 1], [&](std::size_t l, Index n0, Index n1) {
        const Factors& f = factors_[l];
        if (!f.given) return;
        const Panels<T> inverse{f.inputs.data(), f.rows, f.rows};
        kernels_.sum(
            {inverse, n0, n1, f.product.data(), nullptr, f.rows, 0, panels(f, f.whole), edge_at(f.product_edge)});
    });
    for (std::size_t u = of_inputs_[t]; u < of_inputs_[t + 1]; ++u) {
        const Unit& unit = units_[u];
        const Factors& f = factors_[unit.layer];
        double sum = 0;
        over_rows(unit.layer, unit.n0, unit.n1, [&](Index in_panels, Index in_theta, Index count) {
            T* to = gradient + in_theta;
            const T* from = f.given ? f.whole.data() + in_panels : to;
            sum += inner_product(from, to, count);
            if (from != to) std::copy_n(from, count, to);
        });
        inner_[u] = sum;
    }
}

template <class T>
void Kronecker<T>::transform(int thread, Team& team, const Weights<T>&, const Batch<T>&, Index, Index,
                             T* gradient) noexcept {
    outputs_part(thread, gradient);
    team.barrier();
    inputs_part(thread, gradient);
}

template <class T>
double Kronecker<T>::inner(std::size_t l) const {
    double sum = 0;
    for (std::size_t u = 0; u < units_.size(); ++u)
        if (units_[u].layer == l) sum += inner_[u];
    return sum;
}

template <class T>
double Kronecker<T>::scale(double rate, double clipped) const noexcept {
    double change = 0;  // of a gradient that is `clipped` times as long
    for (std::size_t l = 0; l < factors_.size(); ++l) {
        const double step = clipped * rate * (rates_.empty() ? 1 : rates_[l]);
        change += step * step * inner(l);
    }
    return change > clip_ ? clipped * std::sqrt(clip_ / change) : clipped;
}

template class Kronecker<float>;
template class Kronecker<double>;

}  // namespace chainrule
