#include "chainrule/rules.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

namespace chainrule {

RuleSettings rule_settings(std::string_view name, std::span<const double> s) {
    const auto need = [&](std::size_t count) {
        if (s.size() != count)
            throw std::invalid_argument("settings of " + std::string(name) + ": expected " + std::to_string(count) +
                                        " numbers, got " + std::to_string(s.size()));
    };
    RuleSettings r{};
    if (name == "sgd") {
        need(0);
        r.rule = Rule::sgd;
    } else if (name == "momentum" || name == "nesterov") {
        need(1);
        r.rule = name == "momentum" ? Rule::momentum : Rule::nesterov;
        r.mu = s[0];
    } else if (name == "rmsprop") {
        need(2);
        r.rule = Rule::rmsprop;
        r.beta2 = s[0];
        r.epsilon = s[1];
    } else if (name == "adam" || name == "adamw") {
        need(4);
        r.rule = name == "adam" ? Rule::adam : Rule::adamw;
        r.beta1 = s[0];
        r.beta2 = s[1];
        r.epsilon = s[2];
        if (name == "adam") r.epsilon_hat = s[3] != 0;
        else r.weight_decay = s[3];
    } else if (name == "rprop") {
        need(4);
        r.rule = Rule::rprop;
        r.beta1 = s[0];
        r.beta2 = s[1];
        r.least = s[2];
        r.largest = s[3];
    } else {
        throw std::invalid_argument("rule: expected one that is built in, got \"" + std::string(name) + "\"");
    }
    return r;
}

template <class T>
Step<T> step_of(const RuleSettings& s, Index number, double rate, double penalty) {
    Step<T> step{};
    if (s.rule == Rule::adam || s.rule == Rule::adamw) {  // powers are not for nothing in a step of microseconds
        const double t = static_cast<double>(number), root = std::pow(1 - std::pow(s.beta2, t), 0.5);
        step.rate_now = static_cast<T>(rate * root / (1 - std::pow(s.beta1, t)));
        step.epsilon_now = static_cast<T>(s.epsilon_hat ? s.epsilon : root * s.epsilon);
    }
    step.rate = static_cast<T>(rate);
    step.penalty = static_cast<T>(penalty);
    step.mu = static_cast<T>(s.mu);
    step.beta1 = static_cast<T>(s.beta1);
    step.rest1 = static_cast<T>(1 - s.beta1);
    step.beta2 = static_cast<T>(s.beta2);
    step.rest2 = static_cast<T>(1 - s.beta2);
    step.epsilon = static_cast<T>(s.epsilon);
    step.decay = static_cast<T>(rate * s.weight_decay);
    step.least = static_cast<T>(s.least);
    step.largest = static_cast<T>(s.largest);
    return step;
}

template <class T>
Step<T> step_of(const RuleSettings& s, const StepOptions& options, std::size_t layer, Index number, double rate,
                double penalty, double l1) {
    const double own = options.rate(layer) * rate;
    Step<T> step = step_of<T>(s, number, own, penalty);
    step.l1 = static_cast<T>(l1);
    step.shrink = static_cast<T>(own * options.weight_decay);
    return step;
}

#define CHAINRULE_INSTANTIATE(T)                                             \
    template Step<T> step_of<T>(const RuleSettings&, Index, double, double); \
    template Step<T> step_of<T>(const RuleSettings&, const StepOptions&, std::size_t, Index, double, double, double);
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)

}  // namespace chainrule
