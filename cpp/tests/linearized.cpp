// The network as a linear map, against the naive one: every result, on every network, and the same bits for any number of
// threads and wherever seeds and results lie.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "chainrule/linearized.hpp"
#include "chainrule/panels.hpp"
#include "compare.hpp"
#include "naive_linearized.hpp"
#include "networks.hpp"
#include "panels.hpp"

#if !CHAINRULE_TEST_SANITIZED
// What nobody has cleared or written is NaN here: all arrays of the core come through this, but those so large that they
// have pages of their own. A sanitizer has its own function in this place.
extern "C" __attribute__((visibility("default"))) void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    void* at = nullptr;
    if (posix_memalign(&at, alignment, bytes) != 0) return nullptr;
    return std::memset(at, 0xFF, bytes);
}
#endif

namespace {

using namespace chainrule;
using check::compare;
using check::Data;
using check::nan_of;
using check::Net;
using check::rows_of;
using naive::at;
using naive::Exact;
using naive::row_of;
using naive::Vector;

template <class T>
using Named = std::vector<std::pair<std::string, Vector<T>>>;

// What is pulled, pushed, bent and counted, at random. Cotangents are one behind the other, (S, m, n_L).
template <class T>
struct Given {
    Index S;
    Vector<T> seeds, v, d_delta, c;
    Given(const Plan& plan, Index m, Index cotangents) : S(cotangents) {
        check::Random random(7);
        seeds = random.vector<T>(S * m * plan.outputs());
        v = random.vector<T>(plan.n_parameters, -0.3, 0.3);
        d_delta = random.vector<T>(m * plan.outputs());
        c = random.vector<T>(m, 0, 2);
    }
};

template <class T>
Vector<T> unfilled(Index count) {
    return Vector<T>(at(count), nan_of<T>);
}

std::string numbered(const char* what, std::size_t l) {
    return what + std::to_string(l + 1);
}

// Everything that a Linearized gives; what no function fills is NaN.
template <class T>
Named<T> results(const Linearized<T>& net, const Given<T>& given, bool counted) {
    const Plan& plan = net.net.plan;
    const Index m = net.batch.rows, outputs = m * plan.outputs();
    const T* c = counted ? given.c.data() : nullptr;
    Named<T> all;
    const auto fill = [&](const std::string& name, Index count, auto f) {
        all.emplace_back(name, unfilled<T>(count));
        f(all.back().second.data());
    };
    const auto matrices = [&](const char* name, auto size_of, auto f) {
        std::vector<Vector<T>> list;
        std::vector<T*> pointers;
        for (const Layer& layer : plan.layers) list.push_back(unfilled<T>(size_of(layer) * size_of(layer)));
        for (Vector<T>& matrix : list) pointers.push_back(matrix.data());
        f(pointers.data());
        for (std::size_t l = 0; l < list.size(); ++l) all.emplace_back(numbered(name, l), list[l]);
    };
    Vector<T> z = unfilled<T>(outputs), a = z;
    net.outputs(z.data(), a.data());
    all.emplace_back("z", z);
    all.emplace_back("a", a);
    const auto inputs = [](const Layer& layer) { return layer.in + (layer.bias ? 1 : 0); };
    matrices("moment of the inputs of layer ", inputs, [&](T* const* out) { net.moments(c, out); });

    const Pushed<T> pushed(net, given.v.data());
    fill("R{z}", outputs, [&](T* out) { pushed.outputs(out); });
    const Pulled<T> pulled(net, {given.seeds.data(), given.S, plan.outputs(), outputs});
    const Index S = given.S, n_0 = plan.inputs();
    fill("∂/∂x", m * S * n_0, [&](T* out) { pulled.inputs({out, S, S * n_0, n_0}); });
    fill("gradient", plan.n_parameters, [&](T* out) { pulled.gradient(c, out); });
    fill("squares", plan.n_parameters, [&](T* out) { pulled.squares(c, out); });
    matrices(
        "moment of δ of layer ", [](const Layer& layer) { return layer.out; },
        [&](T* const* out) { pulled.moments(c, out); });
    const Bent<T> bent(net, pushed, given.seeds.data(), given.d_delta.data());
    fill("R{gradient}", plan.n_parameters, [&](T* out) { bent.gradient(c, out); });
    return all;
}

// The same by the naive network, and, last, the squared norms. z and a as the core has them go in, so that a kink is on
// the same side for both.
template <class T, class R = Exact<T>>
Named<R> expected(const Linearized<T>& net, const Data<T>& data, const Given<T>& given, bool counted) {
    const Plan& plan = net.net.plan;
    const Index m = net.batch.rows, outputs = plan.outputs();
    const auto wide = [](const Vector<T>& narrow) { return naive::widened<R>(narrow); };
    const Vector<R> theta = wide(data.theta), v = wide(given.v), c = counted ? wide(given.c) : Vector<R>{};
    naive::Passes<R> run = naive::forward(plan, theta, wide(data.X), m);
    Named<R> all{{"z", run.z.back()}, {"a", run.a.back()}};
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        Vector<T> rows(run.z[l].size());
        panels_into<T>(net.batch.z[l], 0, m, net.net.packing.grid, rows.data());
        run.z[l] = wide(rows);
        panels_into<T>(net.batch.a[l], 0, m, net.net.packing.grid, rows.data());
        run.a[l + 1] = wide(rows);
    }
    const auto share = [&](Index n) { return c.empty() ? R(1) : c[at(n)]; };
    const auto summed = [&](const Vector<R>& gradient, R factor, Vector<R>& sum) {
        for (std::size_t e = 0; e < sum.size(); ++e) sum[e] += factor * gradient[e];
    };
    for (std::size_t l = 0; l < plan.layers.size(); ++l)
        all.emplace_back(numbered("moment of the inputs of layer ", l),
                         naive::second_moment(run.a[l], plan.layers[l].in, c, m, plan.layers[l].bias));
    const naive::Tangent<R> along = naive::push(plan, theta, run, v, m);
    all.emplace_back("R{z}", along.z.back());

    std::vector<std::vector<Vector<R>>> deltas;
    Vector<R> dx(at(m * given.S * plan.inputs())), gradient(theta.size()), squares(theta.size()), norms(at(m));
    for (Index s = 0; s < given.S; ++s) {
        const Vector<R> seeds = row_of(wide(given.seeds), s, m * outputs);
        deltas.push_back(naive::propagate(plan, theta, run, seeds, m));
        const Vector<R> one = naive::in_inputs(plan, theta, deltas.back().front(), m);
        for (Index n = 0; n < m; ++n) {
            const Vector<R> row = row_of(one, n, plan.inputs());
            std::copy(row.begin(), row.end(), dx.begin() + (n * given.S + s) * plan.inputs());
            Vector<R> own = naive::example_gradient(plan, run.a, deltas.back(), n);
            summed(own, share(n), gradient);
            for (R& entry : own) norms[at(n)] += entry *= entry;
            summed(own, share(n), squares);
        }
    }
    all.emplace_back("∂/∂x", dx);
    all.emplace_back("gradient", gradient);
    all.emplace_back("squares", squares);
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const Index n = plan.layers[l].out;
        Vector<R> moment(at(n * n));
        for (const auto& delta : deltas) summed(naive::second_moment(delta[l], n, c, m, false), R(1), moment);
        all.emplace_back(numbered("moment of δ of layer ", l), moment);
    }
    const auto d_delta = naive::bend(plan, theta, run, v, along, deltas.front(), wide(given.d_delta), m);
    std::vector<Vector<R>> moving{{}};  // the input doesn't
    moving.insert(moving.end(), along.a.begin(), along.a.end());
    Vector<R> bent(theta.size());
    for (Index n = 0; n < m; ++n) {
        summed(naive::example_gradient(plan, run.a, d_delta, n), share(n), bent);
        summed(naive::example_gradient(plan, moving, deltas.front(), n, false), share(n), bent);
    }
    all.emplace_back("R{gradient}", bent);
    all.emplace_back("squared norms", norms);
    return all;
}

template <class T>
Vector<double> squared_norms(const Linearized<T>& net, const Given<T>& given) {
    const Index outputs = net.net.plan.outputs();
    Vector<double> norms = unfilled<double>(net.batch.rows);
    Pulled<T>(net, {given.seeds.data(), given.S, outputs, net.batch.rows * outputs}).squared_norms(norms.data());
    return norms;
}

template <class T>
void linearized(const Net& spec, Index m, Index S, bool counted, bool naively) {
    const Plan plan = spec.plan();
    const Data<T> data(spec, m);
    const Given<T> given(plan, m, S);
    const Rows X = rows_of(data.X, m, plan.inputs());
    const std::string what = spec.name + ", " + std::to_string(m) + " rows, " + std::to_string(S) + " cotangents" +
                             (counted ? ", counted: " : ": ");
    const Linearized<T> net(plan, data.theta.data(), X, 1);
    CHECK(net.finite, what << "finite rows");
    const Named<T> first = results(net, given, counted);
    const Vector<double> norms = squared_norms(net, given);
    for (const int threads : {2, 3, 4, 7}) {
        const Linearized<T> other(plan, data.theta.data(), X, threads);
        const Named<T> again = results(other, given, counted);
        for (std::size_t k = 0; k < first.size(); ++k)
            CHECK(check::same_bits(again[k].second, first[k].second),
                  what << first[k].first << " on " << threads << " threads");
        CHECK(check::same_bits(squared_norms(other, given), norms), what << "norms on " << threads << " threads");
    }
    if (!naively) return;
    const auto exact = expected(net, data, given, counted);
    for (std::size_t k = 0; k < first.size(); ++k) {
        CHECK(first[k].first == exact[k].first, first[k].first << " and " << exact[k].first);
        compare(first[k].second, exact[k].second, what + first[k].first);
    }
    Vector<T> rounded;
    for (const double norm : norms) rounded.push_back(static_cast<T>(norm));
    compare(rounded, exact.back().second, what + exact.back().first);
}

template <class T>
void all_networks() {
    for (const Net& net : check::nets())
        for (const Index m : {1, 7, 20})
            for (const Index S : {1, 3}) {
                if (check::small() && (m == 20 || (S == 3) == (m == 7))) continue;
                linearized<T>(net, m, S, m != 7, true);
                if (!check::small()) linearized<T>(net, m, S, m == 7, true);
            }
    // rows come in blocks, and so do what threads are given
    for (const Index m : {255, 256, 257, 600}) {
        if (check::small() && m != 257) continue;
        for (const Net& net : check::nets())
            if (net.name == "A" || net.name == "no bias" || net.name == "softmax within")
                linearized<T>(net, m, m == 256 ? 3 : 1, m != 255, m == 257 || m == 600);
    }
}
TEST(every_result_f32) {
    all_networks<float>();
}
TEST(every_result_f64) {
    all_networks<double>();
}

// Layers of several units of work, on and off the diagonal of a moment, and outputs that take none of a second panel.
template <class T>
void wide_layers() {
    const Net wide{"wide",
                   {203, 150, 97, 50},
                   {{"tanh", 0, true}, {"gelu", 0, false}, {"identity", 0, true}},
                   "squared_error",
                   0,
                   true,
                   false,
                   16};
    linearized<T>(wide, 13, 2, true, true);
    if (!check::small()) linearized<T>(wide, 70, 1, false, true);
}
TEST(wide_layers_f32) {
    wide_layers<float>();
}
TEST(wide_layers_f64) {
    wide_layers<double>();
}

// Where seeds lie, and where ∂/∂x goes: other distances, backwards, and nothing between is read or written.
template <class T>
void strides() {
    for (const Net& spec : check::nets()) {
        if (spec.name != "A" && spec.name != "one layer" && spec.name != "edges") continue;
        const Plan plan = spec.plan();
        const Index m = 53, S = 3, outputs = plan.outputs(), inputs = plan.inputs();
        const Data<T> data(spec, m);
        const Given<T> given(plan, m, S);
        const Linearized<T> net(plan, data.theta.data(), rows_of(data.X, m, inputs), 2);
        Vector<T> plain = unfilled<T>(m * S * inputs), gradient = unfilled<T>(plan.n_parameters);
        const Pulled<T> pulled(net, {given.seeds.data(), S, outputs, m * outputs});
        pulled.inputs({plain.data(), S, S * inputs, inputs});
        pulled.gradient(nullptr, gradient.data());
        struct Steps {
            Index row, cotangent;
        };
        for (const auto& [in, out] :
             {std::pair(Steps{S * outputs, outputs}, Steps{inputs, m * inputs}),
              std::pair(Steps{outputs + 3, m * (outputs + 3) + 5}, Steps{S * (inputs + 2), inputs + 2}),
              std::pair(Steps{-outputs - 1, -m * (outputs + 1)}, Steps{-S * inputs, -inputs})}) {
            const auto start = [&](Steps steps) {  // so that what lies first in memory is at 0
                return steps.row < 0 ? -(m - 1) * steps.row - (S - 1) * steps.cotangent : 0;
            };
            const auto room = [&](Steps steps, Index size) {
                return (m - 1) * std::abs(steps.row) + (S - 1) * std::abs(steps.cotangent) + size;
            };
            Vector<T> seeds = unfilled<T>(room(in, outputs)), dx(at(room(out, inputs)), T(-77));
            for (Index s = 0; s < S; ++s)
                for (Index n = 0; n < m; ++n)
                    std::copy_n(given.seeds.begin() + (s * m + n) * outputs, outputs,
                                seeds.begin() + start(in) + n * in.row + s * in.cotangent);
            const Pulled<T> moved(net, {seeds.data() + start(in), S, in.row, in.cotangent});
            Vector<T> same = unfilled<T>(plan.n_parameters);
            moved.gradient(nullptr, same.data());
            moved.inputs({dx.data() + start(out), S, out.row, out.cotangent});
            CHECK(check::same_bits(same, gradient), spec.name << ": seeds " << in.row << " apart");
            bool right = true;
            for (Index s = 0; s < S; ++s)
                for (Index n = 0; n < m; ++n) {
                    T* got = dx.data() + start(out) + n * out.row + s * out.cotangent;
                    right = right && check::same_bits(got, plain.data() + (n * S + s) * inputs, at(inputs) * sizeof(T));
                    std::fill_n(got, inputs, T(-77));
                }
            CHECK(right, spec.name << ": ∂/∂x into rows " << out.row << " apart");
            CHECK(std::all_of(dx.begin(), dx.end(), [](T x) { return x == T(-77); }), spec.name << ": between rows");
        }
    }
}
TEST(strides_f32) {
    strides<float>();
}
TEST(strides_f64) {
    strides<double>();
}

// A moment's entry and its mirror image are the same number, and what c leaves out is not there.
template <class T>
void moments_are_symmetric() {
    const Net spec = check::nets()[3];
    const Plan plan = spec.plan();
    const Index m = 19, S = 2;
    const Data<T> data(spec, m);
    Given<T> given(plan, m, S);
    std::fill(given.c.begin() + 5, given.c.end(), T(0));
    const Linearized<T> net(plan, data.theta.data(), rows_of(data.X, m, plan.inputs()), 3);
    for (const bool counted : {false, true})
        for (const auto& [name, array] : results(net, given, counted)) {
            if (name.find("moment") != 0) continue;
            const auto n = static_cast<Index>(std::lround(std::sqrt(static_cast<double>(array.size()))));
            bool symmetric = true;
            for (Index i = 0; i < n; ++i)
                for (Index j = 0; j < i; ++j)
                    symmetric = symmetric && check::same_bits(array[at(i * n + j)], array[at(j * n + i)]);
            CHECK(symmetric, name);
        }
    const Linearized<T> few(plan, data.theta.data(), rows_of(data.X, 5, plan.inputs()), 3);
    Given<T> of_few(given);
    of_few.seeds.clear();
    for (Index s = 0; s < S; ++s) {
        const auto from = given.seeds.begin() + s * m * plan.outputs();
        of_few.seeds.insert(of_few.seeds.end(), from, from + 5 * plan.outputs());
    }
    const Named<T> all = results(net, given, true), those = results(few, of_few, true);
    for (std::size_t k = 0; k < all.size(); ++k)
        if (all[k].second.size() == those[k].second.size() && all[k].first.find("R{") != 0)
            compare(all[k].second, naive::widened<Exact<T>>(those[k].second), "rows that don't count: " + all[k].first);
}
TEST(moments_f32) {
    moments_are_symmetric<float>();
}
TEST(moments_f64) {
    moments_are_symmetric<double>();
}

template <class T>
void not_finite() {
    const Net spec = check::nets()[0];
    const Plan plan = spec.plan();
    const Index m = 70;
    Data<T> data(spec, m);
    for (const T bad : {nan_of<T>, std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity()})
        for (const Index where : {Index{0}, m * plan.inputs() / 2, m * plan.inputs() - 1}) {
            const T was = std::exchange(data.X[at(where)], bad);
            for (const int threads : {1, 3})
                CHECK(!Linearized<T>(plan, data.theta.data(), rows_of(data.X, m, plan.inputs()), threads).finite,
                      bad << " at " << where);
            data.X[at(where)] = was;
        }
}
TEST(not_finite_f32) {
    not_finite<float>();
}
TEST(not_finite_f64) {
    not_finite<double>();
}

// Numbers of cotangents that no memory holds are counted before any of it is asked for.
TEST(too_many_cotangents) {
    const Net spec = check::nets()[0];
    const Plan plan = spec.plan();
    const Data<double> data(spec, 4);
    const Linearized<double> net(plan, data.theta.data(), rows_of(data.X, 4, plan.inputs()), 1);
    const Vector<double> seed(at(plan.outputs()));
    for (const Index S : {Index{1} << 40, Index{1} << 62, std::numeric_limits<Index>::max()})
        CHECK_THROWS(TooLarge, Pulled<double>(net, {seed.data(), S, 0, 0}),
                     std::to_string(S) + " cotangents of 4 rows: expected arrays that fit in memory");
}

}  // namespace

TEST_MAIN_FOR_EACH_INSTRUCTION_SET
