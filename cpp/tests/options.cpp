// Steps that do more than the plain ones (E51 to E58) against the naive ones; the same bits for any number of threads; what
// is left when a step fails; the gradient without its step; what stands between gradient and update.
#include <cmath>
#include <limits>
#include <string>

#include "compare.hpp"
#include "naive_steps.hpp"
#include "training.hpp"

namespace {

using namespace chainrule;
using check::Data;
using check::Epochs;
using check::Net;
using check::TestedRule;
using check::Trained;
using naive::at;

struct Tested {
    std::string name;
    StepOptions options;
    double l1 = 0;
};

// What a network of so many layers is trained with: each by itself, and all at once.
std::vector<Tested> tested(const Plan& plan) {
    const std::size_t L = plan.layers.size();
    const bool probabilities = plan.cost == Cost::cross_entropy || plan.cost == Cost::binary_cross_entropy;
    StepOptions none{};
    none.seed = 0xfedcba9876543210U;
    std::vector<Tested> all(10, {"", none});
    auto add = [&, k = std::size_t{0}](const char* name) mutable -> StepOptions& {
        all[k].name = name;
        return all[k++].options;
    };
    add("noise").noise = 0.2;
    add("dropout").dropout.assign(L, 0.4);
    add("smoothing").smoothing = probabilities ? 0.1 : 0;
    add("clip_example_norm").clip_example_norm = 0.3;
    add("clip_norm").clip_norm = 0.05;
    StepOptions& rates = add("layer_rates");
    for (std::size_t l = 0; l < L; ++l) rates.layer_rates.push_back(l % 2 == 0 ? 0.5 : 2);
    StepOptions& frozen = add("frozen");
    frozen.layer_rates.assign(L, 1);
    frozen.layer_rates[L / 2] = 0;
    frozen.clip_example_norm = 0.3;
    add("weight_decay").weight_decay = 0.3;
    add("max_norm").max_norm = 0.5;
    StepOptions& every = add("all");
    every = rates;
    every.noise = 0.1;
    every.dropout.assign(L, 0.2);
    every.dropout[0] = 0;
    every.smoothing = all[2].options.smoothing;
    every.clip_example_norm = 0.5;
    every.clip_norm = 0.3;
    every.layer_rates[0] = L > 1 ? 0 : 1;
    every.weight_decay = 0.1;
    every.max_norm = 0.7;
    all.back().l1 = 0.01;
    return all;
}

template <class T>
Epochs<T> epochs_of(const Net& net, const Data<T>& data, const TestedRule& rule, double l1) {
    Epochs<T> e(net, data, rule, 1, l1 / 2);
    e.l1.assign(e.l1.size(), l1);
    e.factors[1] = 0.5;
    return e;
}

Index rows_for(const Net& net) {
    return 2 * net.batch + (net.batch + 1) / 2;
}

template <class T>
naive::Vector<naive::Exact<T>> row_numbers(const std::vector<T>& matrix, const Epochs<T>& e, Index step,
                                           Index columns) {
    naive::Vector<naive::Exact<T>> rows;
    for (Index k = e.bounds[at(step)]; k < e.bounds[at(step + 1)]; ++k)
        for (Index c = 0; c < columns; ++c) rows.push_back(matrix[at(e.rows[at(k)] * columns + c)]);
    return rows;
}

template <class T>
void against_the_naive_steps() {
    using R = naive::Exact<T>;
    const double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
    const TestedRule rule = check::training_rules()[1];  // momentum, whose steps are as exact as the gradient
    int turn = 0;
    for (const Net& net : check::nets())
        for (const Tested& t : tested(net.plan())) {
            if (turn++ % check::sized(1, 23) != 0) continue;
            const Plan plan = net.plan();
            const StepOptions& o = t.options;
            const Data<T> data(net, rows_for(net));
            const std::string what = net.name + ", " + t.name + ' ' + check::name_of<T>();
            Epochs<T> e = epochs_of<T>(net, data, rule, t.l1);
            Trainer<T> trainer(plan, rule_settings(rule.name, rule.settings), net.batch, 2, o);
            trainer.load(data.theta.data(), nullptr, 0);
            Examples<T> examples = e.examples(0, e.steps());
            examples.first = 1000;
            Index done = 0;
            trainer.run(examples, check::never_stop, done);
            CHECK(done == e.steps(), what << ": ended at step " << done);

            naive::Vector<R> theta = naive::widened<R>(data.theta), velocity(theta.size()), unused(theta.size());
            for (Index step = 0; step < e.steps(); ++step) {
                const Index n = e.bounds[at(step + 1)] - e.bounds[at(step)];
                naive::StepGradient<R> found =
                    naive::step_gradient<R>(plan, o, theta, row_numbers(data.X, e, step, plan.inputs()),
                                            row_numbers(data.Y, e, step, plan.outputs()),
                                            net.weighted ? row_numbers(data.weights, e, step, 1) : naive::Vector<R>{},
                                            n, 1000 + step, e.factors[at(step)]);
                R squares = 0, of_weights = 0;
                const auto each = [&](auto f) {
                    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
                        const Layer& layer = plan.layers[l];
                        for (Index p = layer.weights_at; p < layer.bias_at + (layer.bias ? layer.out : 0); ++p)
                            f(l, at(p), p < layer.bias_at);
                    }
                };
                each([&](std::size_t l, std::size_t p, bool weight) {
                    const R w = theta[p];
                    if (weight && !o.frozen(l))
                        found.gradient[p] +=
                            static_cast<R>(e.penalties[at(step)]) * w + static_cast<R>(t.l1) * (w > 0   ? R(1)
                                                                                                : w < 0 ? R(-1)
                                                                                                        : R(0));
                    squares += found.gradient[p] * found.gradient[p];
                    of_weights += weight ? w * w : R(0);
                });
                const R norm = std::sqrt(squares), limit = static_cast<R>(o.clip_norm);
                each([&](std::size_t l, std::size_t p, bool weight) {
                    if (o.frozen(l)) return;
                    const double rate = o.rate(l) * e.rates[at(step)];
                    if (weight) theta[p] -= static_cast<R>(rate * o.weight_decay) * theta[p];
                    naive::update<R>(rule.rule, rule.numbers, step + 1, rate, 0, weight, theta[p],
                                     found.gradient[p] * (norm > limit ? limit / norm : R(1)), velocity[p], unused[p]);
                });
                naive::constrain(plan, o, theta);
                // as exact as θ is there, which has been through `step` steps
                const double bound = 2000 * epsilon * static_cast<double>(step + 1);
                const auto close = [&](double got, R expected, const char* name) {
                    const double exact = static_cast<double>(expected);
                    CHECK(std::fabs(got - exact) <= bound * (std::fabs(exact) + 0.01),
                          what << ": " << name << " of step " << step << " is " << got << ", not " << exact);
                };
                close(e.costs[at(step)], found.cost, "cost");
                close(e.norms[at(step)], norm, "norm");
                close(e.squares[at(step)], of_weights, "Σ𝒲²");
            }
            const Trained<T> trained(trainer, plan.n_parameters);
            check::compare(trained.theta, theta, what + ": θ");
            check::compare(trained.state[0], velocity, what + ": velocity");
        }
}
TEST(against_the_naive_steps_f32) {
    against_the_naive_steps<float>();
}
TEST(against_the_naive_steps_f64) {
    against_the_naive_steps<double>();
}

template <class T>
void any_number_of_threads() {
    const std::vector<TestedRule> rules = check::training_rules();
    std::size_t turn = 0;
    for (const Net& net : check::nets())
        for (const Tested& t : tested(net.plan())) {
            const TestedRule& rule = rules[turn % rules.size()];
            if (turn++ % check::sized<std::size_t>(1, 8) != 0) continue;
            const Plan plan = net.plan();
            const Data<T> data(net, rows_for(net));
            const std::string what = net.name + ", " + t.name + ", " + rule.name + ' ' + check::name_of<T>();
            std::vector<Trained<T>> seen;
            std::vector<std::vector<double>> figures;
            for (const int threads : {1, 2, 3, 4, 7}) {
                Epochs<T> e = epochs_of<T>(net, data, rule, t.l1);
                Trainer<T> trainer(plan, rule_settings(rule.name, rule.settings), net.batch, threads, t.options);
                trainer.load(data.theta.data(), nullptr, 0);
                Index done = 0;
                for (Index cut = 0; cut < e.steps(); cut += threads)  // and any way to cut the run
                    trainer.run(e.examples(cut, std::min(e.steps(), cut + threads)), check::never_stop, done);
                seen.emplace_back(trainer, plan.n_parameters);
                figures.push_back(e.costs);
                figures.back().insert(figures.back().end(), e.norms.begin(), e.norms.end());
                figures.back().insert(figures.back().end(), e.squares.begin(), e.squares.end());
                CHECK(seen.back() == seen.front(), what << ": θ or state on " << threads << " threads");
                CHECK(check::same_bits(figures.back(), figures.front()), what << ": figures on " << threads);
            }
            // a frozen layer, and what the rule remembers there, keep their bits
            for (std::size_t l = 0; l < plan.layers.size(); ++l) {
                if (!t.options.frozen(l)) continue;
                const Layer& layer = plan.layers[l];
                for (Index p = layer.weights_at; p < layer.bias_at + (layer.bias ? layer.out : 0); ++p) {
                    bool same = check::same_bits(seen[0].theta[at(p)], data.theta[at(p)]);
                    for (const auto& vector : seen[0].state) same = same && vector[at(p)] == 0;
                    CHECK(same, what << ": parameter " << p << " of frozen layer " << l);
                }
            }
        }
}
TEST(any_number_of_threads_f32) {
    any_number_of_threads<float>();
}
TEST(any_number_of_threads_f64) {
    any_number_of_threads<double>();
}

// The gradient of a batch is what its step would follow: gradient descent with η = 1 moves θ by it.
template <class T>
void gradient_without_a_step() {
    for (const Net& net : check::nets())
        for (const Tested& t : tested(net.plan())) {
            if (t.name != "all" && t.name != "clip_norm" && t.name != "dropout") continue;
            const Plan plan = net.plan();
            const Data<T> data(net, rows_for(net));
            StepOptions options = t.options;
            options.layer_rates.clear();
            options.weight_decay = 0;
            options.max_norm = StepOptions::none;
            const TestedRule sgd = check::training_rules()[0];
            Epochs<T> e = epochs_of<T>(net, data, sgd, t.l1);
            e.rates.assign(e.rates.size(), 1);
            for (const int threads : {1, 2, 3}) {
                Trainer<T> trainer(plan, rule_settings("sgd", {}), net.batch, threads, options);
                trainer.load(data.theta.data(), nullptr, 0);
                const Examples<T> one = e.examples(0, 1);
                std::vector<T> flat(data.theta.size()), after(data.theta.size());
                const auto found = trainer.gradient(one, flat.data());
                trainer.store(after.data());
                CHECK(check::same_bits(after, data.theta), net.name << ", " << t.name << ": θ has changed");
                Index done = 0;
                trainer.run(one, check::never_stop, done);
                trainer.store(after.data());
                for (std::size_t p = 0; p < after.size(); ++p) after[p] -= data.theta[p];
                for (T& g : flat) g = -g;
                CHECK(found.cost == e.costs[0], net.name << ", " << t.name << ": cost");
                CHECK(std::fabs(found.norm - e.norms[0]) <= 1e-6 * found.norm, net.name << ", " << t.name << ": norm");
                check::compare(after, naive::widened<naive::Exact<T>>(flat), net.name + ", " + t.name + ": gradient");
            }
        }
}
TEST(gradient_without_a_step_f32) {
    gradient_without_a_step<float>();
}
TEST(gradient_without_a_step_f64) {
    gradient_without_a_step<double>();
}

// A step that is not finite leaves the bits of those before, whether the gradient is looked at before θ changes or behind.
template <class T>
void failing_steps() {
    const Net net = check::nets()[1];
    const Plan plan = net.plan();
    const Data<T> data(net, rows_for(net));
    int turn = 0;
    for (const Tested& t : tested(plan))
        for (const TestedRule& rule : check::training_rules()) {
            if (turn++ % check::sized(3, 11) != 0) continue;
            for (const int threads : {1, 2, 4}) {
                const std::string what = t.name + ", " + rule.name + ' ' + check::name_of<T>();
                std::vector<Trained<T>> seen;
                for (const bool fails : {true, false}) {
                    Epochs<T> e = epochs_of<T>(net, data, rule, t.l1);
                    if (fails) e.factors[2] = std::numeric_limits<double>::infinity();
                    Trainer<T> trainer(plan, rule_settings(rule.name, rule.settings), net.batch, threads, t.options);
                    trainer.load(data.theta.data(), nullptr, 0);
                    Index done = 0;
                    const Ended ended = trainer.run(e.examples(0, fails ? 3 : 2), check::never_stop, done);
                    CHECK(done == 2 && ended == (fails ? Ended::gradient : Ended::all), what << ": " << done);
                    seen.emplace_back(trainer, plan.n_parameters);
                }
                CHECK(seen[0] == seen[1], what << " on " << threads << " threads");
            }
        }
}
TEST(failing_steps_f32) {
    failing_steps<float>();
}
TEST(failing_steps_f64) {
    failing_steps<double>();
}

// Halves the gradient, each thread a part of it.
template <class T>
struct Halving : Between<T> {
    std::vector<int> calls;
    explicit Halving(int threads) : calls(at(threads)) {}
    void transform(int thread, Team& team, const Weights<T>& net, const Batch<T>&, Index, Index,
                   T* gradient) noexcept override {
        const auto threads = static_cast<Index>(calls.size());
        ++calls[at(thread)];
        team.barrier();  // which it may
        for (Index k = net.packing.parameters * thread / threads; k < net.packing.parameters * (thread + 1) / threads;
             ++k)
            gradient[k] *= T(0.5);
    }
};

template <class T>
void between_gradient_and_update() {
    for (const Net& net : check::nets()) {
        const Plan plan = net.plan();
        const Data<T> data(net, rows_for(net));
        const TestedRule sgd = check::training_rules()[0];
        std::vector<std::vector<T>> thetas;
        for (const int threads : {0, 1, 2, 3}) {  // 0: half the rate, and nobody between
            Epochs<T> e = epochs_of<T>(net, data, sgd, 0);
            if (threads == 0)
                for (double& rate : e.rates) rate /= 2;
            Halving<T> halving(std::max(1, threads));
            Trainer<T> trainer(plan, rule_settings("sgd", {}), net.batch, std::max(1, threads));
            trainer.load(data.theta.data(), nullptr, 0);
            if (threads > 0) trainer.set_between(&halving);
            Index done = 0;
            trainer.run(e.examples(0, e.steps()), check::never_stop, done);
            for (const int calls : halving.calls) CHECK(threads == 0 || calls == e.steps(), calls << " calls");
            trainer.store(thetas.emplace_back(data.theta.size()).data());
            CHECK(check::same_bits(thetas.back(), thetas.front()), net.name << " on " << threads << " threads");
        }
    }
}
TEST(between_gradient_and_update_f32) {
    between_gradient_and_update<float>();
}
TEST(between_gradient_and_update_f64) {
    between_gradient_and_update<double>();
}

TEST(options_are_checked) {
    const Plan plan = check::nets()[1].plan();  // of two layers
    const auto refused = [&](auto change, const char* text) {
        StepOptions options{};
        change(options);
        CHECK_THROWS(std::invalid_argument, Trainer<float>(plan, rule_settings("sgd", {}), 4, 1, options), text);
    };
    const double nan = std::nan("");
    refused([](StepOptions& o) { o.dropout = {0.5}; }, "dropout: expected 2 numbers or none, got 1");
    refused([](StepOptions& o) { o.layer_rates = {1, 1, 1}; }, "layer_rates: expected 2 numbers or none, got 3");
    refused([](StepOptions& o) { o.dropout = {0, 1}; }, "dropout: expected 0 to below 1, got 1.0");
    refused([&](StepOptions& o) { o.dropout = {nan, 0}; }, "dropout: expected 0 to below 1");
    refused([](StepOptions& o) { o.layer_rates = {-1, 1}; }, "layer_rates: expected a number of at least 0");
    refused([](StepOptions& o) { o.noise = -1; }, "noise: expected a number of at least 0");
    refused([](StepOptions& o) { o.smoothing = 1; }, "smoothing: expected 0 to below 1");
    refused([&](StepOptions& o) { o.weight_decay = nan; }, "weight_decay: expected a number of at least 0");
    refused([](StepOptions& o) { o.clip_example_norm = 0; }, "clip_example_norm: expected a number above 0");
    refused([&](StepOptions& o) { o.clip_norm = nan; }, "clip_norm: expected a number above 0");
    refused([](StepOptions& o) { o.max_norm = -1; }, "max_norm: expected a number above 0");
}

}  // namespace

TEST_MAIN_FOR_EACH_INSTRUCTION_SET
