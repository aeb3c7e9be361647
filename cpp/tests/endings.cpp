// How an epoch ends before its last step: numbers that are not finite, a rate that is too large, no steps, being stopped.
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

// θ and state are those before the step that failed, whose cost and norm can be read.
template <class T>
void divergence_of(const Net& net) {
    const Plan plan = net.plan();
    const Data<T> data(net, 6 * net.batch);
    for (const TestedRule& rule : check::training_rules())
        for (const int threads : {1, 2, 3})
            for (const Index failing : {Index{0}, Index{1}, Index{5}}) {  // the last one too
                if (check::small() && (threads == 3 || failing == 1)) continue;
                const std::string what = net.name + ", " + std::string(rule.name) + ", step " +
                                         std::to_string(failing) + ", " + std::to_string(threads) + " threads";
                const RuleSettings settings = rule_settings(rule.name, rule.settings);
                Trainer<T> good(plan, settings, net.batch, 1), bad(plan, settings, net.batch, threads);
                good.load(data.theta.data(), nullptr, 0);
                Index done = -1;
                Epochs<T> unharmed(net, data, rule, 1, 0);
                good.run(unharmed.examples(0, failing), check::never_stop, done);
                const Trained<T> expected(good, plan.n_parameters);

                // a factor on the gradient that no cost shows
                Epochs<T> e(net, data, rule, 1, 0);
                e.factors[at(failing)] = sizeof(T) == 4 ? 1e30 : 1e200;
                bad.load(data.theta.data(), nullptr, 0);
                Ended ended = bad.run(e.examples(0, e.steps()), check::never_stop, done);
                CHECK(ended == Ended::gradient && done == failing, what << ": gradient, done " << done);
                CHECK(Trained<T>(bad, plan.n_parameters) == expected,
                      what << ": θ or state after a gradient that is too large");
                CHECK(std::isfinite(e.costs[at(failing)]),
                      what << ": the cost of the step whose gradient failed, " << e.costs[at(failing)]);
                CHECK(!(e.norms[at(failing)] < 1e18), what << ": the norm that failed, " << e.norms[at(failing)]);
                if (failing + 1 < e.steps()) CHECK(e.costs[at(failing + 1)] == -77, what << ": a step more was taken");
                // and it goes on from there, with the same bits as ever
                Epochs<T> on(net, data, rule, 1, 0);
                bad.run(on.examples(failing, on.steps()), check::never_stop, done);
                good.run(unharmed.examples(failing, on.steps()), check::never_stop, done);
                CHECK(Trained<T>(bad, plan.n_parameters) == Trained<T>(good, plan.n_parameters),
                      what << ": going on after divergence");

                // a number in the data that makes the cost NaN
                Data<T> spoilt = data;
                Epochs<T> c(net, spoilt, rule, 1, 0);
                spoilt.X[at(c.rows[at(c.bounds[at(failing)] + 3)] * plan.inputs())] =
                    std::numeric_limits<T>::quiet_NaN();
                bad.load(spoilt.theta.data(), nullptr, 0);
                ended = bad.run(c.examples(0, c.steps()), check::never_stop, done);
                CHECK(ended == Ended::cost && done == failing, what << ": cost, done " << done);
                CHECK(Trained<T>(bad, plan.n_parameters) == expected, what << ": θ or state after a cost that is NaN");
                CHECK(!std::isfinite(c.costs[at(failing)]), what << ": the cost that failed, " << c.costs[at(failing)]);
            }
}
template <class T>
void divergence() {
    divergence_of<T>(check::nets()[2]);
    for (const Net& net : check::nets())
        if (net.name == "one layer of many inputs" || net.name == "edges") divergence_of<T>(net);
}
TEST(divergence_f32) {
    divergence<float>();
}
TEST(divergence_f64) {
    divergence<double>();
}

// A learning rate that is far too large, as users meet divergence.
template <class T>
void too_fast() {
    for (const char* name : {"A", "B", "D"})
        for (const Net& net : check::nets()) {
            if (net.name != name) continue;
            const Plan plan = net.plan();
            const Data<T> data(net, 4 * net.batch);
            TestedRule rule = check::training_rules()[0];
            rule.rate = sizeof(T) == 4 ? 1e25 : 1e200;
            std::vector<Trained<T>> ends;
            std::vector<Index> steps;
            for (const int threads : {1, 2, 3}) {
                Epochs<T> e(net, data, rule, 2, 0);
                Trainer<T> trainer(plan, rule_settings(rule.name, rule.settings), net.batch, threads);
                trainer.load(data.theta.data(), nullptr, 0);
                Index done = -1;
                trainer.run(e.examples(0, e.steps()), check::never_stop, done);
                ends.emplace_back(trainer, plan.n_parameters);
                steps.push_back(done);
                CHECK(ends.back().steps == done, net.name << ": steps taken");
                bool finite = true;
                for (const T x : ends.back().theta) finite = finite && std::isfinite(x);
                CHECK(finite, net.name << ": θ that is left is finite");
                CHECK(ends[0] == ends.back() && steps[0] == done,
                      net.name << ": the same end on " << threads << " threads");
            }
        }
}
TEST(too_fast_f32) {
    too_fast<float>();
}
TEST(too_fast_f64) {
    too_fast<double>();
}

TEST(no_steps) {
    const Net net = check::nets()[0];
    const Plan plan = net.plan();
    const Data<float> data(net, net.batch);
    for (const int threads : {1, 2, 7}) {
        Trainer<float> trainer(plan, rule_settings("adam", std::vector<double>{0.9, 0.999, 1e-8, 0}), net.batch,
                               threads);
        trainer.load(data.theta.data(), nullptr, 5);
        Epochs<float> e(net, data, check::training_rules()[4], 1, 0);
        for (int turn = 0; turn < check::sized(50, 10); ++turn) {
            Index done = -1;
            CHECK(trainer.run(e.examples(0, 0), check::never_stop, done) == Ended::all && done == 0, "done " << done);
        }
        const Trained<float> left(trainer, plan.n_parameters);
        CHECK(check::same_bits(left.theta, data.theta) && left.steps == 5, "θ as it was");
    }
}

bool has_subnormals() {
    volatile double least = std::numeric_limits<double>::min();
    volatile double half = least / 2;
    return half > 0 && half + half == least;
}

// A network so small that an epoch of this many steps takes minutes on no machine, yet long: step after step on 16 examples.
template <class T>
struct Long {
    const Index steps = check::sized<Index>(5000000, 300000);
    const Net net = check::nets()[5];
    const Plan plan = net.plan();
    const Data<T> data{net, 16};
    const TestedRule rule = check::training_rules()[1];
    Epochs<T> epoch{net, data, rule, 1, 0};
    std::vector<Index> bounds, rows;
    std::vector<double> rates = std::vector<double>(at(steps), 1e-3), zeros = std::vector<double>(at(steps)),
                        factors = std::vector<double>(at(steps), 1), costs = zeros, norms = zeros, squares = zeros;

    Long() {
        for (Index j = 0; j <= steps; ++j) bounds.push_back(j);
        for (Index j = 0; j < steps; ++j) rows.push_back(j % 16);
    }
    Examples<T> first(Index count) {
        Examples<T> e = epoch.examples(0, 0);
        e.rows = rows.data();
        e.bounds = bounds.data();
        e.steps = count;
        e.rates = rates.data();
        e.penalties = e.l1 = zeros.data();
        e.factors = factors.data();
        e.costs = costs.data();
        e.norms = norms.data();
        e.squares = squares.data();
        return e;
    }
    Trainer<T> trainer(int threads) const {
        Trainer<T> made(plan, rule_settings(rule.name, rule.settings), net.batch, threads);
        made.load(data.theta.data(), nullptr, 0);
        return made;
    }
    // θ and state are those of so many steps.
    void expect(const Trainer<T>& stopped, Index done) {
        CHECK(Trained<T>(stopped, plan.n_parameters).steps == done, "steps taken, " << done);
        Trainer<T> again = trainer(1);
        Index all = -1;
        again.run(first(done), check::never_stop, all);
        CHECK(all == done && Trained<T>(again, plan.n_parameters) == Trained<T>(stopped, plan.n_parameters),
              "θ is that of the steps that were done, " << done);
    }
};

// Asked about ten times a second; then the steps that were taken are the ones that count.
template <class T>
void stopping() {
    Long<T> run;
    for (const int threads : {1, 2}) {
        Trainer<T> trainer = run.trainer(threads);
        int asked = 0;
        bool by_caller = true, subnormals = true;
        const auto caller = std::this_thread::get_id();
        const auto check_twice = [&] {
            by_caller = by_caller && std::this_thread::get_id() == caller;
            subnormals =
                subnormals && has_subnormals();  // check runs the user's code: it must find the machine as usual
            return ++asked == 2;
        };
        Index done = -1;
        const Ended ended = trainer.run(run.first(run.steps), check_twice, done);
        if (ended == Ended::all) {
            std::printf("    %td steps in less than 0.2 s: nothing to stop\n", std::ptrdiff_t(run.steps));
            continue;
        }
        CHECK(ended == Ended::stopped && asked == 2 && done > 0 && done < run.steps,
              "asked " << asked << " times, done " << done);
        CHECK(by_caller, "check is called on the thread that called run");
        CHECK(subnormals && has_subnormals(), "numbers that are too small to be normal, in check and after the run");
        run.expect(trainer, done);
    }
}

// A gradient that is not finite at the end of a long epoch: it is stopped while it is run again up to there.
template <class T>
void stopping_on_the_way_back() {
    Long<T> run;
    run.factors.back() = sizeof(T) == 4 ? 1e30 : 1e200;
    Trainer<T> trainer = run.trainer(1);
    Index done = -1;
    const auto once_failed = [&] { return run.norms.back() != 0; };
    const Ended ended = trainer.run(run.first(run.steps), once_failed, done);
    if (ended == Ended::gradient) {
        std::printf("    %td steps in less than 0.1 s: nothing to stop\n", std::ptrdiff_t(run.steps));
        return;
    }
    CHECK(ended == Ended::stopped && done > 0 && done < run.steps - 1, "done " << done);
    run.expect(trainer, done);
}
TEST(stopping_on_the_way_back_f32) {
    stopping_on_the_way_back<float>();
}
TEST(stopping_on_the_way_back_f64) {
    stopping_on_the_way_back<double>();
}
TEST(stopping_f32) {
    stopping<float>();
}
TEST(stopping_f64) {
    stopping<double>();
}

}  // namespace

TEST_MAIN_FOR_EACH_INSTRUCTION_SET
