#include "chainrule/units.hpp"

#include <algorithm>

namespace chainrule {
namespace {

constexpr Index unit_rows = 96;  // of 𝒲 in a unit, about: its A panels and its gradient stay in the cache
// In networks of so few units a thread could have much more to do than another; they have units of so many rows.
constexpr Index few_units = 16, small_unit_rows = 32;

Index rows_of_unit(const Plan& plan, Grid grid) {
    const Index rows = std::max<Index>(1, unit_rows / grid.panel()) * grid.panel();
    Index units = 0;
    for (const Layer& layer : plan.layers) units += (layer.in + rows - 1) / rows * grid.count(layer.out);
    return units < few_units ? small_unit_rows : rows;
}

}  // namespace

Units::Units(const Plan& plan, const Packing& packing, int threads)
    : plan_(plan), packing_(packing), rows_(rows_of_unit(plan, packing.grid)) {
    const Index half = packing.grid.first_half(plan.inputs());
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const Layer& layer = plan.layers[l];
        for (Index i = 0, end; i < layer.in; i = end) {
            end = std::min(layer.in, i + rows_);
            if (l == 0 && i < half) end = std::min(end, half);  // a unit belongs to one half
            for (Index p = 0; p < packing.grid.count(layer.out); ++p) units_.push_back({l, p, i, end});
        }
    }
    share_out(static_cast<std::size_t>(threads));
}

// Equal work for all, in stretches of units; where the sum in z¹ is halved, half of the threads share each half of 𝒲¹.
void Units::share_out(std::size_t threads) {
    const Grid grid = packing_.grid;
    const auto work = [&](std::size_t u) {
        const Unit& unit = units_[u];
        return static_cast<double>((unit.i1 - unit.i0) * grid.width(plan_.layers[unit.layer].out, unit.p));
    };
    shares_.resize(threads);
    std::vector<double> has(threads);
    std::size_t u = 0;
    const auto share_out_until = [&](std::size_t end, std::size_t first, std::size_t last) {  // among these threads
        double all = 0;
        for (std::size_t thread = first; thread < last; ++thread) all += has[thread];
        for (std::size_t v = u; v < end; ++v) all += work(v);
        const double fair = all / static_cast<double>(last - first);
        for (std::size_t thread = first; u < end; ++u) {
            while (thread + 1 < last && has[thread] + 0.5 * work(u) > fair) ++thread;
            shares_[thread].push_back(u);
            has[thread] += work(u);
        }
    };
    const Index half = threads % 2 == 0 ? grid.first_half(plan_.inputs()) : 0;
    if (half > 0) {
        const auto until = [&](auto found) {
            return static_cast<std::size_t>(std::find_if(units_.begin(), units_.end(), found) - units_.begin());
        };
        share_out_until(until([&](const Unit& unit) { return unit.i0 >= half || unit.layer > 0; }), 0, threads / 2);
        share_out_until(until([&](const Unit& unit) { return unit.layer > 0; }), threads / 2, threads);
    }
    share_out_until(units_.size(), 0, threads);
}

Stretch Units::weights(const Unit& unit) const {
    const Layer& layer = plan_.layers[unit.layer];
    const Index width = packing_.grid.width(layer.out, unit.p), column = unit.p * packing_.grid.panel();
    return {packing_.layers[unit.layer].weights + column * layer.in + unit.i0 * width, (unit.i1 - unit.i0) * width,
            true};
}

Stretch Units::bias(const Unit& unit) const {
    const Grid grid = packing_.grid;
    return {packing_.layers[unit.layer].bias + unit.p * grid.panel(), grid.width(plan_.layers[unit.layer].out, unit.p),
            false};
}

}  // namespace chainrule
