// What a step of training does besides the plain one, in the order in which it does it: the C++ twin of
// src/chainrule/engine/step_options.py. Nothing, by default.
#pragma once

#include <limits>
#include <vector>

#include "chainrule/plan.hpp"

namespace chainrule {

struct StepOptions {
    static constexpr double none = std::numeric_limits<double>::infinity();

    double noise = 0;                 // σ of (E56)
    std::vector<double> dropout;      // p of a^0..a^{L−1} (E51), or empty
    double smoothing = 0;             // ε of (E55)
    double clip_example_norm = none;  // c of (E58)
    double clip_norm = none;          // c of (E57)
    std::vector<double> layer_rates;  // what η is multiplied by in layers 1..L, 0 where one is frozen; or empty
    double weight_decay = 0;          // λ of (E53), apart from the rule's own
    double max_norm = none;           // c of (E54)
    std::uint64_t seed = 0;

    // Throws std::invalid_argument.
    void check(const Plan& plan) const;

    // Layers count from 0 here, as in Plan::layers; so layer l's p is that of its inputs, a^l.
    [[nodiscard]] double p(std::size_t l) const { return dropout.empty() ? 0 : dropout[l]; }
    [[nodiscard]] double rate(std::size_t l) const { return layer_rates.empty() ? 1 : layer_rates[l]; }
    [[nodiscard]] bool frozen(std::size_t l) const { return rate(l) == 0; }
    // The lowest layer that is not frozen; how many there are when all are.
    [[nodiscard]] std::size_t lowest(std::size_t layers) const {
        std::size_t l = 0;
        while (l < layers && frozen(l)) ++l;
        return l;
    }
    [[nodiscard]] bool plain() const {  // whatever the seed
        StepOptions nothing{};
        nothing.seed = seed;
        return *this == nothing;
    }
    bool operator==(const StepOptions&) const = default;
    [[nodiscard]] bool clips() const { return clip_norm < none; }
    [[nodiscard]] bool clips_examples() const { return clip_example_norm < none; }
    [[nodiscard]] bool constrains() const { return max_norm < none; }
};

}  // namespace chainrule
