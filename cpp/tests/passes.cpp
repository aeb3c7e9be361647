// The passes that users call, against the naive network; the same bits for any number of threads, and for single rows.
#include <algorithm>
#include <cmath>
#include <limits>

#include "chainrule/network.hpp"
#include "compare.hpp"
#include "naive.hpp"
#include "networks.hpp"

namespace {

using namespace chainrule;
using check::compare;
using check::Data;
using check::Net;
using check::rows_of;
using check::tolerance;
using naive::at;
using naive::Exact;

template <class T>
struct Arrays {
    std::vector<std::vector<T>> a, z, delta;
    std::vector<T> x, gradient, out, costs;

    Arrays(const Plan& plan, Index m)
        : x(at(m * plan.inputs())), gradient(at(plan.n_parameters)), out(at(m * plan.outputs())), costs(at(m)) {
        for (const Layer& layer : plan.layers)
            for (auto* list : {&a, &z, &delta}) list->emplace_back(at(m * layer.out));
    }
    template <class V>
    static std::vector<T*> pointers(std::vector<V>& arrays) {
        std::vector<T*> list;
        for (auto& array : arrays) list.push_back(array.data());
        return list;
    }
    static std::vector<const T*> constants(const std::vector<std::vector<T>>& arrays) {
        std::vector<const T*> list;
        for (auto& array : arrays) list.push_back(array.data());
        return list;
    }
};

template <class T>
void passes(const Net& spec, Index m, bool naively) {
    using R = Exact<T>;
    const Plan plan = spec.plan();
    const Network<T> net(plan);
    const Data<T> data(spec, m);
    const Rows X = rows_of(data.X, m, plan.inputs());
    const std::string what = spec.name + ", " + std::to_string(m) + " rows";

    Arrays<T> first(plan, m);
    double first_cost = 0, first_value = 0;
    std::vector<T> first_value_gradient;
    for (const int threads : {1, 2, 3}) {
        Arrays<T> run(plan, m);
        const auto a = run.pointers(run.a), z = run.pointers(run.z), delta = run.pointers(run.delta);
        CHECK(net.predict(data.theta.data(), X, run.out.data(), threads) == -1, what);
        net.forward(data.theta.data(), X, a.data(), z.data(), threads);
        std::vector<const T*> inputs = run.constants(run.a);
        inputs.insert(inputs.begin(), data.X.data());
        const auto constant_z = run.constants(run.z);
        const double cost =
            net.backward(data.theta.data(), m, inputs.data(), constant_z.data(), data.Y.data(), data.weights_of(spec),
                         delta.data(), run.x.data(), run.gradient.data(), threads);
        net.example_costs(m, run.a.back().data(), run.z.back().data(), data.Y.data(), run.costs.data());
        std::vector<T> gradient(at(plan.n_parameters));
        const double value = net.value_and_gradient(data.theta.data(), X, data.Y.data(), data.weights_of(spec),
                                                    gradient.data(), threads);
        CHECK(check::same_bits(run.out, run.a.back()), what << ": predict and forward");
        if (threads == 1) {
            first = run;
            first_cost = cost;
            first_value = value;
            first_value_gradient = gradient;
        }
        for (std::size_t l = 0; l < run.a.size(); ++l)
            CHECK(check::same_bits(run.a[l], first.a[l]) && check::same_bits(run.z[l], first.z[l]) &&
                      check::same_bits(run.delta[l], first.delta[l]),
                  what << ": layer " << l + 1 << " on " << threads << " threads");
        CHECK(check::same_bits(run.x, first.x) && check::same_bits(run.gradient, first.gradient) &&
                  check::same_bits(run.costs, first.costs) && check::same_bits(gradient, first_value_gradient) &&
                  check::same_bits(value, first_value) && check::same_bits(cost, first_cost),
              what << ": gradients on " << threads << " threads");
    }

    RowPredictor<T> rows(plan);
    std::vector<T> row(at(plan.outputs()));
    for (const Index n : {Index{0}, m / 2, m - 1}) {
        CHECK(rows.predict(data.theta.data(), X, n, row.data()), what << ": row " << n);
        CHECK(check::same_bits(row.data(), first.out.data() + n * plan.outputs(), row.size() * sizeof(T)),
              what << ": row " << n << " alone");
    }
    if (!naively) return;

    // z and a as the core has them go into the oracle's backward pass, so that a kink is on the same side for both
    const naive::Vector<R> theta = naive::widened<R>(data.theta), Y = naive::widened<R>(data.Y);
    naive::Passes<R> run = naive::forward(plan, theta, naive::widened<R>(data.X), m);
    for (std::size_t l = 0; l < first.a.size(); ++l) {
        compare(first.z[l], run.z[l], what + ": z of layer " + std::to_string(l + 1));
        compare(first.a[l], run.a[l + 1], what + ": a of layer " + std::to_string(l + 1));
        run.z[l] = naive::widened<R>(first.z[l]);
        run.a[l + 1] = naive::widened<R>(first.a[l]);
    }
    naive::backward(plan, theta, run, Y, spec.weighted ? naive::widened<R>(data.weights) : naive::Vector<R>{}, m);
    for (std::size_t l = 0; l < first.a.size(); ++l)
        compare(first.delta[l], run.delta[l], what + ": δ of layer " + std::to_string(l + 1));
    compare(first.x, run.x, what + ": ∂C_i/∂x");
    compare(first.gradient, run.gradient, what + ": ∇C");
    compare(first_value_gradient, run.gradient, what + ": value_and_gradient");
    compare(first.costs, run.costs, what + ": C_i");
    for (const double got : {first_cost, first_value})
        CHECK(std::fabs(got - static_cast<double>(run.cost)) <= tolerance<T> * std::fabs(static_cast<double>(run.cost)),
              what << ' ' << check::name_of<T>() << ": C = " << got << ", not " << run.cost);
}

template <class T>
void all_passes() {
    for (const Net& net : check::nets()) {
        for (const Index m : {1, 7, 20}) passes<T>(net, m, true);
    }
    // rows come in blocks of 256, and so do what threads are given
    for (const Index m : {255, 256, 257, 600, 1100}) {
        if (check::small() && m > 300) continue;
        for (const char* name : {"A", "no bias", "softmax within"})
            for (const Net& net : check::nets())
                if (net.name == name) passes<T>(net, m, m == 600);
    }
}
TEST(passes_f32) {
    all_passes<float>();
}
TEST(passes_f64) {
    all_passes<double>();
}

template <class T>
void not_finite() {
    const Net spec = check::nets()[0];
    const Plan plan = spec.plan();
    const Index m = 700;
    const Network<T> net(plan);
    RowPredictor<T> rows(plan);
    Data<T> data(spec, m);
    std::vector<T> out(at(m * plan.outputs())), row(at(plan.outputs()));
    for (const Index bad : {0, 5, 255, 256, 699}) {
        data.X[at(bad * plan.inputs() + bad % plan.inputs())] = std::numeric_limits<T>::quiet_NaN();
        data.X[at(699 * plan.inputs())] = -std::numeric_limits<T>::infinity();
        const Rows X = rows_of(data.X, m, plan.inputs());
        for (const int threads : {1, 2, 3})
            CHECK(net.predict(data.theta.data(), X, out.data(), threads) == bad,
                  "the first row that is not finite, " << bad);
        CHECK(!rows.predict(data.theta.data(), X, bad, row.data()), "row " << bad);
        CHECK(bad == 0 || rows.predict(data.theta.data(), X, bad - 1, row.data()), "row " << bad - 1);
        data.X[at(bad * plan.inputs() + bad % plan.inputs())] = T(0);
    }
}
TEST(not_finite_rows_f32) {
    not_finite<float>();
}
TEST(not_finite_rows_f64) {
    not_finite<double>();
}

}  // namespace

TEST_MAIN_FOR_EACH_INSTRUCTION_SET
