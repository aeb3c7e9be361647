// The output layer: C_i and δ^L of every cost with every output activation that fits, matched pairs, and what else works on
// rows of δ.
#include <algorithm>
#include <cmath>
#include <limits>

#include "naive.hpp"
#include "panels.hpp"

namespace {

using namespace chainrule;
using check::Exactly;
using check::Matrix;
using check::Random;
using naive::at;
using naive::Exact;

enum class Targets { any, fractions, classes, zero_or_one, counts };

struct Output {
    const char* name;
    Activation activation;
    double parameter;
    Cost cost;
    double cost_parameter;
    Matched matched;
    Targets targets;
    // Roundings, in ulps of the sizes of the summands, of C_ij and of δ_j: those of g' (activations.cpp) and a few more.
    double cost_ulps, delta_ulps;
};

constexpr Output outputs[] = {
    {"identity, squared_error", Activation::identity, 0, Cost::squared_error, 0, Matched::none, Targets::any, 3, 1},
    {"logistic, squared_error", Activation::logistic, 0, Cost::squared_error, 0, Matched::none, Targets::zero_or_one, 3,
     8},
    {"relu, squared_error", Activation::relu, 0, Cost::squared_error, 0, Matched::none, Targets::any, 3, 1},
    {"softmax, squared_error", Activation::softmax, 0, Cost::squared_error, 0, Matched::none, Targets::classes, 3, 8},
    {"tanh, half_squared_error", Activation::tanh, 0, Cost::half_squared_error, 0, Matched::none, Targets::any, 3, 8},
    {"leaky_relu, half_squared_error", Activation::leaky_relu, 0.3, Cost::half_squared_error, 0, Matched::none,
     Targets::any, 3, 3},
    {"softsign, half_squared_error", Activation::softsign, 0, Cost::half_squared_error, 0, Matched::none, Targets::any,
     3, 8},
    {"logistic, binary_cross_entropy, unmatched", Activation::logistic, 0, Cost::binary_cross_entropy, 0, Matched::none,
     Targets::fractions, 4, 9},
    {"logistic, cross_entropy", Activation::logistic, 0, Cost::cross_entropy, 0, Matched::none, Targets::zero_or_one, 3,
     8},
    {"softmax, cross_entropy, unmatched", Activation::softmax, 0, Cost::cross_entropy, 0, Matched::none,
     Targets::fractions, 3, 8},
    {"softplus, poisson", Activation::softplus, 0, Cost::poisson, 0, Matched::none, Targets::counts, 3, 8},
    {"exp, poisson, unmatched", Activation::exp, 0, Cost::poisson, 0, Matched::none, Targets::counts, 3, 8},
    {"identity, huber(0.7)", Activation::identity, 0, Cost::huber, 0.7, Matched::none, Targets::any, 4, 1},
    {"elu, huber(1)", Activation::elu, 1, Cost::huber, 1, Matched::none, Targets::any, 4, 8},
    {"gelu, absolute_error", Activation::gelu, 0, Cost::absolute_error, 0, Matched::none, Targets::any, 2,
     26},  // 8 + z²/2
    {"selu, absolute_error", Activation::selu, 0, Cost::absolute_error, 0, Matched::none, Targets::any, 2, 8},
    {"identity, quantile(0.9)", Activation::identity, 0, Cost::quantile, 0.9, Matched::none, Targets::any, 4, 2},
    {"silu, quantile(0.2)", Activation::silu, 0, Cost::quantile, 0.2, Matched::none, Targets::any, 4, 8},
    {"identity, log_cosh", Activation::identity, 0, Cost::log_cosh, 0, Matched::none, Targets::any, 6, 5},
    {"mish, log_cosh", Activation::mish, 0, Cost::log_cosh, 0, Matched::none, Targets::any, 6, 12},
    {"logistic, binary_cross_entropy", Activation::logistic, 0, Cost::binary_cross_entropy, 0,
     Matched::logistic_binary_cross_entropy, Targets::fractions, 6, 1},
    {"softmax, cross_entropy", Activation::softmax, 0, Cost::cross_entropy, 0, Matched::softmax_cross_entropy,
     Targets::classes, 6, 2},
    {"softmax, cross_entropy of fractions", Activation::softmax, 0, Cost::cross_entropy, 0,
     Matched::softmax_cross_entropy, Targets::fractions, 6, 2},
    {"exp, poisson", Activation::exp, 0, Cost::poisson, 0, Matched::exp_poisson, Targets::counts, 6, 1},
};

double target(Random& random, Targets kind) {
    switch (kind) {
        case Targets::any: return random.between(-2, 2);
        case Targets::fractions:
            return random.whole(0, 3) == 0 ? static_cast<double>(random.whole(0, 1)) : random.unit();
        case Targets::zero_or_one: return static_cast<double>(random.whole(0, 1));
        case Targets::counts: return static_cast<double>(random.whole(0, 5));
        case Targets::classes: return 0;
    }
    return 0;
}

template <class R>
struct Judged {
    naive::Vector<R> delta, scale;  // scale: what each δ_j was added up from
    R cost = 0, cost_scale = 0;
};

// The oracle's C_i and δ of a row, from the very z, a and y that the kernel has.
template <class R>
Judged<R> judged(const Output& o, const naive::Vector<R>& z, const naive::Vector<R>& a, const naive::Vector<R>& y,
                 R p) {
    Judged<R> row;
    R targets = 0;
    for (const R v : y) targets += v;
    if (o.matched != Matched::none) {
        const naive::Costed<R> c = naive::matched_cost(o.matched, z, y);
        row.cost = c.c;
        row.cost_scale = c.c_terms;
        for (std::size_t j = 0; j < a.size(); ++j) {
            const R share = o.matched == Matched::softmax_cross_entropy ? targets : R(1);
            row.delta.push_back(a[j] * share - y[j]);
            row.scale.push_back(std::fabs(a[j] * share) + std::fabs(y[j]));
        }
        return row;
    }
    naive::Vector<R> da, da_scale;
    for (std::size_t j = 0; j < a.size(); ++j) {
        const naive::Costed<R> c = naive::cost(o.cost, p, a[j], y[j]);
        row.cost += c.c;
        row.cost_scale += c.c_terms;
        da.push_back(c.d);
        da_scale.push_back(c.d_terms);
    }
    if (o.activation == Activation::softmax) {
        row.delta = naive::softmax_product(a, da);
        R inner = 0;
        for (std::size_t j = 0; j < a.size(); ++j) inner += std::fabs(a[j] * da[j]);
        for (std::size_t j = 0; j < a.size(); ++j) row.scale.push_back(a[j] * (std::fabs(da[j]) + inner));
    } else {
        for (std::size_t j = 0; j < a.size(); ++j) {
            const naive::Activated<R> g = naive::activated(o.activation, static_cast<R>(o.parameter), z[j]);
            row.delta.push_back(da[j] * g.d);
            row.scale.push_back(da_scale[j] * g.terms);
        }
    }
    return row;
}

template <class T>
void output_layers(const Kernels<T>& k) {
    using R = Exact<T>;
    constexpr R epsilon = std::numeric_limits<T>::epsilon(), tiny = std::numeric_limits<T>::min();
    Random random(1);
    for (const Output& given : outputs) {
        Output o = given;
        o.parameter = static_cast<double>(static_cast<T>(o.parameter));
        const R p = static_cast<R>(static_cast<T>(o.cost_parameter));
        double worst_cost = 0, worst_delta = 0;
        for (Index columns = o.activation == Activation::softmax ? 2 : 1; columns <= 40; ++columns) {
            const Index capacity = 16, n0 = random.whole(0, 4), n1 = n0 + random.whole(1, 10);
            const Matrix<T> z(k.grid, capacity, columns), y(k.grid, capacity, columns), a(k.grid, capacity, columns);
            z.randomize(random, -6, 6);
            for (Index n = 0; n < capacity; ++n) {
                for (Index j = 0; j < columns; ++j) y(n, j) = static_cast<T>(target(random, o.targets));
                if (o.targets == Targets::classes) y(n, random.whole(0, columns - 1)) = T(1);
            }
            k.activate(z.panels(), a.panels(), {}, 0, capacity, o.activation, o.parameter);
            const Matrix<T> delta(k.grid, capacity, columns, check::untouched<T>), before(delta), scaled(delta),
                alone(delta);
            const Exactly<T> costs(capacity, check::untouched<T>), only_costs(capacity, check::untouched<T>);
            Exactly<T> c(capacity);
            for (Index n = 0; n < capacity; ++n) c[n] = static_cast<T>(random.between(0, 3));
            const auto call = [&](Panels<T> to, const T* coefficients, T* row_costs) {
                k.output({z.panels(), a.panels(), y.panels(), to, n0, n1, coefficients, row_costs, o.activation,
                          o.parameter, o.cost, o.cost_parameter, o.matched});
            };
            call(delta.panels(), nullptr, costs.data());
            call(scaled.panels(), c.data(), nullptr);
            call({}, nullptr, only_costs.data());
            call(alone.panels(), nullptr, nullptr);
            CHECK(delta.same_outside(before, n0, n1) && scaled.same_outside(before, n0, n1),
                  k.name << ": δ outside its rows, " << o.name << ", " << columns << " columns");
            CHECK(delta.zero_padding(n0, n1) && scaled.zero_padding(n0, n1),
                  k.name << ": δ's padding, " << o.name << ", " << columns << " columns");
            CHECK(alone.same_numbers(delta), k.name << ": δ without costs, " << o.name);
            for (Index n = 0; n < capacity; ++n) {
                CHECK(check::same_bits(costs[n], only_costs[n]), k.name << ": C without δ, " << o.name);
                if (n < n0 || n >= n1) {
                    CHECK(costs[n] == check::untouched<T>, k.name << ": C outside its rows, " << o.name);
                    continue;
                }
                naive::Vector<R> zs, as, ys;
                for (Index j = 0; j < columns; ++j) {
                    zs.push_back(static_cast<R>(z(n, j)));
                    as.push_back(static_cast<R>(a(n, j)));
                    ys.push_back(static_cast<R>(y(n, j)));
                }
                const Judged<R> row = judged(o, zs, as, ys, p);
                // `columns` summands are added up in vectors: a vector's share, then its lanes
                const double additions = 4 + static_cast<double>(columns) / k.grid.lanes;
                const R cost_error = std::fabs(static_cast<R>(costs[n]) - row.cost) / (epsilon * row.cost_scale + tiny);
                worst_cost = std::max(worst_cost, static_cast<double>(cost_error));
                CHECK(cost_error <= static_cast<R>(o.cost_ulps + additions / 2),
                      k.name << ' ' << check::name_of<T>() << ": C = " << costs[n] << ", not " << row.cost << ": "
                             << cost_error << " ε, " << o.name << ", " << columns << " columns");
                for (Index j = 0; j < columns; ++j) {
                    const R delta_error =
                        std::fabs(static_cast<R>(delta(n, j)) - row.delta[at(j)]) / (epsilon * row.scale[at(j)] + tiny);
                    const bool coupled = o.activation == Activation::softmax;
                    worst_delta = std::max(worst_delta, static_cast<double>(delta_error));
                    CHECK(delta_error <= static_cast<R>(o.delta_ulps + (coupled ? additions : 0)),
                          k.name << ' ' << check::name_of<T>() << ": δ_" << j << " = " << delta(n, j) << ", not "
                                 << row.delta[at(j)] << ": " << delta_error << " ε, z " << zs[at(j)] << ", a "
                                 << as[at(j)] << ", y " << ys[at(j)] << ", " << o.name << ", " << columns
                                 << " columns");
                    CHECK(check::same_bits(scaled(n, j), delta(n, j) * c[n]), k.name << ": δ times c, " << o.name);
                }
            }
        }
        std::printf("    %-8s %s %-42s C %5.2f ε  δ %5.2f ε\n", k.name, check::name_of<T>(), o.name, worst_cost,
                    worst_delta);
    }
}
TEST(outputs_f32) {
    check::for_each_instruction_set<float>(output_layers<float>);
}
TEST(outputs_f64) {
    check::for_each_instruction_set<double>(output_layers<double>);
}

// Where quotients and logarithms of a would fail: outputs that are 0 or 1 to the last digit, and logits of ±10^4.
template <class T>
void extremes(const Kernels<T>& k) {
    const auto one_row = [&](const Output& o, const std::vector<double>& logits, const std::vector<double>& targets,
                             double expected) {
        const Index columns = static_cast<Index>(logits.size());
        const Matrix<T> z(k.grid, 1, columns), y(k.grid, 1, columns), a(k.grid, 1, columns), delta(k.grid, 1, columns);
        for (Index j = 0; j < columns; ++j) {
            z(0, j) = static_cast<T>(logits[at(j)]);
            y(0, j) = static_cast<T>(targets[at(j)]);
        }
        k.activate(z.panels(), a.panels(), {}, 0, 1, o.activation, 0);
        T cost = 0;
        k.output({z.panels(), a.panels(), y.panels(), delta.panels(), 0, 1, nullptr, &cost, o.activation, 0, o.cost,
                  o.cost_parameter, o.matched});
        CHECK(std::fabs(static_cast<double>(cost) - expected) <= 1e-6 * std::fabs(expected),
              k.name << ' ' << check::name_of<T>() << ": " << o.name << ": C = " << cost << ", not " << expected);
        for (Index j = 0; j < columns; ++j) CHECK(std::isfinite(delta(0, j)), k.name << ": δ of " << o.name);
    };
    const auto named = [](const char* name) -> const Output& {
        return *std::find_if(std::begin(outputs), std::end(outputs),
                             [&](const Output& o) { return std::string_view(o.name) == name; });
    };
    const Output &logistic = named("logistic, binary_cross_entropy"), &softmax = named("softmax, cross_entropy"),
                 &exp = named("exp, poisson"), &unmatched = named("logistic, binary_cross_entropy, unmatched");
    one_row(logistic, {1e4}, {1}, 0);
    one_row(logistic, {1e4}, {0}, 1e4);
    one_row(logistic, {-1e4}, {1}, 1e4);
    one_row(logistic, {-80}, {0}, sizeof(T) == 4 ? 1.8048513e-35 : 1.8048513878454153e-35);
    one_row(softmax, {1e4, -1e4}, {0, 1}, 2e4);
    one_row(softmax, {1e4, -1e4}, {1, 0}, 0);
    one_row(softmax, {40, 0}, {1, 0}, 4.248354255291589e-18);  // ln(1 + e^−40), which 1 + e^−40 would lose
    one_row(softmax, {3, 3, 3}, {0, 0, 1}, 1.0986122886681098);
    one_row(softmax, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0}, 0);
    one_row(softmax, {-500, -501}, {1, 0}, 0.31326168751822286);  // the padding's 0 is larger than both
    one_row(exp, {-1e4}, {0}, 0);
    one_row(exp, {-1e4}, {2}, 2e4);
    one_row(unmatched, {1e4}, {1}, 0);  // 0 ln 0 = 0, and 0/0 stands for 0
    one_row(unmatched, {-1e4}, {0}, 0);
}
TEST(extremes_f32) {
    check::for_each_instruction_set<float>(extremes<float>);
}
TEST(extremes_f64) {
    check::for_each_instruction_set<double>(extremes<double>);
}

// A number that is not finite must show in the cost: it is how divergence is seen.
template <class T>
void nan_shows(const Kernels<T>& k) {
    for (const Output& o : outputs)
        for (const Index bad : {0, 3, 20}) {
            const Index columns = 21;
            const Matrix<T> z(k.grid, 2, columns, T(0.25)), y(k.grid, 2, columns), a(k.grid, 2, columns),
                delta(k.grid, 2, columns);
            z.set_padding(T(0));
            for (Index j = 0; j < columns; ++j) y(0, j) = y(1, j) = j == 0 ? T(1) : T(0.5);
            y(0, 0) = T(1);
            z(1, bad) = check::nan_of<T>;
            k.activate(z.panels(), a.panels(), {}, 0, 2, o.activation, o.parameter);
            Exactly<T> costs(2);
            k.output({z.panels(), a.panels(), y.panels(), delta.panels(), 0, 2, nullptr, costs.data(), o.activation,
                      o.parameter, o.cost, o.cost_parameter, o.matched});
            CHECK(std::isfinite(costs[0]), k.name << ": the other row's C = " << costs[0] << ", " << o.name);
            CHECK(std::isnan(costs[1]),
                  k.name << ' ' << check::name_of<T>() << ": C = " << costs[1] << " with NaN among z, " << o.name);
            CHECK(std::isnan(delta(1, bad)),
                  k.name << ' ' << check::name_of<T>() << ": δ = " << delta(1, bad) << " where z is NaN, " << o.name);
        }
}
TEST(nan_shows_f32) {
    check::for_each_instruction_set<float>(nan_shows<float>);
}
TEST(nan_shows_f64) {
    check::for_each_instruction_set<double>(nan_shows<double>);
}

template <class T>
void scaling(const Kernels<T>& k) {
    Random random(2);
    for (Index columns = 1; columns <= 40; ++columns) {
        const Index capacity = 12, n0 = 3, n1 = 10;
        const Matrix<T> delta(k.grid, capacity, columns);
        delta.randomize(random);
        const Matrix<T> before(delta);
        const std::vector<T> c = random.vector<T>(capacity);
        k.scale(delta.panels(), c.data(), delta.panels(), n0, n1);
        CHECK(delta.same_outside(before, n0, n1) && delta.zero_padding(0, capacity),
              k.name << ": outside, " << columns << " columns");
        for (Index n = n0; n < n1; ++n)
            for (Index j = 0; j < columns; ++j)
                CHECK(check::same_bits(delta(n, j), before(n, j) * c[at(n)]),
                      k.name << ": δ(" << n << ", " << j << ")·c");
    }
}
TEST(scaling_f32) {
    check::for_each_instruction_set<float>(scaling<float>);
}
TEST(scaling_f64) {
    check::for_each_instruction_set<double>(scaling<double>);
}

template <class T>
void finiteness(const Kernels<T>& k) {
    using Limits = std::numeric_limits<T>;
    Random random(3);
    for (Index columns = 1; columns <= 40; ++columns) {
        const Index capacity = 12, n0 = 3, n1 = 10;
        const Matrix<T> x(k.grid, capacity, columns);
        x.randomize(random);
        x(n0, 0) = Limits::max();
        x(n1 - 1, columns - 1) = -Limits::max();
        CHECK(k.finite(x.panels(), n0, n1), k.name << ": finite numbers, " << columns << " columns");
        for (const T bad : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()})
            for (Index n = 0; n < capacity; ++n) {
                const Index j = random.whole(0, columns - 1);
                const T before = x(n, j);
                x(n, j) = bad;
                CHECK(k.finite(x.panels(), n0, n1) == (n < n0 || n >= n1), k.name << ": " << bad << " in row " << n);
                CHECK(k.finite(x.panels(), n, n), k.name << ": no rows");
                x(n, j) = before;
            }
    }
}
TEST(finiteness_f32) {
    check::for_each_instruction_set<float>(finiteness<float>);
}
TEST(finiteness_f64) {
    check::for_each_instruction_set<double>(finiteness<double>);
}

}  // namespace

TEST_MAIN
