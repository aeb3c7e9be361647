#include "chainrule/batch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "chainrule/panels.hpp"

namespace chainrule {
namespace {

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
    for (std::size_t l = 0; l < plan.layers.size(); ++l) transpose(l, backward);
}

template <class T>
void Weights<T>::transpose(std::size_t l, bool backward) {
    const Layer& layer = plan.layers[l];
    for (Index p = 0; p < packing.grid.count(layer.out); ++p) transpose(l, p, 0, layer.in, backward);
}

template <class T>
void Weights<T>::transpose(std::size_t l, Index p, Index i0, Index i1, bool backward) {
    const auto [in, out] = std::pair(plan.layers[l].in, plan.layers[l].out);
    const Index o0 = p * packing.grid.panel(), o1 = std::min(out, o0 + packing.grid.panel());
    if (backward && transpose_of(l) != nullptr)
        kernels.transpose({weights(l), in, out, o0, o1, i0, i1, {transpose_of(l), out, in}, 0});
    if (const Index columns = packing.grid.edge(in, out); columns > 0 && o1 == out)
        kernels.transpose({weights(l), in, out, out - columns, out, i0, i1, {edge(l), columns, in}, out - columns});
}

// --- a batch's arrays -------------------------------------------------------------------------------------------------
template <class T>
Index Batch<T>::bytes(const Plan& plan, Grid grid, Index rows, Keep keep) {
    Index columns = grid.padded(plan.inputs());
    for (const Layer& layer : plan.layers) {
        const Index width = grid.padded(layer.out);
        const Index arrays = keep == Keep::training || keep == Keep::linear ? 3 : keep == Keep::all ? 2 : 1;
        columns = sum_of_sizes(columns, product_of_sizes(width, arrays));
    }
    columns = sum_of_sizes(columns, product_of_sizes(2, grid.padded(plan.outputs())));
    if (grid.first_half(plan.inputs()) > 0)
        columns = sum_of_sizes(columns, product_of_sizes(2, grid.padded(plan.layers.front().out)));
    return product_of_sizes(product_of_sizes(columns, rows), sizeof(T));
}

template <class T>
Batch<T>::Batch(const Plan& plan, Grid grid, Index the_rows, Keep keep, const StepOptions& options) : rows(the_rows) {
    const Index one = bytes(plan, grid, 1, keep), most = std::numeric_limits<Index>::max();
    check_fits(rows > most / one ? most : rows * one, "a batch of " + std::to_string(rows) + " rows",
               "Make batch_size smaller, or the layers narrower.");
    const auto matrix = [&](Buffer<T>& buffer, Index columns) {
        buffer = Buffer<T>(rows * grid.padded(columns), keep != Keep::linear);  // whose passes write every row whole
        return Panels<T>{buffer.data(), rows, columns};
    };
    const auto one_more = [](std::vector<Buffer<T>>& buffers) -> Buffer<T>& { return buffers.emplace_back(); };
    x = matrix(x_data, plan.inputs());
    y = matrix(y_data, plan.outputs());
    for (const int half : {0, 1})
        if (grid.first_half(plan.inputs()) > 0) halves[half] = matrix(halves_data[half], plan.layers.front().out);
    coefficients = Buffer<T>(rows);
    costs = Buffer<T>(rows);
    if (options.clips_examples()) lengths = Buffer<double>(3 * rows);
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const Layer& layer = plan.layers[l];
        const bool last = l + 1 == plan.layers.size(), training = keep == Keep::training;
        const bool every_z = keep == Keep::all || keep == Keep::linear, slopes = training || keep == Keep::linear;
        a.push_back(matrix(one_more(a_data), layer.out));
        // training needs z at the outputs alone; elsewhere a takes its place
        z.push_back(every_z || (training && last) ? matrix(one_more(z_data), layer.out) : a.back());
        delta.push_back(training ? matrix(one_more(delta_data), layer.out) : Panels<T>{});
        // relu's is read off a masked a, too
        const bool masked = !last && options.p(l + 1) > 0 && layer.activation != Activation::relu;
        d.push_back(slopes && !last && (masked || stores_derivative(layer.activation))
                        ? matrix(one_more(d_data), layer.out)
                        : Panels<T>{});
    }
}

// --- passes -----------------------------------------------------------------------------------------------------------
namespace {

// M of a^(l + 1), of layer l as Plan::layers counts: of all of `x`, a matrix of its shape.
template <class T>
MaskedRows<T> masked(const Weights<T>& net, const Perturbed& by, std::size_t l, Panels<T> x, Panels<T> d, Index n0,
                     Index n1) {
    const auto stream = static_cast<std::uint32_t>(l + 1);
    return {x, d, n0, n1, 0, net.packing.grid.count(x.columns), by.words(stream), by.options.p(l + 1)};
}

// A layer's derivative goes with the mask, so that (E6) has both in one; softmax's is that of the a before.
template <class T>
void mask_layer(const Weights<T>& net, Batch<T>& batch, std::size_t l, Index n0, Index n1, const Perturbed* by) {
    if (by == nullptr || l + 1 == net.plan.layers.size() || by->options.p(l + 1) == 0) return;
    MaskedRows<T> m = masked(net, *by, l, batch.a[l], batch.d[l], n0, n1);
    m.copies = net.plan.layers[l].activation == Activation::softmax;
    net.kernels.mask(m);
}

template <class T>
void forward_layer(const Weights<T>& net, Batch<T>& batch, std::size_t l, Index n0, Index n1, const Perturbed* by) {
    const Layer& layer = net.plan.layers[l];
    net.kernels.forward({l == 0 ? batch.x : batch.a[l - 1], n0, n1, net.weights(l), net.bias(l), batch.z[l], batch.a[l],
                         batch.d[l], layer.activation, layer.parameter, net.edge(l)});
    mask_layer(net, batch, l, n0, n1, by);
}

}  // namespace

template <class T>
void perturb_inputs(const Weights<T>& net, Batch<T>& batch, const Perturbed& by, Index n0, Index n1, Index p0,
                    Index p1) {
    const StepOptions& o = by.options;
    if (o.noise > 0) net.kernels.noise({batch.x, {}, n0, n1, p0, p1, by.words(noise_stream), 0}, o.noise);
    if (o.p(0) > 0) net.kernels.mask({batch.x, {}, n0, n1, p0, p1, by.words(0), o.p(0)});
}

template <class T>
void smooth_targets(const Weights<T>& net, Batch<T>& batch, double epsilon, Index n0, Index n1) {
    // one probability, or several that each stand for themselves, have a complement that isn't an output
    const bool shared = net.plan.cost == Cost::cross_entropy && net.plan.outputs() > 1;
    net.kernels.smooth(batch.y, n0, n1, 1 - epsilon, epsilon / (shared ? static_cast<double>(net.plan.outputs()) : 2));
}

template <class T>
Panels<T> half_of(Grid grid, const Panels<T>& x, int half) {
    const Index first = grid.first_half(x.columns);
    return half == 0 ? Panels<T>{x.data, x.capacity, first}
                     : Panels<T>{x.data + first * x.capacity, x.capacity, x.columns - first};
}

Rows half_of(Grid grid, const Rows& X, int half) {
    const Index first = grid.first_half(X.columns);
    Rows part = X;
    if (half == 1) part.data += first * X.column_stride;
    part.columns = half == 0 ? first : X.columns - first;
    return part;
}

template <class T>
void sum_half(const Weights<T>& net, Batch<T>& batch, int half, Index n0, Index n1) {
    const Grid grid = net.packing.grid;
    const Layer& layer = net.plan.layers.front();
    net.kernels.sum({half_of(grid, batch.x, half), n0, n1, net.weights(0), half == 0 ? net.bias(0) : nullptr, layer.in,
                     half == 0 ? 0 : grid.first_half(layer.in), batch.halves[half], net.edge(0)});
}

template <class T>
void forward_halves(const Weights<T>& net, Batch<T>& batch, Index n0, Index n1, const Perturbed* by) {
    const Layer& layer = net.plan.layers.front();
    net.kernels.add(batch.halves[0], batch.halves[1], batch.z[0], n0, n1);
    net.kernels.activate(batch.z[0], batch.a[0], batch.d[0], n0, n1, layer.activation, layer.parameter);
    mask_layer(net, batch, 0, n0, n1, by);
    for (std::size_t l = 1; l < net.plan.layers.size(); ++l) forward_layer(net, batch, l, n0, n1, by);
}

template <class T>
void forward_rows(const Weights<T>& net, Batch<T>& batch, Index n0, Index n1, const Perturbed* by) {
    if (batch.halves[0].data == nullptr) {
        for (std::size_t l = 0; l < net.plan.layers.size(); ++l) forward_layer(net, batch, l, n0, n1, by);
        return;
    }
    for (const int half : {0, 1}) sum_half(net, batch, half, n0, n1);
    forward_halves(net, batch, n0, n1, by);
}

template <class T>
void propagate_rows(const Weights<T>& net, const Batch<T>& batch, const std::vector<Panels<T>>& delta, Index n0,
                    Index n1, const Perturbed* by) {
    const std::size_t lowest = by == nullptr ? 0 : by->options.lowest(net.plan.layers.size());
    for (std::size_t l = net.plan.layers.size() - 1; l > lowest; --l) {
        const Layer& below = net.plan.layers[l - 1];
        BackwardLayer<T> layer{delta[l],
                               n0,
                               n1,
                               net.transpose_of(l),
                               delta[l - 1],
                               batch.a[l - 1],
                               batch.d[l - 1],
                               below.activation,
                               below.parameter,
                               false};
        MaskedRows<T> mask{};
        if (by != nullptr && by->options.p(l) > 0) {
            mask = masked(net, *by, l - 1, delta[l - 1], Panels<T>{}, n0, n1);
            layer.mask = &mask;
            layer.slope = 1 / (1 - mask.p);
        }
        net.kernels.backward(layer);
    }
}

namespace {

template <class T>
void output_layer(const Weights<T>& net, Batch<T>& batch, const T* coefficients, Index n0, Index n1) {
    const std::size_t last = net.plan.layers.size() - 1;
    const Layer& top = net.plan.layers[last];
    net.kernels.output({batch.z[last], batch.a[last], batch.y, batch.delta[last], n0, n1, coefficients,
                        batch.costs.data(), top.activation, top.parameter, net.plan.cost, net.plan.cost_parameter,
                        net.plan.matched});
}

// What each example counts, times min(1, c/‖∇C_i‖) (E36, E58); then δ times that.
template <class T>
void clip_examples(const Weights<T>& net, Batch<T>& batch, const StepOptions& options, Index n0, Index n1) {
    double *squares = batch.lengths.data(), *of_row = squares + batch.rows;
    std::fill(squares + n0, squares + n1, 0.0);
    const std::size_t lowest = options.lowest(net.plan.layers.size());
    for (std::size_t l = lowest; l < net.plan.layers.size(); ++l) {
        if (options.frozen(l)) continue;
        // ‖(a_i, 1)‖² ‖δ_i‖²
        net.kernels.lengths(l == 0 ? batch.x : batch.a[l - 1], n0, n1, of_row);
        double* of_delta = of_row + batch.rows;
        net.kernels.lengths(batch.delta[l], n0, n1, of_delta);
        for (Index n = n0; n < n1; ++n) squares[n] += (of_row[n] + (net.plan.layers[l].bias ? 1 : 0)) * of_delta[n];
    }
    T* c = batch.coefficients.data();
    for (Index n = n0; n < n1; ++n) {
        const double norm = std::sqrt(squares[n]);
        if (!(norm <= options.clip_example_norm))
            c[n] = static_cast<T>(static_cast<double>(c[n]) * (options.clip_example_norm / norm));
    }
    for (std::size_t l = lowest; l < net.plan.layers.size(); ++l)
        net.kernels.scale(batch.delta[l], c, batch.delta[l], n0, n1);
}

}  // namespace

template <class T>
void backward_rows(const Weights<T>& net, Batch<T>& batch, const T* coefficients, Index n0, Index n1) {
    output_layer(net, batch, coefficients, n0, n1);
    propagate_rows(net, batch, batch.delta, n0, n1);
}

template <class T>
void backward_rows(const Weights<T>& net, Batch<T>& batch, const Perturbed& by, Index n0, Index n1) {
    const bool clips = by.options.clips_examples();
    output_layer<T>(net, batch, clips ? nullptr : batch.coefficients.data(), n0, n1);
    propagate_rows(net, batch, batch.delta, n0, n1, &by);
    if (clips) clip_examples(net, batch, by.options, n0, n1);
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

#define CHAINRULE_INSTANTIATE(T)                                                                                     \
    template void pack<T>(const Plan&, const Packing&, const T*, T*);                                                \
    template void unpack<T>(const Plan&, const Packing&, const T*, T*);                                              \
    template struct Weights<T>;                                                                                      \
    template struct Batch<T>;                                                                                        \
    template Panels<T> half_of<T>(Grid, const Panels<T>&, int);                                                      \
    template void sum_half<T>(const Weights<T>&, Batch<T>&, int, Index, Index);                                      \
    template void perturb_inputs<T>(const Weights<T>&, Batch<T>&, const Perturbed&, Index, Index, Index, Index);     \
    template void smooth_targets<T>(const Weights<T>&, Batch<T>&, double, Index, Index);                             \
    template void forward_halves<T>(const Weights<T>&, Batch<T>&, Index, Index, const Perturbed*);                   \
    template void forward_rows<T>(const Weights<T>&, Batch<T>&, Index, Index, const Perturbed*);                     \
    template void propagate_rows<T>(const Weights<T>&, const Batch<T>&, const std::vector<Panels<T>>&, Index, Index, \
                                    const Perturbed*);                                                               \
    template void backward_rows<T>(const Weights<T>&, Batch<T>&, const Perturbed&, Index, Index);                    \
    template void backward_rows<T>(const Weights<T>&, Batch<T>&, const T*, Index, Index);                            \
    template void coefficients_of<T>(const Plan&, const T*, const Index*, Index, Index, double, double, T*);         \
    template double total_weight<T>(const T*, const Index*, Index);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)

}  // namespace chainrule
