// What steps do besides (E51 to E58), kernel by kernel: masks bit for bit, whatever rows and panels are asked for; noise,
// smoothed targets, penalties and columns that are made shorter against the formulas.
#include <cmath>
#include <limits>

#include "naive_steps.hpp"
#include "panels.hpp"

namespace {

using namespace chainrule;
using check::Exactly;
using check::Matrix;
using check::Random;

// Random123's kat_vectors.
TEST(known_answers) {
    using Words4 = std::array<std::uint32_t, 4>;
    constexpr std::uint32_t ones = 0xffffffffU;
    CHECK(naive::philox({0, 0, 0, 0}, 0, 0) == (Words4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}), "zeros");
    CHECK(
        naive::philox({ones, ones, ones, ones}, ones, ones) == (Words4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}),
        "ones");
    CHECK(naive::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0) ==
              (Words4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}),
          "pi");
}

constexpr std::uint64_t seed = 0x0123456789abcdefU;

template <class T>
void masks(const Kernels<T>& k) {
    Random random(1);
    for (const Index columns : {1, 5, 16, 17, 31, 64, 65, 100, 129, 300})
        for (const double p : {1e-12, 0.1, 0.5, 0.75, 1 - 1e-12}) {
            const Index rows = 7, n0 = columns % 3, n1 = rows - columns % 2, panels = k.grid.count(columns);
            const Index p0 = random.whole(0, panels - 1), p1 = random.whole(p0 + 1, panels);
            Matrix<T> x(k.grid, rows + 1, columns), d(k.grid, rows + 1, columns);
            x.randomize(random);
            d.randomize(random);
            const Matrix<T> x_before(x), d_before(d);
            const Words words{seed, static_cast<std::uint32_t>(random.bits()), static_cast<std::uint32_t>(columns)};
            const bool with_d = columns % 2 == 0, copies = columns % 4 == 0;
            k.mask({x.panels(), with_d ? d.panels() : Panels<T>{}, n0, n1, p0, p1, words, p, copies});
            const Index begin = p0 * k.grid.panel(), end = std::min(columns, p1 * k.grid.panel());
            for (Index n = 0; n < rows + 1; ++n)
                for (Index c = 0; c < columns; ++c) {
                    const bool inside = n >= n0 && n < n1 && c >= begin && c < end;
                    const T m = inside ? static_cast<T>(naive::mask(p, seed, words.step, words.stream, n, c)) : T(1);
                    const T of_d = !with_d || !inside ? d_before(n, c) : copies ? x_before(n, c) : d_before(n, c) * m;
                    CHECK(check::same_bits(x(n, c), x_before(n, c) * m) && check::same_bits(d(n, c), of_d),
                          k.name << ' ' << check::name_of<T>() << ": row " << n << ", unit " << c << " of " << columns
                                 << ", p = " << p << ": " << x(n, c) << " of " << x_before(n, c));
                }
            CHECK(x.zero_padding(0, rows + 1) && d.zero_padding(0, rows + 1), k.name << ": padding");
        }
}
TEST(masks_f32) {
    check::for_each_instruction_set<float>(masks<float>);
}
TEST(masks_f64) {
    check::for_each_instruction_set<double>(masks<double>);
}

template <class T>
void noise(const Kernels<T>& k) {
    using R = long double;
    double worst = 0, sum = 0, squares = 0;
    const Index columns = 1000, rows = check::sized<Index>(40, 4);
    const std::uint32_t step = 0xfffffffeU;
    Matrix<T> x(k.grid, rows, columns);
    k.noise({x.panels(), {}, 0, rows, 0, k.grid.count(columns), {seed, step, 1U << 31U}, 0}, 1.0);
    for (Index n = 0; n < rows; ++n)
        for (Index c = 0; c < columns; ++c) {
            const R exact = naive::normal<R>(seed, step, n, c);
            worst = std::max(worst, std::fabs(static_cast<double>(static_cast<R>(x(n, c)) - exact)));
            sum += static_cast<double>(x(n, c));
            squares += static_cast<double>(x(n, c)) * static_cast<double>(x(n, c));
        }
    // a root of 6.7 at most, and its angle's sine or cosine, each of two roundings in float64; and one of T
    const double bound =
        7 * (4 * std::numeric_limits<double>::epsilon() + 0.5 * double{std::numeric_limits<T>::epsilon()});
    CHECK(worst <= bound, k.name << ' ' << check::name_of<T>() << ": N is off by " << worst);
    // of so many numbers the mean and the mean square are within five of their standard deviations
    const auto count = static_cast<double>(rows * columns);
    CHECK(std::fabs(sum / count) < 5 / std::sqrt(count) && std::fabs(squares / count - 1) < 5 * std::sqrt(2 / count),
          k.name << ": mean " << sum / count << ", mean square " << squares / count);
    // x + σN, in some rows and panels
    Random random(2);
    for (const Index some : {3, 47, 130}) {
        Matrix<T> y(k.grid, 6, some);
        y.randomize(random);
        const Matrix<T> before(y);
        const Index p1 = k.grid.count(some), p0 = p1 / 2;
        k.noise({y.panels(), {}, 2, 5, p0, p1, {seed, step, 1U << 31U}, 0}, 0.25);
        for (Index n = 0; n < 6; ++n)
            for (Index c = 0; c < some; ++c) {
                const bool inside = n >= 2 && n < 5 && c >= p0 * k.grid.panel();
                const double expected = static_cast<double>(before(n, c)) +
                                        (inside ? 0.25 * static_cast<double>(naive::normal<R>(seed, step, n, c)) : 0);
                CHECK(std::fabs(static_cast<double>(y(n, c)) - expected) <= bound,
                      k.name << ": row " << n << ", unit " << c << " of " << some);
            }
    }
}
TEST(noise_f32) {
    check::for_each_instruction_set<float>(noise<float>);
}
TEST(noise_f64) {
    check::for_each_instruction_set<double>(noise<double>);
}

template <class T>
void smoothed(const Kernels<T>& k) {
    Random random(3);
    for (const Index columns : {1, 3, 16, 33, 70}) {
        Matrix<T> y(k.grid, 5, columns);
        y.randomize(random, 0, 1);
        const Matrix<T> before(y);
        k.smooth(y.panels(), 1, 4, 1 - 0.1, 0.1 / 3);
        for (Index n = 1; n < 4; ++n)
            for (Index c = 0; c < columns; ++c)
                CHECK(check::same_bits(y(n, c), static_cast<T>(1 - 0.1) * before(n, c) + static_cast<T>(0.1 / 3)),
                      k.name << ": row " << n << ", output " << c << " of " << columns);
        CHECK(y.same_outside(before, 1, 4) && y.zero_padding(0, 5), k.name << ": outside");
    }
}
TEST(smoothed_f32) {
    check::for_each_instruction_set<float>(smoothed<float>);
}
TEST(smoothed_f64) {
    check::for_each_instruction_set<double>(smoothed<double>);
}

template <class T>
void penalized(const Kernels<T>& k) {
    constexpr double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
    Random random(4);
    for (const Index vectors : {1, 2, 5})
        for (const bool weights : {true, false})
            for (const double penalty : {0.0, 0.3})
                for (const double l1 : {0.0, 0.2}) {
                    const Index count = vectors * k.grid.lanes;
                    const Exactly<T> theta(count), gradient(count);
                    for (Index e = 0; e < count; ++e) {
                        theta[e] = e % 5 == 0 ? T(0) : static_cast<T>(random.between(-1, 1));
                        gradient[e] = static_cast<T>(random.between(-1, 1));
                    }
                    const Exactly<T> before(gradient);
                    Step<T> step{};
                    step.penalty = static_cast<T>(penalty);
                    step.l1 = static_cast<T>(l1);
                    Sums sums{1, 2};
                    k.penalize(step, theta.data(), gradient.data(), count, weights, sums);
                    double squares = 0, of_weights = 0;
                    for (Index e = 0; e < count; ++e) {
                        T g = before[e];
                        if (weights && penalty > 0) g = g + step.penalty * theta[e];
                        if (weights && l1 > 0) g = g + (theta[e] > 0 ? step.l1 : theta[e] < 0 ? -step.l1 : T(0));
                        CHECK(check::same_bits(gradient[e], g), k.name << ": " << gradient[e] << ", not " << g);
                        squares += static_cast<double>(g) * static_cast<double>(g);
                        of_weights += static_cast<double>(theta[e]) * static_cast<double>(theta[e]);
                    }
                    // `vectors` squares are added up in each lane, then the lanes
                    const double bound = epsilon * static_cast<double>(vectors + 8);
                    CHECK(std::fabs(sums.gradient - 1 - squares) <= bound * (1 + squares), k.name << ": Σg²");
                    CHECK(std::fabs(sums.weights - 2 - (weights ? of_weights : 0)) <= bound * (2 + of_weights),
                          k.name << ": Σθ²");
                    CHECK(std::fabs(k.length(theta.data(), count) - of_weights) <= bound * of_weights,
                          k.name << ": length");
                }
}
TEST(penalized_f32) {
    check::for_each_instruction_set<float>(penalized<float>);
}
TEST(penalized_f64) {
    check::for_each_instruction_set<double>(penalized<double>);
}

// (E52), (E53), (E57) within an update, by the rule whose operations are fewest.
template <class T>
void update_with_options(const Kernels<T>& k) {
    Random random(5);
    const Index count = 3 * k.grid.lanes;
    for (const bool weights : {true, false}) {
        const Exactly<T> theta(count), gradient(count);
        for (Index e = 0; e < count; ++e) {
            theta[e] = e == 2 ? T(0) : static_cast<T>(random.between(-1, 1));
            gradient[e] = static_cast<T>(random.between(-1, 1));
        }
        const Exactly<T> before(theta);
        Step<T> step{};
        step.rate = T(0.1);
        step.penalty = T(0.01);
        step.l1 = T(0.02);
        step.scale = T(0.7);
        step.shrink = T(0.001);
        Sums sums;
        k.update(Rule::sgd, step, theta.data(), gradient.data(), nullptr, nullptr, count, weights, sums);
        for (Index e = 0; e < count; ++e) {
            const T w = before[e], sign = w > 0 ? step.l1 : w < 0 ? -step.l1 : T(0);
            const T g = weights ? (gradient[e] + step.penalty * w) + sign : gradient[e];
            const T expected = (weights ? w - step.shrink * w : w) - step.rate * (g * step.scale);
            CHECK(check::same_bits(theta[e], expected), k.name << ": θ = " << theta[e] << ", not " << expected);
        }
    }
}
TEST(update_with_options_f32) {
    check::for_each_instruction_set<float>(update_with_options<float>);
}
TEST(update_with_options_f64) {
    check::for_each_instruction_set<double>(update_with_options<double>);
}

template <class T>
void constrained(const Kernels<T>& k) {
    Random random(6);
    for (const Index in : {1, 4, 97})
        for (const Index out : {1, 7, 31, 64, 70}) {
            Matrix<T> weights(k.grid, in, out);
            weights.randomize(random);
            // in float32 the first column's squares are too small for T, the last one's too large
            for (Index i = 0; i < in; ++i) weights(i, 0) *= T(1e-30);
            for (Index i = 0; i < in && out > 1; ++i) weights(i, out - 1) *= T(1e30);
            const Matrix<T> before(weights);
            const double most = 0.5 * std::sqrt(static_cast<double>(in) / 3);
            bool any = false, said = false;
            for (Index p = 0; p < k.grid.count(out); ++p)
                said = k.constrain(weights.data() + p * k.grid.panel() * in, in, k.grid.width(out, p), most) || said;
            for (Index o = 0; o < out; ++o) {
                double squares = 0;
                for (Index i = 0; i < in; ++i) squares += std::pow(static_cast<double>(before(i, o)), 2);
                const double length = std::sqrt(squares);
                any = any || length > most;
                for (Index i = 0; i < in; ++i) {
                    const double expected = static_cast<double>(before(i, o)) * (length > most ? most / length : 1);
                    // a quotient and a product, each rounded to T
                    CHECK(std::fabs(static_cast<double>(weights(i, o)) - expected) <=
                              2 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::fabs(expected),
                          k.name << ' ' << check::name_of<T>() << ": " << weights(i, o) << ", not " << expected);
                }
            }
            CHECK(said == any, k.name << ": whether a column was too long");
            CHECK(weights.zero_padding(0, in), k.name << ": padding");
        }
}
TEST(constrained_f32) {
    check::for_each_instruction_set<float>(constrained<float>);
}
TEST(constrained_f64) {
    check::for_each_instruction_set<double>(constrained<double>);
}

}  // namespace

TEST_MAIN
