// Whole epochs: the naive network and rules step by step; the same bits for any number of threads and any way to cut a run.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <thread>

#include "training.hpp"

namespace {

using namespace chainrule;
using check::Data;
using check::Epochs;
using check::Net;
using check::TestedRule;
using check::Trained;
using naive::at;

template <class T>
using Made = std::pair<Trained<T>, std::vector<double>>;  // and costs, norms, squares

template <class T>
Made<T> train(const Net& net, const Plan& plan, const Data<T>& data, const TestedRule& rule, int threads, int epochs,
              double penalty, const std::string& what) {
    Epochs<T> e(net, data, rule, epochs, penalty);
    Trainer<T> trainer(plan, rule_settings(rule.name, rule.settings), net.batch, threads);
    trainer.load(data.theta.data(), nullptr, 0);
    Index done = -1;
    const Ended ended = trainer.run(e.examples(0, e.steps()), check::never_stop, done);
    CHECK(ended == Ended::all && done == e.steps(), what << ": ended at step " << done << " of " << e.steps());
    std::vector<double> seen = e.costs;
    seen.insert(seen.end(), e.norms.begin(), e.norms.end());
    seen.insert(seen.end(), e.squares.begin(), e.squares.end());
    return {Trained<T>(trainer, plan.n_parameters), seen};
}

// Rows that are no multiple of the batch, so that the last one is smaller.
Index rows_for(const Net& net) {
    return 3 * net.batch + (net.batch + 1) / 2;
}

template <class T>
void any_number_of_threads() {
    const std::vector<Net> nets = check::nets();
    const std::vector<TestedRule> rules = check::training_rules();
    for (std::size_t k = 0; k < nets.size(); ++k)
        for (std::size_t r = 0; r < rules.size(); ++r) {
            if ((k + r) % check::sized<std::size_t>(1, 4) != 0) continue;
            const Net& net = nets[k];
            const TestedRule& rule = rules[r];
            const Plan plan = net.plan();
            const Data<T> data(net, rows_for(net));
            const double penalty = (k + r) % 2 == 0 ? 1e-3 : 0;
            const std::string what = net.name + ", " + rule.name + ' ' + check::name_of<T>();
            const Made<T> one = train<T>(net, plan, data, rule, 1, 3, penalty, what);
            CHECK(!check::same_bits(one.first.theta, data.theta), what << ": nothing has been learnt");
            for (const int threads : {1, 2, 3, 4, 7}) {
                const Made<T> other = train<T>(net, plan, data, rule, threads, 3, penalty, what);
                CHECK(other.first == one.first, what << ": θ or state on " << threads << " threads");
                CHECK(check::same_bits(other.second, one.second),
                      what << ": costs or norms on " << threads << " threads");
            }
        }
}
TEST(any_number_of_threads_f32) {
    any_number_of_threads<float>();
}
TEST(any_number_of_threads_f64) {
    any_number_of_threads<double>();
}

// Layers whose 𝒲 is cut into many blocks, and batches larger than a block of rows.
template <class T>
void wide_layers() {
    const std::vector<Net> wide{{"wide",
                                 {300, 260, 130, 70},
                                 {{"relu", 0, true}, {"tanh", 0, true}, {"softmax", 0, true}},
                                 "cross_entropy",
                                 0,
                                 true,
                                 false,
                                 250},
                                {"narrow top",
                                 {700, 40, 1},
                                 {{"logistic", 0, true}, {"identity", 0, true}},
                                 "half_squared_error",
                                 0,
                                 true,
                                 true,
                                 64}};
    const TestedRule rule = check::training_rules()[4];
    for (const Net& net : wide) {
        const Plan plan = net.plan();
        const Data<T> data(net, 2 * net.batch + 3);
        const Made<T> one = train<T>(net, plan, data, rule, 1, 1, 0, net.name);
        for (const int threads : {2, 3, 4, 7})
            CHECK(train<T>(net, plan, data, rule, threads, 1, 0, net.name) == one,
                  net.name << " on " << threads << " threads");
    }
}
TEST(wide_layers_f32) {
    wide_layers<float>();
}
TEST(wide_layers_f64) {
    wide_layers<double>();
}

// The naive network and the naive rule in R, from the same θ.
template <class T>
void against_the_naive_steps() {
    using R = naive::Exact<T>;
    const double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
    int turn = 0;
    for (const Net& net : check::nets())
        for (const TestedRule& rule : check::training_rules()) {
            const Plan plan = net.plan();
            const Data<T> data(net, rows_for(net));
            for (const double penalty : {0.0, 0.01}) {
                if (turn++ % check::sized(1, 5) != 0) continue;
                const std::string what =
                    net.name + ", " + rule.name + ", λ = " + std::to_string(penalty) + ' ' + check::name_of<T>();
                Epochs<T> e(net, data, rule, 1, penalty);
                e.factors[1] = 0.5;
                Trainer<T> trainer(plan, rule_settings(rule.name, rule.settings), net.batch, 2);
                trainer.load(data.theta.data(), nullptr, 0);
                Index done = 0;
                trainer.run(e.examples(0, e.steps()), check::never_stop, done);
                const Trained<T> trained(trainer, plan.n_parameters);

                naive::Vector<R> theta = naive::widened<R>(data.theta), first(theta.size()), second(theta.size());
                double largest_change = 0;
                for (Index step = 0; step < e.steps(); ++step) {
                    naive::Vector<R> X, Y, weights;
                    const Index n = e.bounds[at(step + 1)] - e.bounds[at(step)];
                    for (Index k = 0; k < n; ++k) {
                        const Index row = e.rows[at(e.bounds[at(step)] + k)];
                        for (Index i = 0; i < plan.inputs(); ++i)
                            X.push_back(static_cast<R>(data.X[at(row * plan.inputs() + i)]));
                        for (Index o = 0; o < plan.outputs(); ++o)
                            Y.push_back(static_cast<R>(data.Y[at(row * plan.outputs() + o)]));
                        if (net.weighted) weights.push_back(static_cast<R>(data.weights[at(row)]));
                    }
                    naive::Passes<R> run = naive::forward(plan, theta, X, n);
                    naive::backward(plan, theta, run, Y, weights, n);
                    R squares = 0, gradient_squares = 0;
                    for (const Layer& layer : plan.layers)
                        for (Index p = layer.weights_at; p < layer.bias_at + (layer.bias ? layer.out : 0); ++p) {
                            const bool weight = p < layer.bias_at;
                            R& g = run.gradient[at(p)];
                            g *= static_cast<R>(e.factors[at(step)]);
                            const R penalized = g + (weight ? static_cast<R>(penalty) * theta[at(p)] : R(0));
                            gradient_squares += penalized * penalized;
                            squares += weight ? theta[at(p)] * theta[at(p)] : R(0);
                            const R before = theta[at(p)];
                            naive::update<R>(rule.rule, rule.numbers, step + 1, e.rates[at(step)], penalty, weight,
                                             theta[at(p)], g, first[at(p)], second[at(p)]);
                            largest_change =
                                std::max(largest_change, static_cast<double>(std::fabs(theta[at(p)] - before)));
                        }
                    // costs and norms of a step: as exact as θ is there, which has been through `step` steps
                    const double bound = 2000 * epsilon * static_cast<double>(step + 1);
                    const auto close = [&](double got, R expected, const char* name) {
                        const double exact = static_cast<double>(expected);
                        CHECK(std::fabs(got - exact) <= bound * (std::fabs(exact) + 0.01),
                              what << ": " << name << " of step " << step << " is " << got << ", not " << exact);
                    };
                    close(e.costs[at(step)], run.cost, "cost");
                    close(e.norms[at(step)], std::sqrt(gradient_squares), "norm");
                    close(e.squares[at(step)], squares, "Σ𝒲²");
                }
                // A step moves θ by η times a gradient of some hundred roundings; where a rule divides by √v, a gradient that
                // is small beside its summands has few digits: then its share of the step counts, hence ε·10⁴ of the steps
                double worst = 0;
                for (std::size_t p = 0; p < theta.size(); ++p)
                    worst =
                        std::max(worst, std::fabs(static_cast<double>(static_cast<R>(trained.theta[p]) - theta[p])));
                const double bound = 4 * epsilon + 1e4 * epsilon * largest_change * static_cast<double>(e.steps());
                CHECK(worst <= bound, what << ": θ is off by " << worst << ", more than " << bound);
            }
        }
}
TEST(against_the_naive_steps_f32) {
    against_the_naive_steps<float>();
}
TEST(against_the_naive_steps_f64) {
    against_the_naive_steps<double>();
}

template <class T>
void steps_one_by_one() {
    for (const Net& net : check::nets())
        for (const TestedRule& rule : check::training_rules()) {
            if (check::small() && rule.rule != Rule::adamw) continue;
            const Plan plan = net.plan();
            const Data<T> data(net, rows_for(net));
            const RuleSettings settings = rule_settings(rule.name, rule.settings);
            const std::string what = net.name + ", " + rule.name + ' ' + check::name_of<T>();
            const Made<T> whole = train<T>(net, plan, data, rule, 2, 1, 1e-3, what);
            Epochs<T> e(net, data, rule, 1, 1e-3);
            Trainer<T> same(plan, settings, net.batch, 2);
            same.load(data.theta.data(), nullptr, 0);
            Trained<T> left(same, plan.n_parameters);  // what one trainer leaves is what the next begins with
            for (Index step = 0; step < e.steps(); ++step) {
                Index done = 0;
                Trainer<T> next(plan, settings, net.batch, 1 + static_cast<int>(step) % 3);
                left.load_into(next);
                CHECK(next.run(e.examples(step, step + 1), check::never_stop, done) == Ended::all && done == 1, what);
                left = Trained<T>(next, plan.n_parameters);
                same.run(e.examples(step, step + 1), check::never_stop, done);
            }
            CHECK(Trained<T>(same, plan.n_parameters) == whole.first, what << ": one trainer, step by step");
            CHECK(left == whole.first, what << ": a trainer for each step");
        }
}
TEST(steps_one_by_one_f32) {
    steps_one_by_one<float>();
}
TEST(steps_one_by_one_f64) {
    steps_one_by_one<double>();
}

// Every kind of input goes through gather: here bytes and classes, as images come.
template <class T>
void bytes_and_classes() {
    const Net net = check::nets()[1];
    const Plan plan = net.plan();
    Data<T> data(net, rows_for(net));
    std::vector<std::uint8_t> bytes;
    std::vector<std::int64_t> labels;
    for (T& x : data.X) {
        bytes.push_back(static_cast<std::uint8_t>(std::fabs(static_cast<double>(x)) * 100));
        x = static_cast<T>(bytes.back());
    }
    for (Index n = 0; n < data.m; ++n)
        for (Index j = 0; j < plan.outputs(); ++j)
            if (data.Y[at(n * plan.outputs() + j)] == 1) labels.push_back(j);
    const TestedRule rule = check::training_rules()[4];
    const Made<T> dense = train<T>(net, plan, data, rule, 1, 2, 0, "dense");
    for (const int threads : {1, 3}) {
        Epochs<T> e(net, data, rule, 2, 0);
        Examples<T> examples = e.examples(0, e.steps());
        examples.X =
            Rows{reinterpret_cast<const std::byte*>(bytes.data()), Dtype::u8, data.m, plan.inputs(), plan.inputs(), 1};
        examples.Y = Rows{reinterpret_cast<const std::byte*>(labels.data()), Dtype::i64, data.m, plan.outputs(), 8, 0};
        examples.Y.classes = true;
        Trainer<T> trainer(plan, rule_settings(rule.name, rule.settings), net.batch, threads);
        trainer.load(data.theta.data(), nullptr, 0);
        Index done = 0;
        trainer.run(examples, check::never_stop, done);
        CHECK(Trained<T>(trainer, plan.n_parameters) == dense.first, "uint8 and classes on " << threads << " threads");
    }
}
TEST(bytes_and_classes_f32) {
    bytes_and_classes<float>();
}
TEST(bytes_and_classes_f64) {
    bytes_and_classes<double>();
}

// Two threads of a program train two networks at once, each on a team of its own.
TEST(two_at_once) {
    const Net net = check::nets()[1];
    const Plan plan = net.plan();
    const Data<float> data(net, rows_for(net));
    const TestedRule rule = check::training_rules()[4];
    const auto alone = train<float>(net, plan, data, rule, 2, 3, 0, "alone");
    std::vector<std::thread> callers;
    std::vector<std::vector<float>> thetas(3, std::vector<float>(at(plan.n_parameters)));
    for (std::size_t caller = 0; caller < 3; ++caller)
        callers.emplace_back([&, caller] {
            for (int turn = 0; turn < check::sized(10, 2); ++turn) {
                Epochs<float> e(net, data, rule, 3, 0);
                Trainer<float> trainer(plan, rule_settings(rule.name, rule.settings), net.batch, 2);
                trainer.load(data.theta.data(), nullptr, 0);
                Index done = 0;
                trainer.run(e.examples(0, e.steps()), check::never_stop, done);
                trainer.store(thetas[caller].data());
            }
        });
    for (std::thread& caller : callers) caller.join();
    for (const auto& theta : thetas) CHECK(check::same_bits(theta, alone.first.theta), "another's training changed θ");
}

}  // namespace

TEST_MAIN_FOR_EACH_INSTRUCTION_SET
