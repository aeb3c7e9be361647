// Networks and data to test with: those of the benchmarks' workloads, scaled down, and others that have every kind of layer.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "chainrule/plan.hpp"
#include "chainrule/view.hpp"
#include "check.hpp"

namespace check {

using chainrule::Activation;
using chainrule::Cost;
using chainrule::Dtype;
using chainrule::Index;
using chainrule::Plan;
using chainrule::Rows;

struct Net {
    std::string name;
    std::vector<Index> sizes;
    std::vector<Plan::LayerSpec> layers;
    std::string cost;
    double cost_parameter = 0;
    bool mean = true;
    bool weighted = false;  // examples count w_i
    Index batch = 16;

    [[nodiscard]] Plan plan() const { return Plan(sizes, layers, cost, cost_parameter, mean); }
};

inline std::vector<Net> nets() {
    return {
        {"A", {90, 30, 10}, {{"logistic", 0, true}, {"logistic", 0, true}}, "squared_error", 0, true, false, 10},
        {"B", {110, 100, 10}, {{"relu", 0, true}, {"softmax", 0, true}}, "cross_entropy", 0, true, false, 50},
        {"C",
         {20, 64, 64, 1},
         {{"relu", 0, true}, {"relu", 0, true}, {"identity", 0, true}},
         "squared_error",
         0,
         true,
         false,
         32},
        {"D",
         {130, 96, 96, 10},
         {{"relu", 0, true}, {"relu", 0, true}, {"softmax", 0, true}},
         "cross_entropy",
         0,
         true,
         false,
         128},
        {"one layer", {7, 3}, {{"tanh", 0, true}}, "half_squared_error", 0, true, true, 5},
        {"one by one", {1, 1, 1}, {{"silu", 0, true}, {"identity", 0, true}}, "log_cosh", 0, true, false, 1},
        {"no bias",
         {13, 17, 11, 5},
         {{"tanh", 0, false}, {"gelu", 0, true}, {"logistic", 0, false}},
         "binary_cross_entropy",
         0,
         false,
         true,
         9},
        {"elu",
         {6, 19, 23, 4},
         {{"elu", 0.7, true}, {"selu", 0, true}, {"identity", 0, true}},
         "huber",
         0.8,
         true,
         true,
         12},
        {"mish",
         {9, 25, 8, 3},
         {{"mish", 0, true}, {"softsign", 0, true}, {"softplus", 0, true}},
         "poisson",
         0,
         false,
         false,
         7},
        {"exp", {9, 12, 3}, {{"leaky_relu", 0.2, true}, {"exp", 0, true}}, "poisson", 0, true, true, 20},
        {"softmax within",
         {8, 21, 33, 6},
         {{"softmax", 0, true}, {"softplus", 0, true}, {"softmax", 0, true}},
         "squared_error",
         0,
         true,
         false,
         11},
        {"identity within",
         {8, 14, 29, 2},
         {{"identity", 0, true}, {"logistic", 0, true}, {"identity", 0, true}},
         "quantile",
         0.3,
         true,
         true,
         14},
        // so many inputs that the sum in z¹ is halved, on every instruction set and in both dtypes
        {"one layer of many inputs", {273, 7}, {{"softmax", 0, true}}, "cross_entropy", 0, true, true, 23},
        {"absolute", {5, 40, 2}, {{"silu", 0, true}, {"tanh", 0, true}}, "absolute_error", 0, true, false, 8},
        // likewise with an edge in each 𝒲
        {"edges",
         {273, 65, 33, 1},
         {{"tanh", 0, true}, {"relu", 0, false}, {"identity", 0, true}},
         "half_squared_error",
         0,
         true,
         true,
         23},
    };
}

template <class T>
struct Data {
    std::vector<T> theta, X, Y, weights;
    Index m;

    Data(const Net& net, Index rows, std::uint64_t seed = 1) : m(rows) {
        Random random(seed);
        const Plan plan = net.plan();
        for (const chainrule::Layer& layer : plan.layers) {
            const double bound = std::sqrt(6.0 / static_cast<double>(layer.in + layer.out));
            for (Index e = 0; e < layer.in * layer.out; ++e)
                theta.push_back(static_cast<T>(random.between(-bound, bound)));
            for (Index o = 0; layer.bias && o < layer.out; ++o)
                theta.push_back(static_cast<T>(random.between(-0.1, 0.1)));
        }
        X = random.vector<T>(m * plan.inputs(), -2, 2);
        const bool classes = plan.cost == Cost::cross_entropy, unit = plan.cost == Cost::binary_cross_entropy;
        for (Index n = 0; n < m; ++n) {
            const Index label = random.whole(0, plan.outputs() - 1);
            for (Index j = 0; j < plan.outputs(); ++j)
                Y.push_back(classes                      ? T(j == label ? 1 : 0)
                            : unit                       ? static_cast<T>(random.whole(0, 1))
                            : plan.cost == Cost::poisson ? static_cast<T>(random.whole(0, 4))
                                                         : static_cast<T>(random.between(-1, 1)));
            weights.push_back(static_cast<T>(random.between(0.2, 2)));
        }
    }
    [[nodiscard]] const T* weights_of(const Net& net) const { return net.weighted ? weights.data() : nullptr; }
};

template <class T>
Rows rows_of(const std::vector<T>& matrix, Index m, Index columns) {
    Rows rows;
    rows.data = reinterpret_cast<const std::byte*>(matrix.data());
    rows.dtype = sizeof(T) == 4 ? Dtype::f32 : Dtype::f64;
    rows.rows = m;
    rows.columns = columns;
    rows.row_stride = columns * static_cast<Index>(sizeof(T));
    rows.column_stride = sizeof(T);
    return rows;
}

}  // namespace check
