// The kernels' table, from one source: included by kernels_*.cpp, each of which sets CHAINRULE_ISA and is compiled for it.
#include "chainrule/activations.hpp"
#include "chainrule/costs.hpp"
#include "chainrule/dense.hpp"
#include "chainrule/masks.hpp"
#include "chainrule/rows.hpp"
#include "chainrule/updates.hpp"

namespace chainrule::CHAINRULE_ISA {
namespace {

// --- activations on stretches of rows -------------------------------------------------------------------------------
template <class T, Activation A>
void activate_stretch(const T* z, T* a, T* d, Index count, T parameter) {
    if (d != nullptr) {
        for (Index at = 0; at < count; at += Simd<T>::lanes) {
            const Activated<T> g = activated<T, A>(load(z + at), parameter);
            store<T>(a + at, g.a);
            store<T>(d + at, g.d);
        }
    } else {
        for (Index at = 0; at < count; at += Simd<T>::lanes)
            store<T>(a + at, activated<T, A>(load(z + at), parameter).a);
    }
}

template <class T>
void activate_panel(Panels<T> z, Panels<T> a, Panels<T> d, Index p, Index n0, Index n1, Activation activation,
                    T parameter) {
    const Grid grid = grid_of<T>;
    const Index width = grid.width(z.columns, p), panel = p * grid.panel(), count = (n1 - n0) * width;
    const T* from = z.data + panel * z.capacity + n0 * width;
    T* to = a.data + panel * a.capacity + n0 * width;
    T* slope = d.data == nullptr ? nullptr : d.data + panel * d.capacity + n0 * width;
#define CHAINRULE_ACTIVATE(A) activate_stretch<T, A>(from, to, slope, count, parameter)
    CHAINRULE_ON_ACTIVATION(activation, CHAINRULE_ACTIVATE)
#undef CHAINRULE_ACTIVATE
}

// Call f(x, y, rows, width) for each panel's rows n0..n1, which are one stretch of memory, of two matrices of one shape.
template <class T, class F>
CHAINRULE_INLINE void over_stretches(const Panels<T>& first, const Panels<T>& second, Index n0, Index n1, F f) {
    const Grid grid = grid_of<T>;
    for (Index p = 0; p < grid.count(first.columns); ++p) {
        const Index width = grid.width(first.columns, p), panel = p * grid.panel();
        f(first.data + panel * first.capacity + n0 * width, second.data + panel * second.capacity + n0 * width, n1 - n0,
          width);
    }
}

template <class T>
void add(Panels<T> first, Panels<T> rest, Panels<T> z, Index n0, Index n1) {
    const Grid grid = grid_of<T>;
    for (Index p = 0; p < grid.count(z.columns); ++p) {
        const Index width = grid.width(z.columns, p), panel = p * grid.panel();
        const T *x = first.data + panel * first.capacity + n0 * width,
                *y = rest.data + panel * rest.capacity + n0 * width;
        T* to = z.data + panel * z.capacity + n0 * width;
        for (Index at = 0; at < (n1 - n0) * width; at += Simd<T>::lanes) store<T>(to + at, load(x + at) + load(y + at));
    }
}

template <class T>
void activate(Panels<T> z, Panels<T> a, Panels<T> d, Index n0, Index n1, Activation activation, double parameter) {
    if (activation == Activation::softmax) {
        softmax_rows<T>(z, a, n0, n1);
        return;
    }
    for (Index p = 0; p < grid_of<T>.count(z.columns); ++p)
        activate_panel<T>(z, a, d, p, n0, n1, activation, static_cast<T>(parameter));
}

template <class T>
void sum(const PartOfSum<T>& s) {
    product<T>(s.below, s.n0, s.n1, {s.weights, s.in, s.first, s.edge}, s.bias, s.z, [](Index, Index, Index) {});
}

template <class T>
void forward(const ForwardLayer<T>& f) {
    const Factor<T> weights{f.weights, f.below.columns, 0, f.edge};
    if (f.activation == Activation::softmax) {
        product<T>(f.below, f.n0, f.n1, weights, f.bias, f.z, [](Index, Index, Index) {});
        softmax_rows<T>(f.z, f.a, f.n0, f.n1);
        return;
    }
    const bool nothing_to_do = f.activation == Activation::identity && f.z.data == f.a.data && f.d.data == nullptr;
    product<T>(f.below, f.n0, f.n1, weights, f.bias, f.z, [&](Index p, Index n0, Index n1) {
        if (!nothing_to_do) activate_panel<T>(f.z, f.a, f.d, p, n0, n1, f.activation, static_cast<T>(f.parameter));
    });
}

// --- what steps do besides ---------------------------------------------------------------------------------------------
template <class T>
void smooth(Panels<T> y, Index n0, Index n1, double keep, double share) {
    const T kept = static_cast<T>(keep), added = static_cast<T>(share);
    for (Index n = n0; n < n1; ++n)
        over_row<T>(y, n, [&](Index at, Index lanes) {
            store<T>(y.data + at, first_lanes<T>(kept * load(y.data + at) + added, lanes, vec<T>{}));
        });
}

// Lengths are added up in double, where no square of a float is too small or too large.
template <class T>
bool constrain(T* weights, Index rows, Index width, double most) {
    constexpr int V = Simd<T>::lanes, D = Simd<double>::lanes;
    typedef T part __attribute__((vector_size(D * sizeof(T))));
    bool changed = false;
    for (Index v = 0; v < width; v += V) {
        vec<double> sums[V / D] = {};
        for (Index i = 0; i < rows; ++i)
            for (int h = 0; h < V / D; ++h) {
                part some;
                std::memcpy(&some, weights + i * width + v + h * D, sizeof some);
                const vec<double> w = __builtin_convertvector(some, vec<double>);
                sums[h] += w * w;
            }
        vec<T> factor = all<T>(1);
        bool longer = false;
        for (int lane = 0; lane < V; ++lane) {
            const double length = ::sqrt(sums[lane / D][lane % D]);
            if (!(length > most)) continue;
            factor[lane] = static_cast<T>(most / length);
            longer = true;
        }
        for (Index i = 0; longer && i < rows; ++i)
            store<T>(weights + i * width + v, load(weights + i * width + v) * factor);
        changed = changed || longer;
    }
    return changed;
}

// --- backward ---------------------------------------------------------------------------------------------------------
template <class T>
void multiply_by_derivative(T* delta, const T* a, const T* d, Index count, Activation activation, T parameter,
                            T of_relu = T(1)) {
    const vec<T> zero{};
    if (d != nullptr) {
        for (Index at = 0; at < count; at += Simd<T>::lanes) store<T>(delta + at, load(delta + at) * load(d + at));
    } else if (activation == Activation::relu) {  // a > 0 where z > 0
        for (Index at = 0; at < count; at += Simd<T>::lanes) {
            const vec<T> slope = load(a + at) > zero ? all<T>(of_relu) : zero;
            store<T>(delta + at, load(delta + at) * slope);
        }
    } else if (activation == Activation::leaky_relu) {
        for (Index at = 0; at < count; at += Simd<T>::lanes) {
            const vec<T> slope = load(a + at) > zero ? all<T>(1) : all<T>(parameter);
            store<T>(delta + at, load(delta + at) * slope);
        }
    }
}

template <class T>
void backward(const BackwardLayer<T>& b) {
    const Grid grid = grid_of<T>;
    product<T>(
        b.delta, b.n0, b.n1, {b.transposed, b.delta.columns}, nullptr, b.below, [&](Index p, Index n0, Index n1) {
            if (b.plain || b.activation == Activation::softmax) return;
            const Index width = grid.width(b.below.columns, p), panel = p * grid.panel();
            const T* d = b.d.data == nullptr ? nullptr : b.d.data + panel * b.d.capacity + n0 * width;
            const T* a = b.a.data == nullptr ? nullptr : b.a.data + panel * b.a.capacity + n0 * width;
            multiply_by_derivative<T>(b.below.data + panel * b.below.capacity + n0 * width, a, d, (n1 - n0) * width,
                                      b.activation, static_cast<T>(b.parameter), static_cast<T>(b.slope));
        });
    if (b.plain || b.activation != Activation::softmax) return;
    if (b.mask != nullptr) mask_rows<T>(*b.mask);
    softmax_product_rows<T>(b.mask != nullptr ? b.d : b.a, b.below, b.n0, b.n1);
}

template <class T>
void follow(Panels<T> dz, Panels<T> da, Panels<T> a, Panels<T> d, Index n0, Index n1, Activation activation,
            double parameter) {
    over_stretches<T>(dz, da, n0, n1, [](const T* from, T* to, Index rows, Index width) {
        std::memcpy(to, from, static_cast<std::size_t>(rows * width) * sizeof(T));
    });
    if (activation == Activation::softmax) return softmax_product_rows<T>(a, da, n0, n1);
    over_stretches<T>(d.data == nullptr ? a : d, da, n0, n1, [&](const T* slope, T* to, Index rows, Index width) {
        multiply_by_derivative<T>(to, slope, d.data == nullptr ? nullptr : slope, rows * width, activation,
                                  static_cast<T>(parameter));
    });
}

template <class T, Activation A>
void bend_stretch(const BentLayer<T>& b, Index begin, Index count) {
    for (Index at = begin; at < begin + count; at += Simd<T>::lanes) {
        const vec<T> a = load(b.a.data + at), e = load(b.delta.data + at), zero{};
        vec<T> d;
        if constexpr (A == Activation::identity) d = all<T>(1);
        else if constexpr (A == Activation::relu) d = a > zero ? all<T>(1) : zero;
        else if constexpr (A == Activation::leaky_relu) d = a > zero ? all<T>(1) : all<T>(static_cast<T>(b.parameter));
        else d = load(b.d.data + at);
        const vec<T> curved = second_derivative<T, A>(load(b.z.data + at), a, d);
        store<T>(b.bent.data + at, load(b.bent.data + at) * d + e * curved * load(b.dz.data + at));
        store<T>(b.delta.data + at, e * d);
    }
}

// All of the layer's panels have the same capacity.
template <class T>
void bend(const BentLayer<T>& b) {
    if (b.activation == Activation::softmax) return softmax_bent_rows<T>(b);
    const Grid grid = grid_of<T>;
    for (Index p = 0; p < grid.count(b.z.columns); ++p) {
        const Index width = grid.width(b.z.columns, p), begin = p * grid.panel() * b.z.capacity + b.n0 * width;
#define CHAINRULE_BEND(A) bend_stretch<T, A>(b, begin, (b.n1 - b.n0) * width)
        CHAINRULE_ON_ACTIVATION(b.activation, CHAINRULE_BEND)
#undef CHAINRULE_BEND
    }
}

template <class T>
void bias_gradient(Panels<T> delta, Index n, Index p, T* out, bool accumulate) {
    const Grid grid = grid_of<T>;
    const Index width = grid.width(delta.columns, p);
    const T* at = delta.data + p * grid.panel() * delta.capacity;
    const int vectors = static_cast<int>(width / Simd<T>::lanes);
    vec<T> sum[panel_vectors] = {};
    for (int v = 0; accumulate && v < vectors; ++v) sum[v] = load(out + v * Simd<T>::lanes);
    for (Index k = 0; k < n; ++k, at += width)
        for (int v = 0; v < vectors; ++v) sum[v] += load(at + v * Simd<T>::lanes);
    for (int v = 0; v < vectors; ++v) store<T>(out + v * Simd<T>::lanes, sum[v]);
}

template <class T, Rule R>
void update_by(const Step<T>& s, T* theta, const T* gradient, T* first, T* second, Index count, bool weights,
               Sums& sums) {
    if (s.plain()) update_stretch<T, R, true>(s, theta, gradient, first, second, count, weights, sums);
    else update_stretch<T, R, false>(s, theta, gradient, first, second, count, weights, sums);
}

template <class T>
void update(Rule rule, const Step<T>& s, T* theta, const T* gradient, T* first, T* second, Index count, bool weights,
            Sums& sums) {
    switch (rule) {
        case Rule::sgd: return update_by<T, Rule::sgd>(s, theta, gradient, first, second, count, weights, sums);
        case Rule::momentum:
            return update_by<T, Rule::momentum>(s, theta, gradient, first, second, count, weights, sums);
        case Rule::nesterov:
            return update_by<T, Rule::nesterov>(s, theta, gradient, first, second, count, weights, sums);
        case Rule::rmsprop: return update_by<T, Rule::rmsprop>(s, theta, gradient, first, second, count, weights, sums);
        case Rule::adam: return update_by<T, Rule::adam>(s, theta, gradient, first, second, count, weights, sums);
        case Rule::adamw: return update_by<T, Rule::adamw>(s, theta, gradient, first, second, count, weights, sums);
        case Rule::rprop: return update_by<T, Rule::rprop>(s, theta, gradient, first, second, count, weights, sums);
    }
}

template <class T>
void scale(Panels<T> from, const T* c, Panels<T> to, Index n0, Index n1) {
    over_stretches<T>(from, to, n0, n1, [&](const T* x, T* y, Index rows, Index width) {
        for (Index n = 0; n < rows; ++n)
            for (Index at = n * width; at < (n + 1) * width; at += Simd<T>::lanes)
                store<T>(y + at, load(x + at) * c[n0 + n]);
    });
}

template <class T>
void square(Panels<T> from, Panels<T> to, Index n0, Index n1, bool accumulate) {
    over_stretches<T>(from, to, n0, n1, [&](const T* x, T* y, Index rows, Index width) {
        for (Index at = 0; at < rows * width; at += Simd<T>::lanes) {
            const vec<T> v = load(x + at);
            store<T>(y + at, accumulate ? load(y + at) + v * v : v * v);
        }
    });
}

template <class T>
bool finite(Panels<T> x, Index n0, Index n1) {  // x·0 is 0 for finite x alone
    const Grid grid = grid_of<T>;
    vec<T> sum{};
    for (Index p = 0; p < grid.count(x.columns); ++p) {
        const Index width = grid.width(x.columns, p);
        const T* at = x.data + p * grid.panel() * x.capacity;
        for (Index k = n0 * width; k < n1 * width; k += Simd<T>::lanes) sum += load(at + k) * T(0);
    }
    return sum_lanes<T>(sum) == T(0);
}

template <class T>
constexpr Kernels<T> table() {
    return {CHAINRULE_ISA_NAME,
            grid_of<T>,
            tile_rows[panel_vectors],
            sum<T>,
            forward<T>,
            backward<T>,
            output_rows<T>,
            gradient_block_of<T>,
            bias_gradient<T>,
            update<T>,
            penalize_stretch<T>,
            stretch_length<T>,
            constrain<T>,
            transpose_block<T>,
            add<T>,
            activate<T>,
            gather_rows<T>,
            scale<T>,
            mask_rows<T>,
            noise_rows<T>,
            smooth<T>,
            follow<T>,
            bend<T>,
            square<T>,
            row_lengths<T>,
            finite<T>,
            row_product<T>};
}

}  // namespace

extern const Kernels<float> kernels_f32;
extern const Kernels<double> kernels_f64;
const Kernels<float> kernels_f32 = table<float>();
const Kernels<double> kernels_f64 = table<double>();

}  // namespace chainrule::CHAINRULE_ISA
