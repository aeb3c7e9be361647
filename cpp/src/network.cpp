#include "chainrule/network.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <unistd.h>

namespace chainrule {

Index physical_memory() {
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? static_cast<Index>(pages) * size : std::numeric_limits<Index>::max();
}

void check_fits(Index bytes, const std::string& what, const std::string& remedy) {
    if (bytes > physical_memory())
        throw TooLarge(what + ": expected arrays that fit in memory, got " + std::to_string(bytes) + " bytes. " +
                       remedy);
}

namespace {

constexpr Index rows_at_once = 256;  // of the passes that users call: activations of usual layers stay in the cache

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

bool stores_derivative(Activation g) {  // the others' is read off a
    return g != Activation::identity && g != Activation::relu && g != Activation::leaky_relu &&
           g != Activation::softmax;
}

}  // namespace

template <class T>
void pack(const Plan& plan, const Packing& packing, const T* theta, T* packed) {
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const Layer& layer = plan.layers[l];
        const Packing::At& at = packing.layers[l];
        panels_from<T>(theta + layer.weights_at, 0, layer.in, packing.grid,
                       Panels<T>{packed + at.weights, layer.in, layer.out});
        if (layer.bias) std::memcpy(packed + at.bias, theta + layer.bias_at, bytes_of<T>(layer.out));
    }
}

template <class T>
void unpack(const Plan& plan, const Packing& packing, const T* packed, T* theta) {
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const Layer& layer = plan.layers[l];
        const Packing::At& at = packing.layers[l];
        T* from = const_cast<T*>(packed) + at.weights;  // panels of what is only read here
        panels_into<T>(Panels<T>{from, layer.in, layer.out}, 0, layer.in, packing.grid, theta + layer.weights_at);
        if (layer.bias) std::memcpy(theta + layer.bias_at, packed + at.bias, bytes_of<T>(layer.out));
    }
}

// --- weights ----------------------------------------------------------------------------------------------------------
namespace {

Packing fitting(const Plan& plan, Packing packing, Index vectors, Index size) {
    const Index numbers = sum_of_sizes(product_of_sizes(packing.parameters, vectors), packing.transposed);
    check_fits(product_of_sizes(numbers, size), "a network of " + std::to_string(plan.n_parameters) + " parameters",
               "Make the layers narrower.");
    return packing;
}

}  // namespace

template <class T>
Weights<T>::Weights(const Plan& the_plan, const Kernels<T>& the_kernels, bool input_gradient, Index vectors)
    : plan(the_plan), kernels(the_kernels),
      packing(fitting(the_plan, Packing(the_plan, the_kernels.grid, input_gradient), vectors, sizeof(T))),
      parameters(packing.parameters), transposed(packing.transposed) {}

template <class T>
void Weights<T>::load(const T* theta, bool backward) {
    pack(plan, packing, theta, parameters.data());
    if (!backward) return;
    for (std::size_t l = 0; l < plan.layers.size(); ++l) transpose(l);
}

template <class T>
void Weights<T>::transpose(std::size_t l) {
    const bool there = l + 1 < packing.layers.size() ? packing.layers[l + 1].transposed > packing.layers[l].transposed
                                                     : packing.transposed > packing.layers[l].transposed;
    if (!there) return;
    const Layer& layer = plan.layers[l];
    for (Index p = 0; p < packing.grid.count(layer.out); ++p)
        kernels.transpose(weights(l), layer.in, layer.out, p, 0, layer.in, transpose_of(l));
}

// --- a batch's arrays -------------------------------------------------------------------------------------------------
template <class T>
Index Batch<T>::bytes(const Plan& plan, Grid grid, Index rows, Keep keep) {
    Index columns = grid.padded(plan.inputs());
    for (const Layer& layer : plan.layers) {
        const Index width = grid.padded(layer.out);
        columns = sum_of_sizes(columns, product_of_sizes(width, keep == Keep::training ? 3
                                                                : keep == Keep::all    ? 2
                                                                                       : 1));
    }
    columns = sum_of_sizes(columns, product_of_sizes(2, grid.padded(plan.outputs())));
    return product_of_sizes(product_of_sizes(columns, rows), sizeof(T));
}

template <class T>
Batch<T>::Batch(const Plan& plan, Grid grid, Index the_rows, Keep keep) : rows(the_rows) {
    const Index one = bytes(plan, grid, 1, keep), most = std::numeric_limits<Index>::max();
    check_fits(rows > most / one ? most : rows * one, "a batch of " + std::to_string(rows) + " rows",
               "Make batch_size smaller, or the layers narrower.");
    const auto matrix = [&](Buffer<T>& buffer, Index columns) {
        buffer = Buffer<T>(rows * grid.padded(columns));
        return Panels<T>{buffer.data(), rows, columns};
    };
    const auto one_more = [](std::vector<Buffer<T>>& buffers) -> Buffer<T>& { return buffers.emplace_back(); };
    x = matrix(x_data, plan.inputs());
    y = matrix(y_data, plan.outputs());
    coefficients = Buffer<T>(rows);
    costs = Buffer<T>(rows);
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const Layer& layer = plan.layers[l];
        const bool last = l + 1 == plan.layers.size(), training = keep == Keep::training;
        a.push_back(matrix(one_more(a_data), layer.out));
        // training needs z at the outputs alone; elsewhere a takes its place
        z.push_back(keep == Keep::all || (training && last) ? matrix(one_more(z_data), layer.out) : a.back());
        delta.push_back(training ? matrix(one_more(delta_data), layer.out) : Panels<T>{});
        d.push_back(training && !last && stores_derivative(layer.activation) ? matrix(one_more(d_data), layer.out)
                                                                             : Panels<T>{});
    }
}

// --- passes -----------------------------------------------------------------------------------------------------------
template <class T>
void forward_rows(const Weights<T>& net, Batch<T>& batch, Index n0, Index n1) {
    for (std::size_t l = 0; l < net.plan.layers.size(); ++l) {
        const Layer& layer = net.plan.layers[l];
        net.kernels.forward({l == 0 ? batch.x : batch.a[l - 1], n0, n1, net.weights(l), net.bias(l), batch.z[l],
                             batch.a[l], batch.d[l], layer.activation, layer.parameter});
    }
}

template <class T>
void backward_rows(const Weights<T>& net, Batch<T>& batch, const T* coefficients, Index n0, Index n1) {
    const std::size_t last = net.plan.layers.size() - 1;
    const Layer& top = net.plan.layers[last];
    net.kernels.output({batch.z[last], batch.a[last], batch.y, batch.delta[last], n0, n1, coefficients,
                        batch.costs.data(), top.activation, top.parameter, net.plan.cost, net.plan.cost_parameter,
                        net.plan.matched});
    for (std::size_t l = last; l > 0; --l) {
        const Layer& below = net.plan.layers[l - 1];
        net.kernels.backward({batch.delta[l], n0, n1, net.transpose_of(l), batch.delta[l - 1], batch.a[l - 1],
                              batch.d[l - 1], below.activation, below.parameter, false});
    }
}

template <class T>
double total_weight(const T* weights, const Index* which, Index n) {
    double total = 0;
    for (Index k = 0; k < n; ++k) total += static_cast<double>(weights[which != nullptr ? which[k] : k]);
    return total;
}

template <class T>
void coefficients_of(const Plan& plan, const T* weights, const Index* which, Index first, Index n, double factor,
                     double total, T* c) {
    if (weights == nullptr) {
        std::fill_n(c, n, static_cast<T>(plan.mean ? factor / static_cast<double>(total) : factor));
        return;
    }
    const double share = plan.mean ? factor / total : factor;
    for (Index k = 0; k < n; ++k)
        c[k] = static_cast<T>(static_cast<double>(weights[which != nullptr ? which[k] : first + k]) * share);
}

// --- what users call --------------------------------------------------------------------------------------------------
namespace {

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
        for (Index row = 0; !kernels_.finite(batch.x, 0, n) && row < n; ++row) {
            if (kernels_.finite(batch.x, row, row + 1)) continue;
            Index before = bad.load();
            while (first + row < before && !bad.compare_exchange_weak(before, first + row)) {
            }
            break;
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
            kernels_.scale(batch.delta[l], batch.coefficients.data(), 0, n);
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
            for (Index k = n0; k < n1; ++k)
                over_panels<T>(kernels_.grid, batch.y, k, [&](PanelRow<T> row) {
                    std::memcpy(row.at, Y + (first + k) * plan_.outputs() + row.column, bytes_of<T>(row.count));
                });
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
void Network<T>::input_gradient(const T* theta, Index m, const T* const* z, Index output, T* out, int threads) const {
    Weights<T> net(plan_, kernels_, true);
    net.load(theta, true);
    const Grid grid = kernels_.grid;
    const std::size_t last = plan_.layers.size() - 1;
    std::vector<Batch<T>> batches = batches_for<T>(plan_, grid, m, threads, Keep::training);
    in_blocks(m, static_cast<int>(batches.size()), [&](int thread, Index first, Index end) noexcept {
        Batch<T>& batch = batches[static_cast<std::size_t>(thread)];
        const Index n = end - first;
        for (std::size_t l = 0; l <= last; ++l) {  // g'(z) into delta, or into d where a layer keeps it
            const Layer& layer = plan_.layers[l];
            panels_from<T>(z[l] + first * layer.out, 0, n, grid, batch.a[l]);
            kernels_.activate(batch.a[l], batch.a[l], l == last ? batch.delta[l] : batch.d[l], 0, n, layer.activation,
                              layer.parameter);
        }
        for (Index k = 0; k < n; ++k)  // δ^L is the row ∂a^L_o/∂z^L
            over_panels<T>(grid, batch.delta[last], k, [&](PanelRow<T> row) {
                const T* a = batch.a[last].data + (row.at - batch.delta[last].data);
                T a_output{};
                if (plan_.layers[last].activation == Activation::softmax) {
                    over_panels<T>(grid, batch.a[last], k, [&](PanelRow<T> other) {
                        if (output >= other.column && output < other.column + other.count)
                            a_output = other.at[output - other.column];
                    });
                }
                for (Index column = 0; column < row.count; ++column) {
                    const bool selected = row.column + column == output;
                    if (plan_.layers[last].activation == Activation::softmax)
                        row.at[column] = a[column] * ((selected ? T(1) : T(0)) - a_output);
                    else if (!selected) row.at[column] = T(0);
                }
            });
        for (std::size_t l = last; l > 0; --l) {
            const Layer& below = plan_.layers[l - 1];
            kernels_.backward({batch.delta[l], 0, n, net.transpose_of(l), batch.delta[l - 1], batch.a[l - 1],
                               batch.d[l - 1], below.activation, below.parameter, false});
        }
        kernels_.backward({batch.delta[0], 0, n, net.transpose_of(0), batch.x, {}, {}, Activation::identity, 0, true});
        panels_into<T>(batch.x, 0, n, grid, out + first * plan_.inputs());
    });
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
    : plan_(plan), kernels_(kernels<T>()), x_(widest_layer(plan, kernels_.grid)), z_(x_.size()), widest_(x_.size()) {}

template <class T>
bool RowPredictor<T>::predict(const T* theta, const Rows& X, Index row, T* out) {
    // with one row, panels lie one behind the other: a row of panels is a row
    const Panels<T> x{x_.data(), 1, plan_.inputs()};
    kernels_.gather(X, &row, 0, 0, 1, x);
    if (!kernels_.finite(x, 0, 1)) return false;
    T *from = x_.data(), *to = z_.data();
    for (const Layer& layer : plan_.layers) {
        kernels_.row(from, theta + layer.weights_at, layer.bias ? theta + layer.bias_at : nullptr, layer.in, layer.out,
                     to);
        const Index padded = kernels_.grid.padded(layer.out);
        std::fill(to + layer.out, to + padded, T(0));
        kernels_.activate({to, 1, layer.out}, {to, 1, layer.out}, {}, 0, 1, layer.activation, layer.parameter);
        std::swap(from, to);
    }
    std::memcpy(out, from, bytes_of<T>(plan_.outputs()));
    return true;
}

#define CHAINRULE_INSTANTIATE(T)                                                                             \
    template void pack<T>(const Plan&, const Packing&, const T*, T*);                                        \
    template void unpack<T>(const Plan&, const Packing&, const T*, T*);                                      \
    template struct Weights<T>;                                                                              \
    template struct Batch<T>;                                                                                \
    template void forward_rows<T>(const Weights<T>&, Batch<T>&, Index, Index);                               \
    template void backward_rows<T>(const Weights<T>&, Batch<T>&, const T*, Index, Index);                    \
    template void coefficients_of<T>(const Plan&, const T*, const Index*, Index, Index, double, double, T*); \
    template double total_weight<T>(const T*, const Index*, Index);                                          \
    template class Network<T>;                                                                               \
    template class RowPredictor<T>;
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)

}  // namespace chainrule
