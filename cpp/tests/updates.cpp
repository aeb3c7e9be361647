// Update rules: bit for bit the formulas, one operation after the other, in T; and what they add to the sums of squares.
// The exception is the quotient x/(√v + ε) in float32 with AVX-512, which is estimated (over_root in simd.hpp): within 4 ulps.
#include <algorithm>
#include <cmath>
#include <limits>

#include "naive.hpp"
#include "panels.hpp"

namespace {

using namespace chainrule;
using check::Exactly;
using check::Random;

struct Tested {
    const char* name;
    std::vector<double> settings;
    Rule rule;
    naive::RuleNumbers numbers;
};

std::vector<Tested> rules() {
    return {
        {"sgd", {}, Rule::sgd, {}},
        {"momentum", {0.9}, Rule::momentum, {.mu = 0.9}},
        {"momentum", {1.0}, Rule::momentum, {.mu = 1}},
        {"nesterov", {0.7}, Rule::nesterov, {.mu = 0.7}},
        {"rmsprop", {0.99, 1e-8}, Rule::rmsprop, {.beta2 = 0.99, .epsilon = 1e-8}},
        {"adam", {0.9, 0.999, 1e-8, 0}, Rule::adam, {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8}},
        {"adam",
         {0.9, 0.999, 1e-8, 1},
         Rule::adam,
         {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .epsilon_hat = true}},
        {"adam", {0, 0, 0.1, 0}, Rule::adam, {.beta1 = 0, .beta2 = 0, .epsilon = 0.1}},
        {"adamw",
         {0.9, 0.99, 1e-6, 0.05},
         Rule::adamw,
         {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-6, .weight_decay = 0.05}},
        {"rprop", {0.5, 1.2, 1e-3, 0.06}, Rule::rprop, {.beta1 = 0.5, .beta2 = 1.2, .least = 1e-3, .largest = 0.06}}};
}

template <class T>
bool estimates(const Kernels<T>& k, Rule rule) {
    return sizeof(T) == 4 && std::string_view(k.name) == "avx512" &&
           (rule == Rule::rmsprop || rule == Rule::adam || rule == Rule::adamw);
}

template <class T>
void bit_for_bit(const Kernels<T>& k) {
    constexpr double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
    Random random(1);
    for (const Tested& rule : rules()) {
        const RuleSettings settings = rule_settings(rule.name, rule.settings);
        CHECK(settings.rule == rule.rule, rule.name);
        for (const Index vectors : {1, 2, 3, 17})
            for (const double penalty : {0.0, 0.01})
                for (const bool weights : {true, false}) {
                    const Index count = vectors * k.grid.lanes;
                    const Exactly<T> theta(count), gradient(count), first(count), second(count);
                    for (Index e = 0; e < count; ++e) theta[e] = static_cast<T>(random.between(-1, 1));
                    for (Index t = 1; t <= 5; ++t) {
                        const double rate = 0.05 / static_cast<double>(t);
                        double squares = 0, weight_squares = 0;
                        for (Index e = 0; e < count; ++e) {
                            gradient[e] = static_cast<T>(random.between(-1, 1));
                            const double g = static_cast<double>(gradient[e]) +
                                             (weights ? penalty : 0) * static_cast<double>(theta[e]);
                            squares += g * g;
                            weight_squares += static_cast<double>(theta[e]) * static_cast<double>(theta[e]);
                        }
                        // each step is judged by itself
                        const Exactly<T> before(theta);
                        Exactly<T> naive_theta(theta), naive_first(first), naive_second(second);
                        Sums sums{1, 2};  // they are added to
                        const int n = settings.vectors();
                        k.update(rule.rule, step_of<T>(settings, t, rate, penalty), theta.data(), gradient.data(),
                                 n > 0 ? first.data() : nullptr, n > 1 ? second.data() : nullptr, count, weights, sums);
                        for (Index e = 0; e < count; ++e) {
                            naive::update<T>(rule.rule, rule.numbers, t, rate, penalty, weights, naive_theta[e],
                                             gradient[e], naive_first[e], naive_second[e]);
                            const double off =
                                std::fabs(static_cast<double>(theta[e]) - static_cast<double>(naive_theta[e]));
                            const double taken =
                                std::fabs(static_cast<double>(naive_theta[e]) - static_cast<double>(before[e]));
                            CHECK(estimates(k, rule.rule)
                                      ? off <= epsilon * (3 * taken + std::fabs(static_cast<double>(theta[e])))
                                      : check::same_bits(theta[e], naive_theta[e]),
                                  k.name << ' ' << check::name_of<T>() << ": " << rule.name << ": θ = " << theta[e]
                                         << ", not " << naive_theta[e] << " after step " << t << ", λ = " << penalty);
                            CHECK(check::same_bits(first[e], naive_first[e]) &&
                                      check::same_bits(second[e], naive_second[e]),
                                  k.name << ' ' << check::name_of<T>() << ": " << rule.name << ": state after step "
                                         << t);
                        }
                        // `vectors` squares are added up in each lane, then the lanes; λθ was rounded
                        const double bound = epsilon * static_cast<double>(vectors + 8);
                        CHECK(std::fabs(sums.gradient - 1 - squares) <= bound * (1 + squares),
                              k.name << ": " << rule.name << ": Σg² = " << sums.gradient - 1 << ", not " << squares);
                        const double expected = weights ? weight_squares : 0;
                        CHECK(std::fabs(sums.weights - 2 - expected) <= bound * (2 + expected),
                              k.name << ": " << rule.name << ": Σθ² = " << sums.weights - 2 << ", not " << expected);
                    }
                }
    }
}
TEST(rules_f32) {
    check::for_each_instruction_set<float>(bit_for_bit<float>);
}
TEST(rules_f64) {
    check::for_each_instruction_set<double>(bit_for_bit<double>);
}

// The quotient alone, which θ = 0 and η = 1 leave as it is, for v of all sizes: rmsprop with ρ = 1 keeps v.
template <class T>
void quotients(const Kernels<T>& k) {
    using R = naive::Exact<T>;
    using Limits = std::numeric_limits<T>;
    Random random(2);
    double worst = 0;
    const Index count = 64 * k.grid.lanes;
    for (const double epsilon : {1e-10, 1e-8, 1e-4, 1.0})
        for (int turn = 0; turn < 40; ++turn) {
            const Exactly<T> theta(count), gradient(count), v(count);
            for (Index e = 0; e < count; ++e) {
                v[e] =
                    e == 0   ? T(0)
                    : e == 1 ? Limits::denorm_min()
                    : e == 2
                        ? Limits::max() / 2
                        : static_cast<T>(std::ldexp(random.between(1, 2), static_cast<int>(random.whole(-140, 120))));
                gradient[e] =
                    static_cast<T>(std::ldexp(random.between(-1, 1), static_cast<int>(random.whole(-20, 20))));
            }
            const Exactly<T> before(v);
            Step<T> step{};
            step.rate = T(1);
            step.beta2 = T(1);
            step.epsilon = static_cast<T>(epsilon);
            Sums sums;
            k.update(Rule::rmsprop, step, theta.data(), gradient.data(), v.data(), nullptr, count, true, sums);
            for (Index e = 0; e < count; ++e) {
                CHECK(check::same_bits(v[e], before[e]), "v has changed");
                const R exact =
                    -static_cast<R>(gradient[e]) / (std::sqrt(static_cast<R>(v[e])) + static_cast<R>(step.epsilon));
                if (exact == 0 || std::fabs(exact) < static_cast<R>(Limits::min())) continue;
                int exponent;
                std::frexp(exact, &exponent);
                const double off = static_cast<double>(std::fabs(static_cast<R>(theta[e]) - exact) /
                                                       std::ldexp(R(1), exponent - Limits::digits));
                worst = std::max(worst, off);
                // three operations: a root and a sum of half an ulp, which may count double, and a quotient of half an ulp;
                // estimates have two products more
                CHECK(off <= (estimates(k, Rule::rmsprop) ? 4 : 2.5),
                      k.name << ' ' << check::name_of<T>() << ": " << -gradient[e] << "/(√" << v[e] << " + " << epsilon
                             << ") = " << theta[e] << ", not " << exact << ": " << off << " ulps");
            }
        }
    std::printf("    %-8s %s x/(√v + ε) %.2f ulps\n", k.name, check::name_of<T>(), worst);
}
TEST(quotients_f32) {
    check::for_each_instruction_set<float>(quotients<float>);
}
TEST(quotients_f64) {
    check::for_each_instruction_set<double>(quotients<double>);
}

template <class T>
void not_finite(const Kernels<T>& k) {
    for (const Tested& rule : rules())
        for (const T bad : {check::nan_of<T>, std::numeric_limits<T>::infinity()}) {
            const RuleSettings settings = rule_settings(rule.name, rule.settings);
            const Index count = 3 * k.grid.lanes;
            const Exactly<T> theta(count, T(0.5)), gradient(count, T(0.25)), first(count), second(count);
            gradient[count - 2] = bad;
            Sums sums;
            k.update(rule.rule, step_of<T>(settings, 1, 0.1, 0), theta.data(), gradient.data(), first.data(),
                     second.data(), count, true, sums);
            CHECK(!std::isfinite(sums.gradient),
                  k.name << ": " << rule.name << ": Σg² = " << sums.gradient << " with " << bad);
        }
}
TEST(not_finite_shows_f32) {
    check::for_each_instruction_set<float>(not_finite<float>);
}
TEST(not_finite_shows_f64) {
    check::for_each_instruction_set<double>(not_finite<double>);
}

TEST(settings_are_checked) {
    const std::vector<double> none, two{0.9, 1e-8}, four{0.9, 0.999, 1e-8, 0};
    CHECK_THROWS(std::invalid_argument, rule_settings("sgdm", none), "got \"sgdm\"");
    CHECK_THROWS(std::invalid_argument, rule_settings("sgd", two), "expected 0 numbers, got 2");
    CHECK_THROWS(std::invalid_argument, rule_settings("momentum", none), "expected 1 numbers, got 0");
    CHECK_THROWS(std::invalid_argument, rule_settings("rmsprop", four), "expected 2 numbers, got 4");
    CHECK_THROWS(std::invalid_argument, rule_settings("adam", two), "expected 4 numbers, got 2");
    CHECK(rule_settings("sgd", none).vectors() == 0 && rule_settings("rmsprop", two).vectors() == 1 &&
              rule_settings("adamw", four).vectors() == 2,
          "vectors of state");
}

}  // namespace

TEST_MAIN
