// The frozen description of a network, and where its arrays lie: the C++ twin of src/chainrule/engine/plan.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace chainrule {

using Index = std::int64_t;

enum class Activation {
    identity,
    logistic,
    tanh,
    relu,
    leaky_relu,
    elu,
    selu,
    gelu,
    silu,
    softplus,
    mish,
    softsign,
    exp,
    softmax
};  // clang-format off
enum class Cost {
    squared_error, half_squared_error, binary_cross_entropy, cross_entropy, poisson, huber, absolute_error, quantile,
    log_cosh
};  // clang-format on

// Output activation and cost whose quotients cancel: cost from z, δ^L from a (E5′).
enum class Matched { none, logistic_binary_cross_entropy, softmax_cross_entropy, exp_poisson };

// A plan or a batch whose arrays no memory holds.
struct TooLarge : std::runtime_error {
    explicit TooLarge(const std::string& what) : std::runtime_error(what) {}
};

struct Layer {
    Index in, out;
    Activation activation;
    double parameter;  // slope of leaky_relu, alpha of elu, else 0
    bool bias;
    Index weights_at, bias_at;  // in θ, row-major; bias_at is where it would lie when there is none
};

struct Plan {
    // Throws std::invalid_argument for an unknown name or a wrong count, TooLarge when |θ| · size doesn't fit.
    struct LayerSpec {
        std::string activation;
        double parameter;
        bool bias;
    };
    Plan(std::span<const Index> sizes, std::span<const LayerSpec> specs, std::string_view cost_name,
         double cost_parameter, bool mean);

    std::vector<Index> sizes;   // n_0..n_L
    std::vector<Layer> layers;  // layers[l − 1] is layer l
    Cost cost;
    double cost_parameter;
    bool mean;
    Matched matched;
    Index n_parameters;

    [[nodiscard]] Index inputs() const { return sizes.front(); }
    [[nodiscard]] Index outputs() const { return sizes.back(); }
};

// x · y and x + y of sizes, or TooLarge.
Index product_of_sizes(Index x, Index y);
Index sum_of_sizes(Index x, Index y);

// Columns in panels. A matrix is cut into panels of `panel()` columns; the last one holds what is left, rounded up to
// whole vectors. Within a panel rows follow each other, so that a panel's rows are one stretch of memory.
struct Grid {
    int lanes, vectors;  // of a vector, and of a panel

    [[nodiscard]] Index panel() const { return Index{vectors} * lanes; }
    [[nodiscard]] Index count(Index columns) const { return (columns + panel() - 1) / panel(); }
    [[nodiscard]] Index width(Index columns, Index p) const {  // of panel p, in elements
        const Index left = columns - p * panel();
        return left >= panel() ? panel() : (left + lanes - 1) / lanes * lanes;
    }
    [[nodiscard]] Index padded(Index columns) const {
        return columns / panel() * panel() + (columns % panel() + lanes - 1) / lanes * lanes;
    }
    // How many columns of 𝒲 (in × out) lie behind the last whole vector, where they fill a quarter of one at most: dot
    // products over enough inputs then cost less than a vector that is mostly padding. 0: a vector does.
    [[nodiscard]] Index edge(Index in, Index out) const {
        const Index columns = out % lanes;
        return 4 * columns <= lanes && 2 * lanes * columns <= in ? columns : 0;
    }
    // How many of a network's inputs are the first half of the sum in z¹ (E1), which is that of two halves wherever there
    // are many inputs: two threads can then have a half each, with its 𝒲¹ and X. 0: it is one sum.
    [[nodiscard]] Index first_half(Index inputs) const {
        const Index panels = inputs / panel();
        return panels < 4 ? 0 : (panels + 1) / 2 * panel();
    }
};

// Where θ's arrays lie in panels: 𝒲^ℓ (in × out) with its b^ℓ behind it; and, elsewhere, 𝒲^ℓᵀ (out × in) of the layers
// ℓ ≥ 2 (ℓ ≥ 1 when the gradient in the input is wanted), and the edge of 𝒲^ℓ transposed, where it has one.
struct Packing {
    struct At {
        Index weights, bias;
        Index transposed, edge;  // −1 where there is none
    };
    Grid grid;
    std::vector<At> layers;
    Index parameters;  // elements of all 𝒲 and b in panels
    Index transposed;  // elements of all 𝒲ᵀ and edges
    Packing(const Plan& plan, Grid grid, bool input_gradient);
};

}  // namespace chainrule
