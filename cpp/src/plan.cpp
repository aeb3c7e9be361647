#include "chainrule/plan.hpp"

#include <array>
#include <limits>
#include <utility>

namespace chainrule {
namespace {

constexpr std::array<std::pair<std::string_view, Activation>, 14> activation_names{{
    {"identity", Activation::identity},
    {"logistic", Activation::logistic},
    {"tanh", Activation::tanh},
    {"relu", Activation::relu},
    {"leaky_relu", Activation::leaky_relu},
    {"elu", Activation::elu},
    {"selu", Activation::selu},
    {"gelu", Activation::gelu},
    {"silu", Activation::silu},
    {"softplus", Activation::softplus},
    {"mish", Activation::mish},
    {"softsign", Activation::softsign},
    {"exp", Activation::exp},
    {"softmax", Activation::softmax},
}};

constexpr std::array<std::pair<std::string_view, Cost>, 9> cost_names{{
    {"squared_error", Cost::squared_error},
    {"half_squared_error", Cost::half_squared_error},
    {"binary_cross_entropy", Cost::binary_cross_entropy},
    {"cross_entropy", Cost::cross_entropy},
    {"poisson", Cost::poisson},
    {"huber", Cost::huber},
    {"absolute_error", Cost::absolute_error},
    {"quantile", Cost::quantile},
    {"log_cosh", Cost::log_cosh},
}};

template <class Table>
auto named(const Table& table, std::string_view name, const char* what) {
    for (const auto& [known, value] : table)
        if (known == name) return value;
    throw std::invalid_argument(std::string(what) + ": expected one that is built in, got \"" + std::string(name) +
                                "\"");
}

Matched matched_pair(Activation g, Cost cost) {
    if (g == Activation::logistic && cost == Cost::binary_cross_entropy) return Matched::logistic_binary_cross_entropy;
    if (g == Activation::softmax && cost == Cost::cross_entropy) return Matched::softmax_cross_entropy;
    if (g == Activation::exp && cost == Cost::poisson) return Matched::exp_poisson;
    return Matched::none;
}

constexpr Index largest = std::numeric_limits<Index>::max() / 64;  // leaves room for counting in bytes

[[noreturn]] void too_large() {
    throw TooLarge("sizes: expected arrays that fit in memory, got more than 10^17 numbers. Make the layers narrower.");
}

}  // namespace

Index product_of_sizes(Index x, Index y) {
    if (x != 0 && y > largest / x) too_large();
    return x * y;
}

Index sum_of_sizes(Index x, Index y) {
    if (x > largest - y) too_large();
    return x + y;
}

Plan::Plan(std::span<const Index> given, std::span<const LayerSpec> specs, std::string_view cost_name, double parameter,
           bool is_mean)
    : sizes(given.begin(), given.end()), cost(named(cost_names, cost_name, "cost")), cost_parameter(parameter),
      mean(is_mean), n_parameters(0) {
    if (sizes.size() < 2 || specs.size() + 1 != sizes.size())
        throw std::invalid_argument("layers: expected one for each size but the first, got " +
                                    std::to_string(specs.size()) + " for " + std::to_string(sizes.size()) + " sizes");
    for (const Index n : sizes)
        if (n < 1) throw std::invalid_argument("sizes: expected at least 1 unit, got " + std::to_string(n));
    for (std::size_t l = 0; l < specs.size(); ++l) {
        Layer layer{sizes[l],
                    sizes[l + 1],
                    named(activation_names, specs[l].activation, "activation"),
                    specs[l].parameter,
                    specs[l].bias,
                    n_parameters,
                    0};
        layer.bias_at = sum_of_sizes(n_parameters, product_of_sizes(layer.in, layer.out));
        n_parameters = sum_of_sizes(layer.bias_at, layer.bias ? layer.out : 0);
        layers.push_back(layer);
    }
    matched = matched_pair(layers.back().activation, cost);
}

Packing::Packing(const Plan& plan, Grid the_grid, bool input_gradient) : grid(the_grid), parameters(0), transposed(0) {
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const Layer& layer = plan.layers[l];
        At at{parameters, 0, -1, -1};
        at.bias = sum_of_sizes(parameters, product_of_sizes(layer.in, grid.padded(layer.out)));
        parameters = sum_of_sizes(at.bias, layer.bias ? grid.padded(layer.out) : 0);
        const auto take = [&](Index rows) {
            const Index begin = transposed;
            transposed = sum_of_sizes(transposed, product_of_sizes(rows, grid.padded(layer.in)));
            return begin;
        };
        if (l > 0 || input_gradient) at.transposed = take(layer.out);
        if (const Index edge = grid.edge(layer.in, layer.out); edge > 0) at.edge = take(edge);
        layers.push_back(at);
    }
}

}  // namespace chainrule
