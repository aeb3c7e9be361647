#include "chainrule/options.hpp"

#include <stdexcept>
#include <string>

namespace chainrule {

void StepOptions::check(const Plan& plan) const {
    const auto count = plan.layers.size();
    const auto need = [&](const std::vector<double>& given, const char* what) {
        if (!given.empty() && given.size() != count)
            throw std::invalid_argument(std::string(what) + ": expected " + std::to_string(count) +
                                        " numbers or none, got " + std::to_string(given.size()));
    };
    need(dropout, "dropout");
    need(layer_rates, "layer_rates");
    const auto within = [](double x, bool fits, const char* what, const char* expected) {
        if (!fits)
            throw std::invalid_argument(std::string(what) + ": expected " + expected + ", got " + std::to_string(x));
    };
    for (const double p : dropout) within(p, p >= 0 && p < 1, "dropout", "0 to below 1");
    for (const double r : layer_rates) within(r, r >= 0 && r < none, "layer_rates", "a number of at least 0");
    within(noise, noise >= 0 && noise < none, "noise", "a number of at least 0");
    within(smoothing, smoothing >= 0 && smoothing < 1, "smoothing", "0 to below 1");
    within(weight_decay, weight_decay >= 0 && weight_decay < none, "weight_decay", "a number of at least 0");
    within(clip_example_norm, clip_example_norm > 0, "clip_example_norm", "a number above 0");
    within(clip_norm, clip_norm > 0, "clip_norm", "a number above 0");
    within(max_norm, max_norm > 0, "max_norm", "a number above 0");
}

}  // namespace chainrule
