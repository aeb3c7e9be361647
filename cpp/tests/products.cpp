// The three products of a layer, and that of a single row: bit for bit the naive chain of multiply-adds in the order of k.
// That is what makes the bits independent of tiles, of blocks and of threads.
#include <algorithm>

#include "naive.hpp"
#include "panels.hpp"

namespace {

using namespace chainrule;
using check::Exactly;
using check::Matrix;
using check::nan_of;
using check::padded_vector;
using check::Random;
using check::untouched;
using naive::at;

// An instruction set without fused multiply-adds rounds twice, and so does its oracle.
template <class T>
bool fuses(const Kernels<T>& k) {
#if defined(__x86_64__)
    return std::string_view(k.name) != "baseline";
#else
    static_cast<void>(k);
    return true;  // every aarch64 has them
#endif
}

struct Shape {
    Index in, out, m;
};

std::ostream& operator<<(std::ostream& to, const Shape& s) {
    return to << s.in << " in, " << s.out << " out, " << s.m << " rows";
}

// Row-major 𝒲 as a matrix in panels, which is what its packing is.
template <class T>
Matrix<T> in_panels(Grid grid, const std::vector<T>& W, Index rows, Index columns) {
    Matrix<T> panels(grid, rows, columns);
    for (Index i = 0; i < rows; ++i)
        for (Index o = 0; o < columns; ++o) panels(i, o) = W[at(i * columns + o)];
    return panels;
}

// The columns of 𝒲 that kernels may work by dot products, transposed as they want them.
template <class T>
Matrix<T> edge_of(Grid grid, const std::vector<T>& W, Index in, Index out) {
    const Index columns = grid.edge(in, out);
    Matrix<T> edge(grid, columns, in, nan_of<T>);  // its padding is not read
    for (Index o = 0; o < columns; ++o)
        for (Index i = 0; i < in; ++i) edge(o, i) = W[at(i * out + out - columns + o)];
    return edge;
}

// Every width with every other, every width with every batch, and sizes that are larger than any block.
template <class F>
void for_each_shape(F f) {
    const Index step = check::sized<Index>(1, 3);
    for (Index in = 1; in <= 40; in += step)
        for (Index out = 1; out <= 40; out += step) f(Shape{in, out, 1 + (7 * in + 3 * out) % 20});
    for (Index width = 1; width <= 40; width += step)
        for (Index m = 1; m <= 20; m += step) f(Shape{1 + (width * 11 + m) % 40, width, m});
    for (const Shape& s : {Shape{1300, 29, 31}, {33, 70, 500}, {300, 13, 241}, {48, 31, 1300}, {13, 1300, 7}}) f(s);
    // with an edge, of each number of columns, on one instruction set or the other
    for (const Shape& s : {Shape{130, 1, 50}, {200, 66, 29}, {150, 99, 13}, {784, 100, 33}, {9, 5, 40}}) f(s);
    if (check::small()) return;
    for (const Shape& s : {Shape{500, 100, 239}, {260, 330, 97}, {129, 145, 193}, {2100, 20, 9}, {9, 20, 2100}}) f(s);
}

// Rows n0..n1 of a matrix with room for some more.
struct Range {
    Index capacity, n0, n1;
    Range(Random& random, Index rows)
        : capacity(rows + random.whole(0, 5)), n0(random.whole(0, capacity - rows)), n1(n0 + rows) {}
};

template <class T>
void forward_is_the_chain(const Kernels<T>& k) {
    Random random(1);
    for_each_shape([&](const Shape& s) {
        const Range range(random, s.m);
        Matrix<T> below(k.grid, range.capacity, s.in), z(k.grid, range.capacity, s.out, untouched<T>);
        below.randomize(random);
        below.set_padding(nan_of<T>);  // of A's columns only those that are there are read
        const Matrix<T> z_before(z);
        const bool has_bias = random.whole(0, 2) > 0;
        const std::vector<T> W = random.vector<T>(s.in * s.out), b = random.vector<T>(s.out);
        const Matrix<T> weights = in_panels(k.grid, W, s.in, s.out), edge = edge_of(k.grid, W, s.in, s.out);
        const Index by_dots = random.whole(0, 2) > 0 ? edge.capacity() : 0;
        const Exactly<T> bias = padded_vector(k.grid, b);
        k.forward({below.panels(),
                   range.n0,
                   range.n1,
                   weights.data(),
                   has_bias ? bias.data() : nullptr,
                   z.panels(),
                   z.panels(),
                   {},
                   Activation::identity,
                   0,
                   by_dots > 0 ? edge.data() : nullptr});
        CHECK(z.same_outside(z_before, range.n0, range.n1), k.name << ": rows outside the range, " << s);
        CHECK(z.zero_padding(range.n0, range.n1), k.name << ": padding, " << s);
        std::vector<T> x(at(s.in)), row_z(at(s.out));
        for (Index n = range.n0; n < range.n1; ++n) {
            for (Index i = 0; i < s.in; ++i) x[at(i)] = below(n, i);
            for (Index o = 0; o < s.out; ++o) {
                const T start = has_bias ? b[at(o)] : T(0);
                const T expected =
                    o < s.out - by_dots
                        ? naive::chain(fuses(k), s.in, x.data(), 1, W.data() + o, s.out, start)
                        : naive::dot(fuses(k), k.grid.lanes, s.in, x.data(), 1, W.data() + o, s.out) + start;
                CHECK(check::same_bits(z(n, o), expected), k.name << ' ' << check::name_of<T>() << ": z(" << n << ", "
                                                                  << o << ") = " << z(n, o) << ", not " << expected
                                                                  << ", " << s);
            }
            if (n > range.n0 + 1) continue;
            k.row(x.data(), W.data(), has_bias ? b.data() : nullptr, s.in, s.out, by_dots, row_z.data());
            for (Index o = 0; o < s.out; ++o)
                CHECK(check::same_bits(row_z[at(o)], z(n, o)),
                      k.name << ": the row's z_" << o << " = " << row_z[at(o)] << ", not " << z(n, o) << ", " << s);
        }
    });
}

// A sum over some of the inputs, from whole panels on, and the sum of two such sums.
template <class T>
void some_inputs_are_the_chain(const Kernels<T>& k) {
    Random random(3);
    for (const Index m : {1, 5, 33, 200})
        for (const Index out : {1, 17, 100, 150}) {
            const Index first = 2 * k.grid.panel(), in = first + random.whole(1, 3 * k.grid.panel());
            const Shape s{in, out, m};
            const Range range(random, m);
            const std::vector<T> W = random.vector<T>(in * out), b = random.vector<T>(out);
            const Matrix<T> weights = in_panels(k.grid, W, in, out), edge = edge_of(k.grid, W, in, out);
            const T* edge_data = edge.capacity() > 0 ? edge.data() : nullptr;
            const Exactly<T> bias = padded_vector(k.grid, b);
            for (const bool behind : {false, true}) {
                const Index i0 = behind ? first : 0, inputs = behind ? in - first : first;
                Matrix<T> below(k.grid, range.capacity, inputs), z(k.grid, range.capacity, out, untouched<T>);
                below.randomize(random);
                below.set_padding(nan_of<T>);
                const Matrix<T> z_before(z);
                const T* b_data = behind ? nullptr : bias.data();
                k.sum({below.panels(), range.n0, range.n1, weights.data(), b_data, in, i0, z.panels(), edge_data});
                CHECK(z.same_outside(z_before, range.n0, range.n1), k.name << ": rows outside the range, " << s);
                CHECK(z.zero_padding(range.n0, range.n1), k.name << ": padding, " << s);
                Matrix<T> sum(z);
                k.add(z.panels(), sum.panels(), sum.panels(), range.n0, range.n1);
                CHECK(sum.same_outside(z_before, range.n0, range.n1), k.name << ": added outside the range, " << s);
                std::vector<T> x(at(inputs));
                for (Index n = range.n0; n < range.n1; ++n) {
                    for (Index i = 0; i < inputs; ++i) x[at(i)] = below(n, i);
                    for (Index o = 0; o < out; ++o) {
                        const T start = behind ? T(0) : b[at(o)], *w = W.data() + i0 * out + o;
                        const T expected =
                            o < out - edge.capacity()
                                ? naive::chain(fuses(k), inputs, x.data(), 1, w, out, start)
                                : naive::dot(fuses(k), k.grid.lanes, inputs, x.data(), 1, w, out) + start;
                        CHECK(check::same_bits(z(n, o), expected),
                              k.name << ' ' << check::name_of<T>() << ": inputs from " << i0 << " on, z(" << n << ", "
                                     << o << ") = " << z(n, o) << ", not " << expected << ", " << s);
                        CHECK(check::same_bits(sum(n, o), expected + expected), k.name << ": z + z, " << s);
                    }
                }
            }
        }
}

// Widths of the single row's own tiles: eight vectors, four, one, and the last one again.
template <class T>
void row_is_the_chain(const Kernels<T>& k) {
    Random random(2);
    for (Index out = 1; out <= check::sized<Index>(300, 150); ++out)
        for (const Index in : {Index{1}, Index{37}}) {
            const Exactly<T> x(in, T(0.75)), weights(in * out), bias(out);
            for (Index e = 0; e < in * out; ++e) weights[e] = static_cast<T>(random.between(-1, 1));
            for (Index o = 0; o < out; ++o) bias[o] = static_cast<T>(random.between(-1, 1));
            for (const bool has_bias : {false, true}) {
                const Exactly<T> z(out, untouched<T>);
                k.row(x.data(), weights.data(), has_bias ? bias.data() : nullptr, in, out, 0, z.data());
                for (Index o = 0; o < out; ++o) {
                    const T expected =
                        naive::chain(fuses(k), in, x.data(), 1, weights.data() + o, out, has_bias ? bias[o] : T(0));
                    CHECK(check::same_bits(z[o], expected),
                          k.name << ": z_" << o << " of " << out << ", " << in << " in");
                }
            }
        }
}

struct Below {
    Activation activation;
    bool stored;  // g' as d, or read off a
    double parameter;
};
constexpr Below belows[] = {{Activation::identity, false, 0}, {Activation::relu, false, 0},
                            {Activation::tanh, true, 0},      {Activation::leaky_relu, false, 0.25},
                            {Activation::relu, true, 0},      {Activation::softmax, false, 0}};

template <class T>
void backward_is_the_chain(const Kernels<T>& k) {
    Random random(3);
    Index turn = 0;
    for_each_shape([&](const Shape& s) {
        const Below& g = belows[turn++ % 6];
        const bool plain = turn % 11 == 0;
        const Range range(random, s.m);
        Matrix<T> delta(k.grid, range.capacity, s.out), a(k.grid, range.capacity, s.in),
            d(k.grid, range.capacity, s.in), below(k.grid, range.capacity, s.in, untouched<T>);
        delta.randomize(random);
        delta.set_padding(nan_of<T>);  // as an operand it is not read there
        a.randomize(random);
        d.randomize(random);
        std::vector<naive::Vector<naive::Exact<T>>> softmaxes(at(range.capacity));
        if (g.activation == Activation::softmax)
            for (Index n = 0; n < range.capacity; ++n) {
                for (Index i = 0; i < s.in; ++i) softmaxes[at(n)].push_back(a(n, i));
                softmaxes[at(n)] = naive::softmax(softmaxes[at(n)]);
                for (Index i = 0; i < s.in; ++i) a(n, i) = static_cast<T>(softmaxes[at(n)][at(i)]);
                for (Index i = 0; i < s.in; ++i) softmaxes[at(n)][at(i)] = a(n, i);
            }
        const Matrix<T> before(below);
        const std::vector<T> W = random.vector<T>(s.in * s.out);
        std::vector<T> Wt(W.size());
        for (Index i = 0; i < s.in; ++i)
            for (Index o = 0; o < s.out; ++o) Wt[at(o * s.in + i)] = W[at(i * s.out + o)];
        const Matrix<T> transposed = in_panels(k.grid, Wt, s.out, s.in);
        k.backward({delta.panels(), range.n0, range.n1, transposed.data(), below.panels(),
                    plain ? Panels<T>{} : a.panels(), g.stored && !plain ? d.panels() : Panels<T>{}, g.activation,
                    g.parameter, plain});
        CHECK(below.same_outside(before, range.n0, range.n1), k.name << ": rows outside the range, " << s);
        CHECK(below.zero_padding(range.n0, range.n1), k.name << ": padding, " << s);
        std::vector<T> row(at(s.out));
        for (Index n = range.n0; n < range.n1; ++n) {
            for (Index o = 0; o < s.out; ++o) row[at(o)] = delta(n, o);
            std::vector<T> expected(at(s.in));
            for (Index i = 0; i < s.in; ++i) {
                const T sum = naive::chain(fuses(k), s.out, row.data(), 1, W.data() + i * s.out, 1, T(0));
                const T slope = g.stored                           ? d(n, i)
                                : g.activation == Activation::relu ? T(a(n, i) > 0 ? 1 : 0)
                                : g.activation == Activation::leaky_relu
                                    ? a(n, i) > 0 ? T(1) : static_cast<T>(g.parameter)
                                    : T(1);
                expected[at(i)] = plain ? sum : sum * slope;
            }
            if (g.activation == Activation::softmax && !plain) {
                using R = naive::Exact<T>;
                const naive::Vector<R> product = naive::softmax_product(softmaxes[at(n)], naive::widened<R>(expected));
                R largest = 0;
                for (const T e : expected) largest = std::max<R>(largest, std::fabs(static_cast<R>(e)));
                for (Index i = 0; i < s.in; ++i) {
                    // ⟨a, v⟩ is added up in T: each of its `in` summands, at most a_i·max|v|, costs half a unit; Σa = 1
                    const R bound = static_cast<R>(std::numeric_limits<T>::epsilon()) * largest *
                                    static_cast<R>(s.in + 4) * softmaxes[at(n)][at(i)];
                    CHECK(std::fabs(static_cast<R>(below(n, i)) - product[at(i)]) <= bound,
                          k.name << ": softmax below(" << n << ", " << i << ") = " << below(n, i) << ", not "
                                 << product[at(i)] << ", " << s);
                }
                continue;
            }
            for (Index i = 0; i < s.in; ++i)
                CHECK(below(n, i) == expected[at(i)],  // ±0 alike: 0·(−1) and 0·1 are both 0
                      k.name << ' ' << check::name_of<T>() << ": below(" << n << ", " << i << ") = " << below(n, i)
                             << ", not " << expected[at(i)] << ", " << s);
        }
    });
}

template <class T>
void gradient_is_the_chain(const Kernels<T>& k) {
    Random random(4);
    for_each_shape([&](const Shape& s) {
        const Index capacity = s.m + random.whole(0, 5), panel = k.grid.panel();
        Matrix<T> below(k.grid, capacity, s.in, nan_of<T>), delta(k.grid, capacity, s.out, nan_of<T>);
        for (Index n = 0; n < s.m; ++n) {  // behind row m there is nothing to be read
            for (Index i = 0; i < s.in; ++i) below(n, i) = static_cast<T>(random.between(-1, 1));
            for (Index o = 0; o < delta.padded(); ++o)
                delta(n, o) = o < s.out ? static_cast<T>(random.between(-1, 1)) : T(0);
        }
        const Index i0 = random.whole(0, 2) == 0 ? random.whole(0, s.in - 1) : 0;
        const Index i1 = random.whole(0, 2) == 0 ? random.whole(i0 + 1, s.in) : s.in;
        for (Index p = 0; p * panel < s.out; ++p) {
            const Index width = std::min(panel, delta.padded() - p * panel);
            const bool accumulate = random.whole(0, 1) == 1;
            Exactly<T> out((i1 - i0) * width, accumulate ? T(0) : untouched<T>);
            for (Index e = 0; accumulate && e < out.size(); ++e)
                if (p * panel + e % width < s.out) out[e] = static_cast<T>(random.between(-1, 1));
            const Exactly<T> before(out);
            if (random.whole(0, 1) == 0) {
                k.gradient({below.panels(), delta.panels(), s.m, i0, i1, p, out.data(), accumulate});
            } else {  // and meanwhile ask for the lines of some rows, here of 𝒲's own gradient
                const std::vector<Index> which(at(random.whole(0, 20)), 0);
                const Index all = static_cast<Index>(which.size());
                Coming coming{reinterpret_cast<const std::byte*>(out.data()), 0, which.data(), all,
                              random.whole(1, 60)};
                Index lines = std::min(random.whole(1, 100), coming.lines * all);
                k.gradient({below.panels(), delta.panels(), s.m, i0, i1, p, out.data(), accumulate, &coming, lines});
                if (width == k.grid.lanes && k.grid.edge(s.in, s.out) > 0 && (p + 1) * panel >= s.out) lines = 0;
                const Index asked = coming.row * coming.lines + coming.line;
                CHECK(coming.row <= all && coming.line <= coming.lines, k.name << ": beyond what is coming, " << s);
                CHECK(asked >= std::min(lines, coming.lines),
                      k.name << ": " << asked << " lines of " << lines << ", " << s);
            }
            std::vector<T> column(at(s.m)), other(at(s.m));
            for (Index i = i0; i < i1; ++i) {
                for (Index n = 0; n < s.m; ++n) column[at(n)] = below(n, i);
                for (Index o = 0; o < width; ++o) {
                    const Index e = (i - i0) * width + o;
                    if (p * panel + o >= s.out) {
                        CHECK(out[e] == T(0), k.name << ": padding " << out[e] << ", " << s);
                        continue;
                    }
                    for (Index n = 0; n < s.m; ++n) other[at(n)] = delta(n, p * panel + o);
                    const T expected =
                        naive::chain(fuses(k), s.m, column.data(), 1, other.data(), 1, accumulate ? before[e] : T(0));
                    CHECK(check::same_bits(out[e], expected),
                          k.name << ' ' << check::name_of<T>() << ": G(" << i << ", " << p * panel + o << ") = "
                                 << out[e] << ", not " << expected << ", rows " << i0 << " to " << i1 << ", " << s);
                }
            }
        }
    });
}

template <class T>
void bias_gradient_is_the_sum(const Kernels<T>& k) {
    Random random(5);
    for (Index out = 1; out <= 40; ++out)
        for (const Index m : {1, 2, 7, 20, 300}) {
            const Index capacity = m + random.whole(0, 5), panel = k.grid.panel();
            Matrix<T> delta(k.grid, capacity, out, nan_of<T>);
            for (Index n = 0; n < m; ++n)
                for (Index o = 0; o < delta.padded(); ++o)
                    delta(n, o) = o < out ? static_cast<T>(random.between(-1, 1)) : T(0);
            for (Index p = 0; p * panel < out; ++p)
                for (const bool accumulate : {false, true}) {
                    const Exactly<T> sums(std::min(panel, delta.padded() - p * panel),
                                          accumulate ? T(0.5) : untouched<T>);
                    k.bias_gradient(delta.panels(), m, p, sums.data(), accumulate);
                    for (Index o = 0; o < sums.size(); ++o) {
                        T expected = accumulate ? T(0.5) : T(0);
                        for (Index n = 0; n < m; ++n) expected += delta(n, p * panel + o);
                        CHECK(check::same_bits(sums[o], expected),
                              k.name << ": Σδ_" << p * panel + o << ", " << m << " rows");
                    }
                }
        }
}

// 𝒲ᵀ, in one go or in blocks of rows; what belongs to other blocks is left alone.
template <class T>
void transpose_is_exact(const Kernels<T>& k) {
    Random random(6);
    const auto run = [&](Index in, Index out) {
        const std::vector<T> W = random.vector<T>(in * out);
        const Matrix<T> weights = in_panels(k.grid, W, in, out);
        const Matrix<T> whole(k.grid, out, in, untouched<T>), part(k.grid, out, in, untouched<T>);
        const Index panel = k.grid.panel(), panels = (out + panel - 1) / panel;
        const auto transpose = [&](Index o0, Index o1, Index i0, Index i1, const Matrix<T>& into, Index first) {
            k.transpose({weights.data(), in, out, o0, o1, i0, i1, into.panels(), first});
        };
        for (Index p = 0; p < panels; ++p) transpose(p * panel, std::min(out, (p + 1) * panel), 0, in, whole, 0);
        const Index p = random.whole(0, panels - 1), i0 = random.whole(0, in - 1), i1 = random.whole(i0 + 1, in);
        transpose(p * panel, std::min(out, (p + 1) * panel), i0, i1, part, 0);
        const Index columns = random.whole(1, out - (panels - 1) * panel);  // the last ones, into rows of their own
        const Matrix<T> last(k.grid, columns, in, untouched<T>);
        transpose(out - columns, out, i0, i1, last, out - columns);
        for (Index o = 0; o < out; ++o)
            for (Index i = 0; i < whole.padded(); ++i) {
                const T expected = i < in ? W[at(i * out + o)] : untouched<T>;
                CHECK(check::same_bits(whole(o, i), expected),
                      k.name << ": 𝒲ᵀ(" << o << ", " << i << "), " << in << " × " << out);
                const bool mine = i >= i0 && i < i1 && o / panel == p;
                CHECK(check::same_bits(part(o, i), mine ? expected : untouched<T>),
                      k.name << ": 𝒲ᵀ(" << o << ", " << i << ") of a block, " << in << " × " << out);
                if (o < out - columns) continue;
                CHECK(check::same_bits(last(o - out + columns, i), i >= i0 && i < i1 ? expected : untouched<T>),
                      k.name << ": 𝒲ᵀ(" << o << ", " << i << ") of the last columns, " << in << " × " << out);
            }
    };
    const Index step = check::sized<Index>(1, 3);
    for (Index in = 1; in <= 40; in += step)
        for (Index out = 1; out <= 40; out += step) run(in, out);
    run(301, 123);
    run(50, 515);
}

#define FOR_BOTH(name)                                         \
    TEST(name##_f32) {                                         \
        check::for_each_instruction_set<float>(name<float>);   \
    }                                                          \
    TEST(name##_f64) {                                         \
        check::for_each_instruction_set<double>(name<double>); \
    }
FOR_BOTH(forward_is_the_chain)
FOR_BOTH(some_inputs_are_the_chain)
FOR_BOTH(row_is_the_chain)
FOR_BOTH(backward_is_the_chain)
FOR_BOTH(gradient_is_the_chain)
FOR_BOTH(bias_gradient_is_the_sum)
FOR_BOTH(transpose_is_exact)

}  // namespace

TEST_MAIN
