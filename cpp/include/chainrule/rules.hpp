// Update rules' settings, and what they come to in a step, as maths/updates.py computes it.
#pragma once

#include <span>
#include <string_view>

#include "chainrule/kernels.hpp"
#include "chainrule/options.hpp"

namespace chainrule {

struct RuleSettings {
    Rule rule;
    double mu = 0, beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0;  // η₋, η₊ of rprop are β₁, β₂
    double least = 0, largest = 0;
    bool epsilon_hat = false;
    [[nodiscard]] int vectors() const { return rule == Rule::sgd ? 0 : rule >= Rule::adam ? 2 : 1; }
};

// "sgd" (), "momentum" (μ), "nesterov" (μ), "rmsprop" (ρ, ε), "adam" (β₁, β₂, ε, ε̂), "adamw" (β₁, β₂, ε, λ),
// "rprop" (η₋, η₊, least, largest). Throws std::invalid_argument.
RuleSettings rule_settings(std::string_view name, std::span<const double> settings);

// The settings of step number `number` (from 1) at rate η, as maths/updates.py computes them.
template <class T>
Step<T> step_of(const RuleSettings& settings, Index number, double rate, double penalty);

// The same with λ₁ of (E52) and the options' decay, in a layer whose rate is η times the options'.
template <class T>
Step<T> step_of(const RuleSettings& settings, const StepOptions& options, std::size_t layer, Index number, double rate,
                double penalty, double l1);

}  // namespace chainrule
