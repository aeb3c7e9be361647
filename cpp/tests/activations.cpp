// Activations and their derivatives against the formulas in higher precision: errors in units in the last place (ulps).
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "naive.hpp"
#include "panels.hpp"

namespace {

using namespace chainrule;
using check::Exactly;
using check::Matrix;
using check::nan_of;
using check::Random;
using naive::at;
using naive::Exact;

struct Tested {
    const char* name;
    Activation activation;
    double parameter;
    // Bounds in ulps. Where summands of g' cancel (silu, gelu and mish below 0) its error is counted in ulps of the sum of
    // their sizes. `growth`: so many ulps more for each unit of z², below 0.
    double value, derivative, growth;
};

// The formulas' own limits, which those of maths/activations.py share:
// - σ' = (q·r)·r with r = 1/(1 + q) has r's error twice, and tanh' = 4q(r·r) too: 5 ulps.
// - gelu: Φ(z) = erfc(−z/√2)/2. An argument x that is off by a relative e moves erfc(x) ≈ e^(−x²) by 2x²e; x's two
//   roundings (of √½, and of the product) are together up to 0.85 ulps of a relative 2^(1 − digits) each: 1.7 z².
// - mish is five more operations on q: half an ulp each, which counts double just above a power of two: 5 ulps.
// - z·σ(z) and the like where σ(z) is subnormal: half of the smallest number, |z| times.
constexpr Tested all[] = {
    {"identity", Activation::identity, 0, 0, 0, 0},
    {"logistic", Activation::logistic, 0, 4, 5, 0},
    {"tanh", Activation::tanh, 0, 4, 5, 0},
    {"relu", Activation::relu, 0, 0, 0, 0},
    {"leaky_relu", Activation::leaky_relu, 0.01, 1, 0, 0},
    {"leaky_relu(0.3)", Activation::leaky_relu, 0.3, 1, 0, 0},
    {"elu", Activation::elu, 1, 4, 4, 0},
    {"elu(0.3)", Activation::elu, 0.3, 4, 4, 0},
    {"elu(2.5)", Activation::elu, 2.5, 4, 4, 0},
    {"selu", Activation::selu, 0, 4, 4, 0},
    {"gelu", Activation::gelu, 0, 4, 4, 1.7},
    {"silu", Activation::silu, 0, 4, 4, 0},
    {"softplus", Activation::softplus, 0, 4, 4, 0},
    {"mish", Activation::mish, 0, 5, 5, 0},
    {"softsign", Activation::softsign, 0, 4, 4, 0},
    {"exp", Activation::exp, 0, 4, 4, 0},
};

// The distance between neighbours in T at x.
template <class T>
Exact<T> ulp(Exact<T> x) {
    int exponent;
    std::frexp(x, &exponent);
    return std::ldexp(Exact<T>(1),
                      std::max(exponent, std::numeric_limits<T>::min_exponent) - std::numeric_limits<T>::digits);
}

// |got − exact| in ulps of `scale`; 0 when both are NaN, or both are the same infinity. `times` is what a subnormal factor
// of it may have been multiplied by.
template <class T>
double error_of(T got, Exact<T> exact, Exact<T> scale, Exact<T> times = 1) {
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    if (std::isnan(exact)) return std::isnan(got) ? 0 : infinity;
    if (std::isnan(got)) return infinity;
    const T rounded = static_cast<T>(exact);
    if (std::isinf(rounded) || std::isinf(got)) {
        // beside the largest number either side of it will do
        constexpr Exact<T> largest = std::numeric_limits<T>::max();
        const bool near =
            std::fabs(exact) > largest * (1 - 4 * static_cast<Exact<T>>(std::numeric_limits<T>::epsilon())) &&
            std::fabs(static_cast<Exact<T>>(got)) > largest / 2 && std::signbit(got) == std::signbit(rounded);
        return got == rounded || near ? 0 : infinity;
    }
    const Exact<T> unit = std::max(ulp<T>(scale), std::numeric_limits<T>::denorm_min() * times);
    return static_cast<double>(std::fabs(static_cast<Exact<T>>(got) - exact) / unit);
}

template <class T>
std::vector<T> arguments() {
    using Limits = std::numeric_limits<T>;
    Random random(1);
    std::vector<T> z{T(0),
                     -T(0),
                     Limits::infinity(),
                     -Limits::infinity(),
                     Limits::quiet_NaN(),
                     Limits::denorm_min(),
                     -Limits::denorm_min(),
                     Limits::min(),
                     -Limits::min(),
                     Limits::max(),
                     -Limits::max(),
                     Limits::lowest() / 2,
                     Limits::min() / 3,
                     -Limits::min() / 3};
    const int dense = check::sized(60000, 6000);
    for (int k = 0; k <= dense; ++k) z.push_back(static_cast<T>(-50 + 100.0 * k / dense));
    for (int k = 0; k < dense; ++k) z.push_back(static_cast<T>(random.between(-2, 2)));
    for (int k = 0; k < dense; ++k)
        z.push_back(static_cast<T>(random.between(-800, 800)));  // where e^z overflows and dies
    for (int k = 0; k < dense; ++k) {                            // all magnitudes
        const int exponent =
            static_cast<int>(random.whole(Limits::min_exponent - Limits::digits, Limits::max_exponent - 1));
        z.push_back(static_cast<T>(std::ldexp(random.between(1, 2), exponent)) *
                    (random.whole(0, 1) == 0 ? T(1) : T(-1)));
    }
    for (int n = -160; n <= 160; ++n)  // both sides of where the reduction of e^z goes from one n to the next
        for (const double side : {-1e-6, -1e-15, 0.0, 1e-15, 1e-6})
            z.push_back(static_cast<T>((n + 0.5) * 0.69314718055994530942 + side));
    return z;
}

template <class T>
void errors(const Kernels<T>& k, const Tested& g) {
    using R = Exact<T>;
    const std::vector<T> z = arguments<T>();
    const Index panel = k.grid.panel(), rows = (static_cast<Index>(z.size()) + panel - 1) / panel;
    Matrix<T> from(k.grid, rows, panel), a(k.grid, rows, panel), d(k.grid, rows, panel), alone(k.grid, rows, panel);
    for (Index e = 0; e < rows * panel; ++e) from.data()[e] = z[at(e) % z.size()];
    k.activate(from.panels(), a.panels(), d.panels(), 0, rows, g.activation, g.parameter);
    k.activate(from.panels(), alone.panels(), {}, 0, rows, g.activation, g.parameter);
    CHECK(alone.same_numbers(a), k.name << ": " << g.name << " without g' gives other bits");
    const Matrix<T> in_place(from);
    k.activate(in_place.panels(), in_place.panels(), {}, 0, rows, g.activation, g.parameter);
    CHECK(in_place.same_numbers(a), k.name << ": " << g.name << " in place gives other bits");

    double worst_value = 0, worst_derivative = 0, value_at = 0, derivative_at = 0;
    for (std::size_t e = 0; e < z.size(); ++e) {
        const T parameter = static_cast<T>(g.parameter), x = z[e], got_a = a.data()[e], got_d = d.data()[e];
        naive::Activated<R> exact = naive::activated<R>(g.activation, static_cast<R>(parameter), static_cast<R>(x));
        if (!std::isfinite(x)) {  // what ∞ gives is the formula's in T: ∞·0 is NaN there
            const naive::Activated<T> same = naive::activated<T>(g.activation, parameter, x);
            exact = {static_cast<R>(same.a), static_cast<R>(same.d), static_cast<R>(same.d)};
        }
        const double squared = static_cast<double>(x) * static_cast<double>(x);
        const double growth = x < 0 && squared < 1e4 ? g.growth * squared : 0;
        // only far below 0 are there subnormal factors: e^(−745) is the smallest double
        const R times = x < -1 && x > -1000 ? -static_cast<R>(x) : R(1);
        const double value = error_of<T>(got_a, exact.a, exact.a, times);
        const double slope = error_of<T>(got_d, exact.d, exact.terms, times);
        CHECK(value <= g.value + growth, k.name << ' ' << check::name_of<T>() << ": " << g.name << '(' << x
                                                << ") = " << got_a << ", not " << exact.a << ": " << value << " ulps");
        CHECK(slope <= g.derivative + growth, k.name << ' ' << check::name_of<T>() << ": " << g.name << "'(" << x
                                                     << ") = " << got_d << ", not " << exact.d << ": " << slope
                                                     << " ulps");
        if (value - growth > worst_value) worst_value = value - growth, value_at = static_cast<double>(x);
        if (slope - growth > worst_derivative)
            worst_derivative = slope - growth, derivative_at = static_cast<double>(x);
    }
    std::printf("    %-8s %s %-16s g %5.2f ulps at %-12.6g g' %5.2f ulps at %.6g\n", k.name, check::name_of<T>(),
                g.name, worst_value, value_at, worst_derivative, derivative_at);
}

template <class T>
void all_errors(const Kernels<T>& k) {
    for (const Tested& g : all) errors(k, g);
}
TEST(activations_f32) {
    check::for_each_instruction_set<float>(all_errors<float>);
}
TEST(activations_f64) {
    check::for_each_instruction_set<double>(all_errors<double>);
}

// g'' alone: the bend kernel with e = 1, R{z} = 1 and R{e} = 0 leaves it in `bent`, and g' in `delta`. Bounds in ulps of the
// sum of the sizes of what g'' is added up from (naive::Curved). logistic, silu and mish take the difference of numbers
// near 1 that are a few ulps off: they count twice, and with the other factors' errors make 12; others multiply what
// `all` has bounds for. gelu: e^(−z²/2) is off by half an ulp of z²/2 at the least: z²/2 and once more for the product.
double curvature_bound(Activation g, double squared) {
    switch (g) {
        case Activation::identity:
        case Activation::relu:
        case Activation::leaky_relu: return 0;
        case Activation::logistic:
        case Activation::silu:
        case Activation::mish: return 12;
        case Activation::gelu: return 6 + (squared < 1e4 ? squared : 0);
        default: return 10;
    }
}

template <class T>
void curvatures(const Kernels<T>& k, const Tested& g) {
    using R = Exact<T>;
    const std::vector<T> z = arguments<T>();
    const Index panel = k.grid.panel(), rows = (static_cast<Index>(z.size()) + panel - 1) / panel;
    Matrix<T> from(k.grid, rows, panel), a(from), d(from), ones(k.grid, rows, panel, T(1)), delta(ones), bent(a);
    for (Index e = 0; e < rows * panel; ++e) from.data()[e] = z[at(e) % z.size()];
    k.activate(from.panels(), a.panels(), d.panels(), 0, rows, g.activation, g.parameter);
    k.bend({from.panels(), a.panels(), d.panels(), ones.panels(), delta.panels(), bent.panels(), 0, rows, g.activation,
            g.parameter});
    double worst = 0, worst_at = 0;
    for (std::size_t e = 0; e < z.size(); ++e) {
        const T parameter = static_cast<T>(g.parameter), x = z[e], got = bent.data()[e], slope = d.data()[e];
        CHECK(check::same_bits(delta.data()[e], slope) || std::isnan(slope),
              k.name << ": " << g.name << "'(" << x << ") = " << delta.data()[e] << ", not " << slope);
        naive::Curved<R> exact =
            naive::second_derivative<R>(g.activation, static_cast<R>(parameter), static_cast<R>(x));
        if (!std::isfinite(x)) {
            const T same = naive::second_derivative<T>(g.activation, parameter, x).value;
            exact = {static_cast<R>(same), static_cast<R>(std::fabs(same))};
        }
        if (!std::isfinite(slope)) exact.value = nan_of<R>;  // R{e} g' is 0·∞
        const double squared = static_cast<double>(x) * static_cast<double>(x);
        const double error = error_of<T>(got, exact.value, exact.terms, 4 + squared);
        CHECK(error <= curvature_bound(g.activation, squared), k.name << ' ' << check::name_of<T>() << ": " << g.name
                                                                      << "''(" << x << ") = " << got << ", not "
                                                                      << exact.value << ": " << error << " ulps");
        const double beyond = error - (g.activation == Activation::gelu && squared < 1e4 ? squared : 0);
        if (beyond > worst) worst = beyond, worst_at = static_cast<double>(x);
    }
    std::printf("    %-8s %s %-16s g'' %5.2f ulps at %.6g\n", k.name, check::name_of<T>(), g.name, worst, worst_at);
}

template <class T>
void all_curvatures(const Kernels<T>& k) {
    for (const Tested& g : all) curvatures(k, g);
}
TEST(second_derivatives_f32) {
    check::for_each_instruction_set<float>(all_curvatures<float>);
}
TEST(second_derivatives_f64) {
    check::for_each_instruction_set<double>(all_curvatures<double>);
}

// As the epilogue of a product and by itself: the same bits, for ranges of rows and odd widths.
template <class T>
void in_the_epilogue(const Kernels<T>& k) {
    Random random(2);
    for (const Tested& g : all)
        for (const Index out : {1, 5, 16, 23, 48, 61}) {
            const Index capacity = 230, in = 9, n0 = random.whole(0, 10), n1 = random.whole(n0 + 1, capacity);
            Matrix<T> below(k.grid, capacity, in), weights(k.grid, in, out);
            below.randomize(random, -3, 3);
            weights.randomize(random);
            const Matrix<T> z(k.grid, capacity, out, check::untouched<T>), a(z), d(z), z_only(z), a_only(z), d_only(z);
            k.forward({below.panels(), n0, n1, weights.data(), nullptr, z.panels(), a.panels(), d.panels(),
                       g.activation, g.parameter});
            k.forward({below.panels(),
                       n0,
                       n1,
                       weights.data(),
                       nullptr,
                       z_only.panels(),
                       z_only.panels(),
                       {},
                       Activation::identity,
                       0});
            k.activate(z_only.panels(), a_only.panels(), d_only.panels(), n0, n1, g.activation, g.parameter);
            CHECK(z.same_numbers(z_only) && a.same_numbers(a_only) && d.same_numbers(d_only),
                  k.name << ": " << g.name << ", " << out << " columns");
            const Matrix<T> in_place(k.grid, capacity, out, check::untouched<T>);
            k.forward({below.panels(),
                       n0,
                       n1,
                       weights.data(),
                       nullptr,
                       in_place.panels(),
                       in_place.panels(),
                       {},
                       g.activation,
                       g.parameter});
            CHECK(in_place.same_numbers(a), k.name << ": " << g.name << " in place, " << out << " columns");
        }
}
TEST(epilogue_f32) {
    check::for_each_instruction_set<float>(in_the_epilogue<float>);
}
TEST(epilogue_f64) {
    check::for_each_instruction_set<double>(in_the_epilogue<double>);
}

template <class T>
void softmax_rows(const Kernels<T>& k) {
    using R = Exact<T>;
    Random random(3);
    for (Index columns = 1; columns <= check::sized<Index>(70, 40); ++columns)
        for (const double spread : {0.0, 1.0, 30.0, 1e4, 1e30}) {
            const Index capacity = 9, n0 = 2, n1 = 8;
            Matrix<T> z(k.grid, capacity, columns);
            z.randomize(random, -spread, spread);
            if (columns > 2 && spread == 1.0) z(n0, random.whole(0, columns - 2)) = -std::numeric_limits<T>::infinity();
            if (spread == 30.0) z(n0, columns - 1) = T(-200);  // the padding's 0 is then the largest, were it looked at
            if (spread == 30.0)
                for (Index j = 0; j < columns; ++j) z(n0 + 1, j) -= T(300);
            const Matrix<T> a(k.grid, capacity, columns, check::untouched<T>), before(a), in_place(z);
            k.activate(z.panels(), a.panels(), {}, n0, n1, Activation::softmax, 0);
            k.activate(in_place.panels(), in_place.panels(), {}, n0, n1, Activation::softmax, 0);
            CHECK(a.same_outside(before, n0, n1), k.name << ": softmax outside its rows, " << columns << " columns");
            CHECK(a.zero_padding(n0, n1), k.name << ": softmax's padding, " << columns << " columns");
            for (Index n = n0; n < n1; ++n) {
                naive::Vector<R> row;
                for (Index j = 0; j < columns; ++j) row.push_back(static_cast<R>(z(n, j)));
                const naive::Vector<R> exact = naive::softmax(row);
                R top = row[0];
                for (const R x : row) top = std::max(top, x);
                for (Index j = 0; j < columns; ++j) {
                    CHECK(check::same_bits(a(n, j), in_place(n, j)),
                          k.name << ": softmax in place, " << columns << " columns");
                    // e^(z − top): the difference is rounded, which counts |z − top|/2 ulps; the sum has `columns` additions
                    const R away = std::min<R>(top - row[at(j)], 1000);
                    const double bound = 6 + static_cast<double>(columns) / 2 + static_cast<double>(away);
                    const double error = error_of<T>(a(n, j), exact[at(j)], exact[at(j)]);
                    CHECK(error <= bound, k.name << ": softmax(" << row[at(j)] << ") = " << a(n, j) << ", not "
                                                 << exact[at(j)] << ": " << error << " ulps, " << columns
                                                 << " columns");
                }
            }
        }
}
TEST(softmax_f32) {
    check::for_each_instruction_set<float>(softmax_rows<float>);
}
TEST(softmax_f64) {
    check::for_each_instruction_set<double>(softmax_rows<double>);
}

}  // namespace

TEST_MAIN
