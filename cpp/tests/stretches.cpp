// The kernels that go over rows as derivatives need them: follow, bend, scale, square, lengths, against naive ones, for any
// range of rows. What is single operations is the same bits; rows outside the range are never written, and padding that
// was 0 stays 0.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "naive.hpp"
#include "panels.hpp"

namespace {

using namespace chainrule;
using check::Matrix;
using check::nan_of;
using check::Random;
using check::untouched;
using naive::at;
using naive::Exact;
using naive::Vector;

constexpr Activation all[] = {Activation::identity,   Activation::logistic, Activation::tanh, Activation::relu,
                              Activation::leaky_relu, Activation::elu,      Activation::selu, Activation::gelu,
                              Activation::silu,       Activation::softplus, Activation::mish, Activation::softsign,
                              Activation::exp,        Activation::softmax};
constexpr double parameter = 0.3;
constexpr Index capacity = 29;

bool reads_slope_off_a(Activation g) {
    return g == Activation::identity || g == Activation::relu || g == Activation::leaky_relu ||
           g == Activation::softmax;
}

// f(columns, n0, n1) for widths around vectors and panels, and ranges of rows.
template <class F>
void for_each_size(Random& random, F f) {
    for (Index columns = 1; columns <= check::sized<Index>(70, 25); ++columns) {
        const Index n0 = random.whole(0, 12);
        f(columns, n0, random.whole(n0, capacity));
    }
    for (const Index columns : {95, 96, 129}) f(columns, Index{0}, capacity);
}

// Rows n0..n1 of a layer, as a forward pass leaves them, padding included; kinks are among them.
template <class T>
struct Activations {
    Matrix<T> z, a, d;

    Activations(const Kernels<T>& k, Random& random, Activation g, Index columns)
        : z(k.grid, capacity, columns), a(z), d(z) {
        z.randomize(random, -3, 3);
        for (Index n = 0; n < capacity; n += 3) z(n, n % columns) = T(0);
        k.activate(z.panels(), a.panels(), reads_slope_off_a(g) ? Panels<T>{} : d.panels(), 0, capacity, g, parameter);
    }
    [[nodiscard]] Panels<T> slopes(Activation g) const { return reads_slope_off_a(g) ? Panels<T>{} : d.panels(); }
};

template <class T>
Vector<Exact<T>> row_of(const Matrix<T>& matrix, Index n) {
    Vector<Exact<T>> row;
    for (Index j = 0; j < matrix.columns(); ++j) row.push_back(static_cast<Exact<T>>(matrix(n, j)));
    return row;
}

// Of the size of what it was added up from: the roundings of g, g', g'' (at most ten each, activations.cpp) and of the
// sums; those of softmax have a summand for each column.
template <class R>
R roundings(Activation g, Index columns) {
    return R(40) + (g == Activation::softmax ? R(3) * static_cast<R>(columns) : R(0));
}

template <class T>
void follow(const Kernels<T>& k) {
    using R = Exact<T>;
    constexpr R epsilon = std::numeric_limits<T>::epsilon();
    Random random(1);
    for (const Activation g : all)
        for_each_size(random, [&](Index columns, Index n0, Index n1) {
            const std::string what = std::string(k.name) + ' ' + check::name_of<T>() + ": follow, activation " +
                                     std::to_string(static_cast<int>(g)) + ", " + std::to_string(columns) + " columns";
            const Activations<T> layer(k, random, g, columns);
            Matrix<T> dz(k.grid, capacity, columns), da(k.grid, capacity, columns, untouched<T>);
            dz.randomize(random);
            const Matrix<T> dz_before(dz), before(da);
            k.follow(dz.panels(), da.panels(), layer.a.panels(), layer.slopes(g), n0, n1, g, parameter);
            CHECK(dz.same_numbers(dz_before), what << ": dz is read only");
            CHECK(da.same_outside(before, n0, n1), what << ": rows outside " << n0 << ".." << n1);
            CHECK(da.zero_padding(n0, n1), what << ": padding");
            for (Index n = n0; n < n1; ++n) {
                const Vector<R> z = row_of(layer.z, n), along = row_of(dz, n);
                const Vector<R> exact = naive::activation_vjp(g, static_cast<R>(static_cast<T>(parameter)), z, along);
                R inner = 0;
                const Vector<R> a = naive::softmax(z);
                for (Index j = 0; j < columns; ++j) inner += a[at(j)] * std::fabs(along[at(j)]);
                for (Index j = 0; j < columns; ++j) {
                    if (g != Activation::softmax) {
                        const T slope =
                            reads_slope_off_a(g)
                                ? static_cast<T>(naive::activated<T>(g, static_cast<T>(parameter), layer.z(n, j)).d)
                                : layer.d(n, j);
                        CHECK(check::same_bits(da(n, j), dz(n, j) * slope), what << ": " << da(n, j));
                        continue;
                    }
                    const R size = a[at(j)] * (std::fabs(along[at(j)]) + inner);
                    CHECK(
                        std::fabs(static_cast<R>(da(n, j)) - exact[at(j)]) <= roundings<R>(g, columns) * epsilon * size,
                        what << ": " << da(n, j) << ", not " << exact[at(j)]);
                }
            }
        });
}
TEST(follow_f32) {
    check::for_each_instruction_set<float>(follow<float>);
}
TEST(follow_f64) {
    check::for_each_instruction_set<double>(follow<double>);
}

template <class T>
void bend(const Kernels<T>& k) {
    using R = Exact<T>;
    constexpr R epsilon = std::numeric_limits<T>::epsilon();
    Random random(2);
    for (const Activation g : all)
        for_each_size(random, [&](Index columns, Index n0, Index n1) {
            const std::string what = std::string(k.name) + ' ' + check::name_of<T>() + ": bend, activation " +
                                     std::to_string(static_cast<int>(g)) + ", " + std::to_string(columns) + " columns";
            const Activations<T> layer(k, random, g, columns);
            Matrix<T> dz(k.grid, capacity, columns), e(dz), d_e(dz);
            for (const Matrix<T>* matrix : {&dz, &e, &d_e}) matrix->randomize(random);
            const Matrix<T> delta(e), bent(d_e);
            k.bend({layer.z.panels(), layer.a.panels(), layer.slopes(g), dz.panels(), delta.panels(), bent.panels(), n0,
                    n1, g, parameter});
            for (const auto& [now, before] : {std::pair(&delta, &e), std::pair(&bent, &d_e)}) {
                CHECK(now->same_outside(*before, n0, n1), what << ": rows outside " << n0 << ".." << n1);
                CHECK(now->zero_padding(n0, n1), what << ": padding");
            }
            const R p = static_cast<R>(static_cast<T>(parameter));
            for (Index n = n0; n < n1; ++n) {
                const Vector<R> z = row_of(layer.z, n), zdot = row_of(dz, n), cotangent = row_of(e, n),
                                moving = row_of(d_e, n);
                const Vector<R> exact_delta = naive::activation_vjp(g, p, z, cotangent);
                const Vector<R> a = naive::softmax(z);
                const Vector<R> exact_bent = naive::bent(g, p, z, zdot, cotangent, moving);
                for (Index j = 0; j < columns; ++j) {
                    R of_delta, of_bent;             // sizes of summands
                    if (g == Activation::softmax) {  // every entry of each vector is at most 1
                        of_delta = 2 * a[at(j)], of_bent = 8 * a[at(j)];
                    } else {
                        const naive::Activated<R> first = naive::activated(g, p, z[at(j)]);
                        of_delta = std::fabs(cotangent[at(j)]) * first.terms;
                        of_bent =
                            std::fabs(moving[at(j)]) * first.terms +
                            std::fabs(cotangent[at(j)] * zdot[at(j)]) * naive::second_derivative(g, p, z[at(j)]).terms;
                    }
                    const R bound = roundings<R>(g, columns) * epsilon;
                    CHECK(std::fabs(static_cast<R>(delta(n, j)) - exact_delta[at(j)]) <= bound * of_delta,
                          what << ": δ = " << delta(n, j) << ", not " << exact_delta[at(j)]);
                    CHECK(std::fabs(static_cast<R>(bent(n, j)) - exact_bent[at(j)]) <= bound * of_bent,
                          what << ": R{δ} = " << bent(n, j) << ", not " << exact_bent[at(j)]);
                }
            }
        });
}
TEST(bend_f32) {
    check::for_each_instruction_set<float>(bend<float>);
}
TEST(bend_f64) {
    check::for_each_instruction_set<double>(bend<double>);
}

// scale and square: from one matrix into another, and in place.
template <class T>
void single_operations(const Kernels<T>& k) {
    Random random(3);
    for_each_size(random, [&](Index columns, Index n0, Index n1) {
        const std::string what =
            std::string(k.name) + ' ' + check::name_of<T>() + ", " + std::to_string(columns) + " columns";
        Matrix<T> x(k.grid, capacity, columns), more(x);
        x.randomize(random, -3, 3);
        more.randomize(random, -3, 3);
        std::vector<T> c = random.vector<T>(capacity, -2, 2);
        c[at(capacity - 1)] = T(0);
        const auto held_to = [&](const char* name, auto run, auto formula, bool fresh) {
            const Matrix<T> from(x);
            Matrix<T> apart(more);
            apart.set_padding(untouched<T>);
            run(from.panels(), apart.panels());
            CHECK(from.same_numbers(x), what << ": " << name << " reads only");
            Matrix<T> expected(more);
            for (Index n = n0; n < n1; ++n)
                for (Index j = 0; j < columns; ++j) expected(n, j) = formula(n, x(n, j), more(n, j));
            bool right = true;
            for (Index n = n0; n < n1; ++n)
                for (Index j = 0; j < columns; ++j) right = right && check::same_bits(apart(n, j), expected(n, j));
            CHECK(right && (!fresh || apart.zero_padding(n0, n1)), what << ": " << name);
            Matrix<T> outside(more);
            outside.set_padding(untouched<T>);
            CHECK(apart.same_outside(outside, n0, n1), what << ": " << name << ", rows outside " << n0 << ".." << n1);
        };
        held_to(
            "scale", [&](Panels<T> from, Panels<T> to) { k.scale(from, c.data(), to, n0, n1); },
            [&](Index n, T value, T) { return value * c[at(n)]; }, true);
        held_to(
            "square", [&](Panels<T> from, Panels<T> to) { k.square(from, to, n0, n1, false); },
            [](Index, T value, T) { return value * value; }, true);
        held_to(
            "square, added", [&](Panels<T> from, Panels<T> to) { k.square(from, to, n0, n1, true); },
            [](Index, T value, T there) { return there + value * value; }, false);
        const Matrix<T> scaled(x), squared(x);
        k.scale(scaled.panels(), c.data(), scaled.panels(), n0, n1);
        k.square(squared.panels(), squared.panels(), n0, n1, false);
        bool right = scaled.zero_padding(0, capacity) && squared.zero_padding(0, capacity);
        for (Index n = n0; n < n1; ++n)
            for (Index j = 0; j < columns; ++j)
                right = right && check::same_bits(scaled(n, j), x(n, j) * c[at(n)]) &&
                        check::same_bits(squared(n, j), x(n, j) * x(n, j));
        CHECK(right && scaled.same_outside(x, n0, n1) && squared.same_outside(x, n0, n1), what << ": in place");
    });
}
TEST(scale_and_square_f32) {
    check::for_each_instruction_set<float>(single_operations<float>);
}
TEST(scale_and_square_f64) {
    check::for_each_instruction_set<double>(single_operations<double>);
}

// In double, whatever T is: squares of floats neither vanish nor overflow. Padding isn't looked at.
template <class T>
void lengths(const Kernels<T>& k) {
    using R = long double;
    Random random(4);
    for_each_size(random, [&](Index columns, Index n0, Index n1) {
        for (const double size : {1.0, 1e-30, 1e30}) {
            Matrix<T> x(k.grid, capacity, columns);
            x.randomize(random, -size, size);
            x.set_padding(nan_of<T>);
            std::vector<double> out(at(capacity), untouched<double>);
            k.lengths(x.panels(), n0, n1, out.data());
            for (Index n = 0; n < capacity; ++n) {
                R exact = 0;
                for (Index j = 0; j < columns; ++j) exact += static_cast<R>(x(n, j)) * static_cast<R>(x(n, j));
                const R bound = static_cast<R>(columns + 2) * std::numeric_limits<double>::epsilon() * exact;
                const bool right = n < n0 || n >= n1 ? out[at(n)] == untouched<double>
                                                     : std::fabs(static_cast<R>(out[at(n)]) - exact) <= bound;
                CHECK(right, k.name << ' ' << check::name_of<T>() << ": ‖·‖² of row " << n << " of " << columns
                                    << " columns: " << out[at(n)] << ", not " << exact);
            }
        }
    });
}
TEST(lengths_f32) {
    check::for_each_instruction_set<float>(lengths<float>);
}
TEST(lengths_f64) {
    check::for_each_instruction_set<double>(lengths<double>);
}

}  // namespace

TEST_MAIN
