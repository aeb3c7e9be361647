// Epochs to train with, and all that a trainer leaves behind.
#pragma once

#include <functional>
#include <vector>

#include "chainrule/epoch.hpp"
#include "naive.hpp"
#include "networks.hpp"

namespace check {

using chainrule::Ended;
using chainrule::Examples;
using chainrule::Rule;
using chainrule::RuleSettings;
using chainrule::Trainer;

struct TestedRule {
    const char* name;
    std::vector<double> settings;
    double rate;
    Rule rule;
    naive::RuleNumbers numbers;
};

inline std::vector<TestedRule> training_rules() {
    return {{"sgd", {}, 0.05, Rule::sgd, {}},
            {"momentum", {0.9}, 0.02, Rule::momentum, {.mu = 0.9}},
            {"nesterov", {0.8}, 0.02, Rule::nesterov, {.mu = 0.8}},
            {"rmsprop", {0.9, 1e-4}, 1e-3, Rule::rmsprop, {.beta2 = 0.9, .epsilon = 1e-4}},
            {"adam", {0.9, 0.999, 1e-6, 0}, 1e-3, Rule::adam, {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-6}},
            {"adamw",
             {0.8, 0.99, 1e-6, 0.1},
             1e-3,
             Rule::adamw,
             {.beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6, .weight_decay = 0.1}},
            {"rprop",
             {0.5, 1.2, 1e-6, 0.1},
             1e-3,
             Rule::rprop,
             {.beta1 = 0.5, .beta2 = 1.2, .least = 1e-6, .largest = 0.1}}};
}

// Epochs over data in a shuffled order; the last batch of each is smaller than the others. What it points to is kept here.
template <class T>
struct Epochs {
    const Net& net;
    const Data<T>& data;
    std::vector<Index> rows, bounds{0};
    std::vector<double> rates, penalties, l1, factors, costs, norms, squares;

    Epochs(const Net& the_net, const Data<T>& the_data, const TestedRule& rule, int epochs, double penalty)
        : net(the_net), data(the_data) {
        Random random(7);
        for (int epoch = 0; epoch < epochs; ++epoch) {
            std::vector<Index> order;
            for (Index n = 0; n < data.m; ++n) order.insert(order.begin() + random.whole(0, n), n);
            for (Index begin = 0; begin < data.m; begin += net.batch) {
                const Index end = std::min(data.m, begin + net.batch);
                rows.insert(rows.end(), order.begin() + begin, order.begin() + end);
                bounds.push_back(static_cast<Index>(rows.size()));
                rates.push_back(rule.rate / (1 + 0.1 * epoch));
                penalties.push_back(penalty);
                l1.push_back(0);
                factors.push_back(1);
            }
        }
        // what is never written must not look like a result
        costs = norms = squares = std::vector<double>(rates.size(), -77);
    }
    [[nodiscard]] Index steps() const { return static_cast<Index>(rates.size()); }

    // Steps first..end.
    Examples<T> examples(Index first, Index end) {
        Examples<T> e{};
        const auto plan = net.plan();
        e.X = rows_of(data.X, data.m, plan.inputs());
        e.Y = rows_of(data.Y, data.m, plan.outputs());
        e.weights = data.weights_of(net);
        e.rows = rows.data();
        e.bounds = bounds.data() + first;
        e.steps = end - first;
        e.rates = rates.data() + first;
        e.penalties = penalties.data() + first;
        e.l1 = l1.data() + first;
        e.first = first;
        e.factors = factors.data() + first;
        e.costs = costs.data() + first;
        e.norms = norms.data() + first;
        e.squares = squares.data() + first;
        return e;
    }
};

// θ, the rule's vectors, and the number of steps taken.
template <class T>
struct Trained {
    std::vector<T> theta;
    std::vector<std::vector<T>> state;
    Index steps = 0;

    Trained(const Trainer<T>& trainer, Index parameters) : theta(static_cast<std::size_t>(parameters)) {
        state.resize(static_cast<std::size_t>(trainer.settings().vectors()), theta);
        std::vector<T*> pointers;
        for (auto& vector : state) pointers.push_back(vector.data());
        trainer.store(theta.data());
        steps = trainer.store_state(pointers.data());
    }
    void load_into(Trainer<T>& trainer) const {
        std::vector<const T*> pointers;
        for (const auto& vector : state) pointers.push_back(vector.data());
        trainer.load(theta.data(), pointers.data(), steps);
    }
    bool operator==(const Trained& other) const {
        bool same = same_bits(theta, other.theta) && state.size() == other.state.size() && steps == other.steps;
        for (std::size_t v = 0; same && v < state.size(); ++v) same = same_bits(state[v], other.state[v]);
        return same;
    }
};

inline bool never_stop() {
    return false;
}

}  // namespace check
