#include "chainrule/linearized.hpp"

#include <algorithm>
#include <atomic>
#include <limits>

#include "chainrule/panels.hpp"
#include "chainrule/team.hpp"

namespace chainrule {
namespace {

constexpr Index unit_rows = 64;   // of 𝒲 in a unit of work, about: what is made of them stays in the nearest cache
constexpr Index input_rows = 48;  // of X whose gradients are made at a time, and then written row by row

// work(n0, n1) for the rows of each thread.
template <class F>
void over_rows(Index m, int threads, F work) {
    const Lease team(threads);
    auto share = [&](int thread) noexcept { work(m * thread / threads, m * (thread + 1) / threads); };
    team->run(share);
}

// work(unit, thread) for units 0..count, each for whoever comes first.
template <class F>
void over_units(Index count, int threads, F work) {
    const Lease team(threads);
    std::atomic<Index> next{0};
    auto share = [&](int thread) noexcept {
        for (Index unit = next++; unit < count; unit = next++) work(unit, thread);
    };
    team->run(share);
}

template <class T>
Panels<T> matrix(std::vector<Buffer<T>>& data, Grid grid, Index rows, Index columns, bool cleared = false) {
    data.emplace_back(rows * grid.padded(columns), cleared);
    return {data.back().data(), rows, columns};
}

// Of one row of what every layer has.
Index numbers_of_layers(const Plan& plan, Grid grid) {
    Index numbers = 0;
    for (const Layer& layer : plan.layers) numbers += grid.padded(layer.out);
    return numbers;
}

// A matrix (m, n_ℓ) for each layer, one behind the other.
template <class T>
std::vector<Panels<T>> all_layers(const Plan& plan, Grid grid, Index m, T* at) {
    std::vector<Panels<T>> list;
    for (const Layer& layer : plan.layers) {
        list.push_back({at, m, layer.out});
        at += m * grid.padded(layer.out);
    }
    return list;
}

// Rows i0..i1 of 𝒲 or of a moment's matrix, panel p.
struct Unit {
    std::size_t layer;
    Index p, i0, i1;
};

Index rows_of_unit(Grid grid) {
    return std::max<Index>(1, unit_rows / grid.panel()) * grid.panel();
}

template <class T>
std::vector<Buffer<T>> blocks_for(Grid grid, int threads) {
    std::vector<Buffer<T>> blocks;
    for (int thread = 0; thread < threads; ++thread)
        blocks.emplace_back((rows_of_unit(grid) + 1) * grid.panel(), false);
    return blocks;
}

}  // namespace

template <class T>
Linearized<T>::Linearized(const Plan& plan, const T* theta, const Rows& X, int the_threads)
    : net(plan, kernels<T>(), false), batch(plan, net.packing.grid, X.rows, Keep::linear), threads(the_threads) {
    net.load(theta, true);
    std::atomic<bool> all_finite{true};
    over_rows(X.rows, threads, [&](Index n0, Index n1) noexcept {
        net.kernels.gather(X, nullptr, 0, n0, n1, batch.x);
        if (!net.kernels.finite(batch.x, n0, n1)) all_finite = false;
        forward_rows(net, batch, n0, n1);
    });
    finite = all_finite;
}

template <class T>
void Linearized<T>::outputs(T* z, T* a) const {
    panels_into<T>(batch.z.back(), 0, batch.rows, net.packing.grid, z);
    panels_into<T>(batch.a.back(), 0, batch.rows, net.packing.grid, a);
}

template <class T>
void Linearized<T>::add_up(const std::vector<Outer<T>>& terms, T* out) const {
    const Grid grid = net.packing.grid;
    std::vector<Unit> units;
    for (std::size_t l = 0; l < net.plan.layers.size(); ++l)
        for (Index i = 0; i < net.plan.layers[l].in; i += rows_of_unit(grid))
            for (Index p = 0; p < grid.count(net.plan.layers[l].out); ++p)
                units.push_back({l, p, i, std::min(net.plan.layers[l].in, i + rows_of_unit(grid))});
    const std::vector<Buffer<T>> blocks = blocks_for<T>(grid, threads);
    over_units(static_cast<Index>(units.size()), threads, [&](Index u, int thread) noexcept {
        const auto [l, p, i0, i1] = units[static_cast<std::size_t>(u)];
        const Layer& layer = net.plan.layers[l];
        const Index width = grid.width(layer.out, p), column = p * grid.panel(),
                    count = std::min(grid.panel(), layer.out - column);
        T *block = blocks[static_cast<std::size_t>(thread)].data(), *row = block + (i1 - i0) * width;
        bool some = false, some_bias = false;
        for (const Outer<T>& term : terms) {
            if (term.below[l].data == nullptr) continue;
            net.kernels.gradient({term.below[l], term.delta[l], batch.rows, i0, i1, p, block, some});
            some = true;
            if (!term.bias || !layer.bias || i0 > 0) continue;
            net.kernels.bias_gradient(term.delta[l], batch.rows, p, row, some_bias);
            some_bias = true;
        }
        for (Index i = i0; i < i1; ++i)
            std::memcpy(out + layer.weights_at + i * layer.out + column, block + (i - i0) * width, bytes_of<T>(count));
        if (some_bias) std::memcpy(out + layer.bias_at + column, row, bytes_of<T>(count));
    });
}

template <class T>
void Linearized<T>::moment(const std::vector<Panels<T>>& rows, const T* c, Panels<T> scratch, T* out,
                           Index stride) const {
    const Grid grid = net.packing.grid;
    const Index n = rows.front().columns;
    std::vector<Unit> units;  // those on and above the diagonal: the matrix is symmetric
    for (Index p = 0; p < grid.count(n); ++p)
        for (Index i = 0; i < std::min(n, (p + 1) * grid.panel()); i += rows_of_unit(grid))
            units.push_back({0, p, i, std::min({n, (p + 1) * grid.panel(), i + rows_of_unit(grid)})});
    const std::vector<Buffer<T>> blocks = blocks_for<T>(grid, threads);
    for (std::size_t s = 0; s < rows.size(); ++s) {
        if (c != nullptr)
            over_rows(batch.rows, threads,
                      [&](Index n0, Index n1) noexcept { net.kernels.scale(rows[s], c, scratch, n0, n1); });
        const Panels<T> counted = c != nullptr ? scratch : rows[s];
        over_units(static_cast<Index>(units.size()), threads, [&](Index u, int thread) noexcept {
            const auto [_, p, i0, i1] = units[static_cast<std::size_t>(u)];
            const Index width = grid.width(n, p), j0 = p * grid.panel(), count = std::min(grid.panel(), n - j0);
            T* block = blocks[static_cast<std::size_t>(thread)].data();
            if (s > 0)
                for (Index i = i0; i < i1; ++i)
                    std::memcpy(block + (i - i0) * width, out + i * stride + j0, bytes_of<T>(count));
            net.kernels.gradient({rows[s], counted, batch.rows, i0, i1, p, block, s > 0});
            for (Index i = i0; i < i1; ++i)
                std::memcpy(out + i * stride + j0, block + (i - i0) * width, bytes_of<T>(count));
            if (s + 1 < rows.size()) return;
            for (Index j = 0; j < count; ++j)
                for (Index i = i0; i < std::min(i1, j0 + j); ++i)
                    out[(j0 + j) * stride + i] = block[(i - i0) * width + j];
        });
    }
}

template <class T>
void Linearized<T>::moments(const T* c, T* const* out) const {
    const Grid grid = net.packing.grid;
    for (std::size_t l = 0; l < net.plan.layers.size(); ++l) {
        const Panels<T> rows = below(l);
        const bool bias = net.plan.layers[l].bias;
        const Index n = rows.columns, stride = n + (bias ? 1 : 0);
        std::vector<Buffer<T>> data;
        const Panels<T> scratch = c == nullptr ? Panels<T>{} : matrix(data, grid, batch.rows, n);
        moment({rows}, c, scratch, out[l], stride);
        if (!bias) continue;
        std::vector<T> sums(static_cast<std::size_t>(grid.panel()));
        for (Index p = 0; p < grid.count(n); ++p) {
            net.kernels.bias_gradient(c == nullptr ? rows : scratch, batch.rows, p, sums.data(), false);
            for (Index j = p * grid.panel(); j < std::min(n, (p + 1) * grid.panel()); ++j)
                out[l][n * stride + j] = out[l][j * stride + n] = sums[static_cast<std::size_t>(j - p * grid.panel())];
        }
        T total = 0;
        for (Index i = 0; i < batch.rows; ++i) total += c == nullptr ? T(1) : c[i];
        out[l][n * stride + n] = total;
    }
}

// --- forward ----------------------------------------------------------------------------------------------------------
template <class T>
Pushed<T>::Pushed(const Linearized<T>& at, const T* v) : direction(at.net.plan, at.net.kernels, false) {
    const Plan& plan = at.net.plan;
    const Grid grid = at.net.packing.grid;
    direction.load(v, true);
    std::vector<Panels<T>> rest;  // of the sum in R{z}
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        z.push_back(matrix(data, grid, at.batch.rows, plan.layers[l].out));
        if (l + 1 < plan.layers.size()) a.push_back(matrix(data, grid, at.batch.rows, plan.layers[l].out));
        rest.push_back(l > 0 ? matrix(data, grid, at.batch.rows, plan.layers[l].out) : Panels<T>{});
    }
    over_rows(at.batch.rows, at.threads, [&](Index n0, Index n1) noexcept {
        for (std::size_t l = 0; l < plan.layers.size(); ++l) {
            const Layer& layer = plan.layers[l];
            at.net.kernels.sum(
                {at.below(l), n0, n1, direction.weights(l), direction.bias(l), layer.in, 0, z[l], direction.edge(l)});
            if (l > 0) {
                at.net.kernels.sum(
                    {a[l - 1], n0, n1, at.net.weights(l), nullptr, layer.in, 0, rest[l], at.net.edge(l)});
                at.net.kernels.add(z[l], rest[l], z[l], n0, n1);
            }
            if (l + 1 == plan.layers.size()) break;
            at.net.kernels.follow(z[l], a[l], at.batch.a[l], at.batch.d[l], n0, n1, layer.activation, layer.parameter);
        }
    });
}

template <class T>
void Pushed<T>::outputs(T* dz) const {
    panels_into<T>(z.back(), 0, z.back().capacity, direction.packing.grid, dz);
}

// --- backward ---------------------------------------------------------------------------------------------------------
template <class T>
Pulled<T>::Pulled(const Linearized<T>& at, const Strided<const T>& seeds) : at_(at), count_(seeds.count) {
    const Plan& plan = at.net.plan;
    const Grid grid = at.net.packing.grid;
    const std::size_t last = plan.layers.size() - 1;
    const Index m = at.batch.rows;
    const Index numbers = m * numbers_of_layers(plan, grid),
                places = static_cast<Index>(sizeof deltas_.front() + plan.layers.size() * sizeof(Panels<T>)),
                one = numbers * static_cast<Index>(sizeof(T)) + places, most = std::numeric_limits<Index>::max();
    check_fits(count_ > most / one ? most : count_ * one,
               std::to_string(count_) + " cotangents of " + std::to_string(m) + " rows", "Pull fewer at a time.");
    data_ = Buffer<T>(count_ * numbers);
    for (Index s = 0; s < count_; ++s) deltas_.push_back(all_layers(plan, grid, m, data_.data() + s * numbers));
    over_rows(m, at.threads, [&](Index n0, Index n1) noexcept {
        for (Index s = 0; s < count_; ++s) {
            const std::vector<Panels<T>>& delta = deltas_[static_cast<std::size_t>(s)];
            for (Index n = n0; n < n1; ++n) panels_from<T>(seeds.at(n, s), n, n + 1, grid, delta[last]);
            propagate_rows(at.net, at.batch, delta, n0, n1);
        }
    });
}

template <class T>
void Pulled<T>::inputs(const Strided<T>& out) const {
    const Grid grid = at_.net.packing.grid;
    const Index m = at_.batch.rows, inputs = at_.net.plan.inputs();
    std::vector<Buffer<T>> data;
    const Index units = at_.net.plan.layers.front().out;
    const Panels<T> transposed = matrix(data, grid, units, inputs, true);  // 𝒲¹ᵀ, which nothing else needs
    over_units(grid.count(units), at_.threads, [&](Index p, int) noexcept {
        const Index o0 = p * grid.panel(), o1 = std::min(units, o0 + grid.panel());
        at_.net.kernels.transpose({at_.net.weights(0), inputs, units, o0, o1, 0, inputs, transposed, 0});
    });
    const Index at_once = std::min(input_rows, (m + at_.threads - 1) / at_.threads);
    std::vector<Panels<T>> some_delta, some_dx;
    for (int thread = 0; thread < at_.threads; ++thread) {
        some_delta.push_back(matrix(data, grid, at_once, units));
        some_dx.push_back(matrix(data, grid, at_once, inputs));
    }
    over_units((m + at_once - 1) / at_once * count_, at_.threads, [&](Index unit, int thread) noexcept {
        const Index s = unit % count_, n0 = unit / count_ * at_once, n = std::min(m - n0, at_once);
        const Panels<T>&delta = some_delta[static_cast<std::size_t>(thread)],
              &dx = some_dx[static_cast<std::size_t>(thread)];
        panels_of_rows(grid, deltas_[static_cast<std::size_t>(s)].front(), n0, n0 + n, delta);
        at_.net.kernels.backward({delta, 0, n, transposed.data, dx, {}, {}, Activation::identity, 0, true});
        for (Index k = 0; k < n; ++k) panels_into<T>(dx, k, k + 1, grid, out.at(n0 + k, s));
    });
}

template <class T>
void Pulled<T>::gradient(const T* c, T* out) const {
    std::vector<Outer<T>> terms;
    const Buffer<T> scaled(c == nullptr ? 0 : data_.size(), false);
    for (const std::vector<Panels<T>>& delta : deltas_) {
        Outer<T> term{{}, delta};
        for (std::size_t l = 0; l < delta.size(); ++l) {
            term.below.push_back(at_.below(l));
            if (c != nullptr) term.delta[l].data = scaled.data() + (delta[l].data - data_.data());
        }
        terms.push_back(term);
    }
    if (c != nullptr)
        over_rows(at_.batch.rows, at_.threads, [&](Index n0, Index n1) noexcept {
            for (std::size_t s = 0; s < deltas_.size(); ++s)
                for (std::size_t l = 0; l < deltas_[s].size(); ++l)
                    at_.net.kernels.scale(deltas_[s][l], c, terms[s].delta[l], n0, n1);
        });
    at_.add_up(terms, out);
}

template <class T>
void Pulled<T>::squared_norms(double* out) const {
    std::vector<double> inputs(static_cast<std::size_t>(at_.batch.rows)), own(inputs.size());
    over_rows(at_.batch.rows, at_.threads, [&](Index n0, Index n1) noexcept {
        std::fill(out + n0, out + n1, 0.0);
        for (std::size_t l = 0; l < deltas_.front().size(); ++l) {
            at_.net.kernels.lengths(at_.below(l), n0, n1, inputs.data());
            for (const std::vector<Panels<T>>& delta : deltas_) {
                at_.net.kernels.lengths(delta[l], n0, n1, own.data());
                for (Index n = n0; n < n1; ++n) {
                    const auto k = static_cast<std::size_t>(n);
                    out[n] += own[k] * (inputs[k] + (at_.net.plan.layers[l].bias ? 1.0 : 0.0));
                }
            }
        }
    });
}

template <class T>
void Pulled<T>::squares(const T* c, T* out) const {
    const Grid grid = at_.net.packing.grid;
    Outer<T> term;
    std::vector<Buffer<T>> below;
    const Buffer<T> delta(data_.size() / count_, false);
    for (std::size_t l = 0; l < deltas_.front().size(); ++l)
        term.below.push_back(matrix(below, grid, at_.batch.rows, at_.below(l).columns));
    term.delta = all_layers(at_.net.plan, grid, at_.batch.rows, delta.data());
    over_rows(at_.batch.rows, at_.threads, [&](Index n0, Index n1) noexcept {
        for (std::size_t l = 0; l < term.delta.size(); ++l) {
            at_.net.kernels.square(at_.below(l), term.below[l], n0, n1, false);
            for (std::size_t s = 0; s < deltas_.size(); ++s)
                at_.net.kernels.square(deltas_[s][l], term.delta[l], n0, n1, s > 0);
            if (c != nullptr) at_.net.kernels.scale(term.delta[l], c, term.delta[l], n0, n1);
        }
    });
    at_.add_up({term}, out);
}

template <class T>
void Pulled<T>::moments(const T* c, T* const* out) const {
    const Buffer<T> data(c == nullptr ? 0 : data_.size() / count_, false);
    std::vector<Panels<T>> scratch(deltas_.front().size());
    if (c != nullptr) scratch = all_layers(at_.net.plan, at_.net.packing.grid, at_.batch.rows, data.data());
    for (std::size_t l = 0; l < scratch.size(); ++l) {
        std::vector<Panels<T>> rows;
        for (const std::vector<Panels<T>>& delta : deltas_) rows.push_back(delta[l]);
        at_.moment(rows, c, scratch[l], out[l], rows.front().columns);
    }
}

template <class T>
Bent<T>::Bent(const Linearized<T>& at, const Pushed<T>& pushed, const T* delta, const T* d_delta)
    : at_(at), pushed_(pushed) {
    const Plan& plan = at.net.plan;
    const Grid grid = at.net.packing.grid;
    const std::size_t last = plan.layers.size() - 1;
    const Index m = at.batch.rows;
    std::vector<Panels<T>> rest;  // of the sum in R{∂C/∂a}
    for (std::size_t l = 0; l <= last; ++l) {
        delta_.push_back(matrix(data_, grid, m, plan.layers[l].out, l == last));
        d_delta_.push_back(matrix(data_, grid, m, plan.layers[l].out, l == last));
        rest.push_back(l < last ? matrix(data_, grid, m, plan.layers[l].out) : Panels<T>{});
    }
    over_rows(m, at.threads, [&](Index n0, Index n1) noexcept {
        panels_from<T>(delta + n0 * plan.outputs(), n0, n1, grid, delta_[last]);
        panels_from<T>(d_delta + n0 * plan.outputs(), n0, n1, grid, d_delta_[last]);
        const auto down = [&](const Panels<T>& from, const T* transposed, const Panels<T>& to) {  // (E9)
            at.net.kernels.backward({from, n0, n1, transposed, to, {}, {}, Activation::identity, 0, true});
        };
        for (std::size_t l = last; l > 0; --l) {
            const Layer& below = plan.layers[l - 1];
            down(delta_[l], at.net.transpose_of(l), delta_[l - 1]);
            down(d_delta_[l], at.net.transpose_of(l), d_delta_[l - 1]);
            down(delta_[l], pushed.direction.transpose_of(l), rest[l - 1]);
            at.net.kernels.add(d_delta_[l - 1], rest[l - 1], d_delta_[l - 1], n0, n1);
            at.net.kernels.bend({at.batch.z[l - 1], at.batch.a[l - 1], at.batch.d[l - 1], pushed.z[l - 1],
                                 delta_[l - 1], d_delta_[l - 1], n0, n1, below.activation, below.parameter});
        }
    });
}

template <class T>
void Bent<T>::gradient(const T* c, T* out) const {
    std::vector<Buffer<T>> data;
    const Grid grid = at_.net.packing.grid;
    Outer<T> straight, along;
    along.bias = false;
    for (std::size_t l = 0; l < delta_.size(); ++l) {
        straight.below.push_back(at_.below(l));
        along.below.push_back(l == 0 ? Panels<T>{} : pushed_.a[l - 1]);
        for (const auto& [term, from] : {std::pair(&straight, d_delta_[l]), std::pair(&along, delta_[l])})
            term->delta.push_back(c == nullptr ? from : matrix(data, grid, from.capacity, from.columns));
    }
    if (c != nullptr)
        over_rows(at_.batch.rows, at_.threads, [&](Index n0, Index n1) noexcept {
            for (std::size_t l = 0; l < delta_.size(); ++l) {
                at_.net.kernels.scale(d_delta_[l], c, straight.delta[l], n0, n1);
                at_.net.kernels.scale(delta_[l], c, along.delta[l], n0, n1);
            }
        });
    at_.add_up({straight, along}, out);
}

#define CHAINRULE_INSTANTIATE(T)  \
    template class Linearized<T>; \
    template class Pushed<T>;     \
    template class Pulled<T>;     \
    template class Bent<T>;
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)

}  // namespace chainrule
