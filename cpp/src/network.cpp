#include "chainrule/network.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "chainrule/panels.hpp"
#include "chainrule/team.hpp"

namespace chainrule {
namespace {

constexpr Index rows_at_once = 256;  // activations of usual layers stay in the cache

// Blocks of rows, handed out to the threads of a team in turn; work(thread, first, end).
template <class F>
void in_blocks(Index m, int threads, F work) {
    const Index blocks = (m + rows_at_once - 1) / rows_at_once;
    const Lease team(static_cast<int>(std::min<Index>(threads, blocks)));
    std::atomic<Index> next{0};
    auto loop = [&](int thread) noexcept {
        for (Index block = next++; block < blocks; block = next++)
            work(thread, block * rows_at_once, std::min(m, (block + 1) * rows_at_once));
    };
    team->run(loop);
}

template <class T>
std::vector<Batch<T>> batches_for(const Plan& plan, Grid grid, Index m, int threads, Keep keep) {
    const Index blocks = (m + rows_at_once - 1) / rows_at_once;
    std::vector<Batch<T>> batches;
    for (Index thread = 0; thread < std::min<Index>(threads, blocks); ++thread)
        batches.emplace_back(plan, grid, std::min(m, rows_at_once), keep);
    return batches;
}

}  // namespace

template <class T>
Index Network<T>::predict(const T* theta, const Rows& X, T* out, int threads) const {
    Weights<T> net(plan_, kernels_, false);
    net.load(theta, false);
    std::vector<Batch<T>> batches = batches_for<T>(plan_, kernels_.grid, X.rows, threads, Keep::outputs);
    std::atomic<Index> bad{X.rows};
    in_blocks(X.rows, threads, [&](int thread, Index first, Index end) noexcept {
        Batch<T>& batch = batches[static_cast<std::size_t>(thread)];
        const Index n = end - first;
        kernels_.gather(X, nullptr, first, 0, n, batch.x);
        if (!kernels_.finite(batch.x, 0, n)) {
            Index row = 0;
            while (kernels_.finite(batch.x, row, row + 1)) ++row;
            Index before = bad.load();
            while (first + row < before && !bad.compare_exchange_weak(before, first + row)) {
            }
        }
        forward_rows(net, batch, 0, n);
        panels_into<T>(batch.a.back(), 0, n, kernels_.grid, out + first * plan_.outputs());
    });
    return bad == X.rows ? -1 : bad.load();
}

template <class T>
void Network<T>::forward(const T* theta, const Rows& X, T* const* a, T* const* z, int threads) const {
    Weights<T> net(plan_, kernels_, false);
    net.load(theta, false);
    std::vector<Batch<T>> batches = batches_for<T>(plan_, kernels_.grid, X.rows, threads, Keep::all);
    in_blocks(X.rows, threads, [&](int thread, Index first, Index end) noexcept {
        Batch<T>& batch = batches[static_cast<std::size_t>(thread)];
        const Index n = end - first;
        kernels_.gather(X, nullptr, first, 0, n, batch.x);
        forward_rows(net, batch, 0, n);
        for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
            panels_into<T>(batch.a[l], 0, n, kernels_.grid, a[l] + first * plan_.layers[l].out);
            panels_into<T>(batch.z[l], 0, n, kernels_.grid, z[l] + first * plan_.layers[l].out);
        }
    });
}

namespace {

// A gradient in panels, to which blocks of rows are added in order: the same chain of additions as in one go.
template <class T>
struct Accumulated {
    Accumulated(const Weights<T>& the_net, int the_threads)
        : net(the_net), threads(the_threads), gradient(the_net.packing.parameters) {}

    void add(const Batch<T>& batch, Index n, bool first) {
        const Lease team(threads);
        const Grid grid = net.packing.grid;
        auto work = [&](int thread) noexcept {
            Index unit = 0;
            for (std::size_t l = 0; l < net.plan.layers.size(); ++l) {
                const Layer& layer = net.plan.layers[l];
                T* weights = gradient.data() + net.packing.layers[l].weights;
                for (Index p = 0; p < grid.count(layer.out); ++p, ++unit) {
                    if (unit % threads != thread) continue;
                    net.kernels.gradient({l == 0 ? batch.x : batch.a[l - 1], batch.delta[l], n, 0, layer.in, p,
                                          weights + p * grid.panel() * layer.in, !first});
                    if (layer.bias)
                        net.kernels.bias_gradient(batch.delta[l], n, p,
                                                  gradient.data() + net.packing.layers[l].bias + p * grid.panel(),
                                                  !first);
                }
            }
        };
        team->run(work);
    }

    const Weights<T>& net;
    int threads;
    Buffer<T> gradient;
};

template <class T>
double batch_cost(const Plan& plan, const T* costs, const T* weights, Index m, double total) {
    double cost = 0;
    for (Index n = 0; n < m; ++n)
        cost += static_cast<double>(costs[n]) * (weights == nullptr ? 1.0 : static_cast<double>(weights[n]));
    return plan.mean ? cost / total : cost;
}

}  // namespace

template <class T>
double Network<T>::backward(const T* theta, Index m, const T* const* a, const T* const* z, const T* Y, const T* weights,
                            T* const* delta, T* x, T* gradient, int threads) const {
    Weights<T> net(plan_, kernels_, true);
    net.load(theta, true);
    const Grid grid = kernels_.grid;
    const Index rows = std::min(m, rows_at_once);
    Batch<T> batch(plan_, grid, rows, Keep::training);
    std::vector<Buffer<T>> scratch;
    Accumulated<T> sum(net, threads);
    Buffer<T> costs(m), x_gradient(rows * grid.padded(plan_.inputs()));
    const double total = weights == nullptr ? static_cast<double>(m) : total_weight<T>(weights, nullptr, m);
    for (const Layer& layer : plan_.layers) scratch.emplace_back(rows * grid.padded(layer.out));
    for (Index first = 0; first < m; first += rows) {
        const Index n = std::min(rows, m - first);
        panels_from<T>(a[0] + first * plan_.inputs(), 0, n, grid, batch.x);
        panels_from<T>(Y + first * plan_.outputs(), 0, n, grid, batch.y);
        for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
            const Layer& layer = plan_.layers[l];
            const Panels<T> from{scratch[l].data(), rows, layer.out};
            panels_from<T>(z[l] + first * layer.out, 0, n, grid, from);
            panels_from<T>(a[l + 1] + first * layer.out, 0, n, grid, batch.a[l]);
            if (l + 1 == plan_.layers.size()) batch.z[l] = from;
            else if (batch.d[l].data != nullptr)  // g'(z) from z; what it gives for a is not asked for
                kernels_.activate(from, from, batch.d[l], 0, n, layer.activation, layer.parameter);
        }
        backward_rows(net, batch, static_cast<const T*>(nullptr), 0, n);
        const Panels<T> dx{x_gradient.data(), rows, plan_.inputs()};
        kernels_.backward({batch.delta[0], 0, n, net.transpose_of(0), dx, {}, {}, Activation::identity, 0, true});
        panels_into<T>(dx, 0, n, grid, x + first * plan_.inputs());
        coefficients_of<T>(plan_, weights, nullptr, first, n, 1.0, total, batch.coefficients.data());
        for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
            panels_into<T>(batch.delta[l], 0, n, grid, delta[l] + first * plan_.layers[l].out);
            kernels_.scale(batch.delta[l], batch.coefficients.data(), batch.delta[l], 0, n);
        }
        sum.add(batch, n, first == 0);
        std::memcpy(costs.data() + first, batch.costs.data(), bytes_of<T>(n));
    }
    unpack<T>(plan_, net.packing, sum.gradient.data(), gradient);
    return batch_cost<T>(plan_, costs.data(), weights, m, total);
}

template <class T>
double Network<T>::value_and_gradient(const T* theta, const Rows& X, const T* Y, const T* weights, T* gradient,
                                      int threads) const {
    Weights<T> net(plan_, kernels_, false);
    net.load(theta, true);
    const Index m = X.rows, rows = std::min(m, threads * rows_at_once);
    Batch<T> batch(plan_, kernels_.grid, rows, Keep::training);
    Accumulated<T> sum(net, threads);
    Buffer<T> costs(m);
    const double total = weights == nullptr ? static_cast<double>(m) : total_weight<T>(weights, nullptr, m);
    for (Index first = 0; first < m; first += rows) {
        const Index n = std::min(rows, m - first);
        coefficients_of<T>(plan_, weights, nullptr, first, n, 1.0, total, batch.coefficients.data());
        auto pass = [&](int thread) noexcept {
            const Index n0 = n * thread / threads, n1 = n * (thread + 1) / threads;
            kernels_.gather(X, nullptr, first, n0, n1, batch.x);
            panels_from<T>(Y + (first + n0) * plan_.outputs(), n0, n1, kernels_.grid, batch.y);
            forward_rows(net, batch, n0, n1);
            backward_rows(net, batch, batch.coefficients.data(), n0, n1);
        };
        {
            const Lease team(threads);
            team->run(pass);
        }
        sum.add(batch, n, first == 0);
        std::memcpy(costs.data() + first, batch.costs.data(), bytes_of<T>(n));
    }
    unpack<T>(plan_, net.packing, sum.gradient.data(), gradient);
    return batch_cost<T>(plan_, costs.data(), weights, m, total);
}

template <class T>
void Network<T>::example_costs(Index m, const T* a, const T* z, const T* Y, T* out) const {
    const Grid grid = kernels_.grid;
    const Index outputs = plan_.outputs(), rows = std::min(m, rows_at_once), size = rows * grid.padded(outputs);
    const Buffer<T> a_data(size), z_data(size), y_data(size);
    const Panels<T> ap{a_data.data(), rows, outputs}, zp{z_data.data(), rows, outputs},
        yp{y_data.data(), rows, outputs};
    const Layer& top = plan_.layers.back();
    for (Index first = 0; first < m; first += rows) {
        const Index n = std::min(rows, m - first);
        panels_from<T>(a + first * outputs, 0, n, grid, ap);
        panels_from<T>(z + first * outputs, 0, n, grid, zp);
        panels_from<T>(Y + first * outputs, 0, n, grid, yp);
        kernels_.output({zp,
                         ap,
                         yp,
                         {},
                         0,
                         n,
                         nullptr,
                         out + first,
                         top.activation,
                         top.parameter,
                         plan_.cost,
                         plan_.cost_parameter,
                         plan_.matched});
    }
}

// --- single rows ------------------------------------------------------------------------------------------------------
namespace {

Index widest_layer(const Plan& plan, Grid grid) {
    Index widest = grid.padded(plan.inputs());
    for (const Layer& layer : plan.layers) widest = std::max(widest, grid.padded(layer.out));
    return widest;
}

}  // namespace

template <class T>
RowPredictor<T>::RowPredictor(const Plan& plan)
    : plan_(plan), kernels_(kernels<T>()), x_(widest_layer(plan, kernels_.grid)), z_(x_.size()), rest_(x_.size()) {}

template <class T>
bool RowPredictor<T>::predict(const T* theta, const Rows& X, Index row, T* out) {
    // with one row, panels lie one behind the other: a row of panels is a row
    const Panels<T> x{x_.data(), 1, plan_.inputs()};
    kernels_.gather(X, &row, 0, 0, 1, x);
    if (!kernels_.finite(x, 0, 1)) return false;
    T *from = x_.data(), *to = z_.data();
    const Grid grid = kernels_.grid;
    const Index first_half = grid.first_half(plan_.inputs());
    for (const Layer& layer : plan_.layers) {
        const T *weights = theta + layer.weights_at, *bias = layer.bias ? theta + layer.bias_at : nullptr;
        const Panels<T> z{to, 1, layer.out};
        const bool halved = first_half > 0 && &layer == &plan_.layers.front();
        const Index edge = grid.edge(layer.in, layer.out);
        kernels_.row(from, weights, bias, halved ? first_half : layer.in, layer.out, edge, to);
        std::fill(to + layer.out, to + grid.padded(layer.out), T(0));
        if (halved) {
            kernels_.row(from + first_half, weights + first_half * layer.out, nullptr, layer.in - first_half, layer.out,
                         edge, rest_.data());
            kernels_.add(z, {rest_.data(), 1, layer.out}, z, 0, 1);
        }
        kernels_.activate(z, z, {}, 0, 1, layer.activation, layer.parameter);
        std::swap(from, to);
    }
    std::memcpy(out, from, bytes_of<T>(plan_.outputs()));
    return true;
}

template class Network<float>;
template class Network<double>;
template class RowPredictor<float>;
template class RowPredictor<double>;

}  // namespace chainrule
