// The naive kernels: every formula as the equations have it, one element at a time, in whatever precision R is asked for.
// They are the oracles of these tests. Nothing in them is fast, shared with cpp/src, or clever.
//
// Axes: m examples, n_ℓ units of layer ℓ. Matrices are row-major vectors.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "chainrule/epoch.hpp"
#include "chainrule/kernels.hpp"
#include "chainrule/plan.hpp"

namespace naive {

using chainrule::Activation;
using chainrule::Cost;
using chainrule::Index;
using chainrule::Matched;
using chainrule::Plan;
using chainrule::Rule;

// The precision in which T is judged: at least ten bits more. (long double is 80 bits on x86, 128 on Arm.)
template <class T>
using Exact = std::conditional_t<sizeof(T) == 4, double, long double>;

template <class R>
using Vector = std::vector<R>;

inline std::size_t at(Index k) {
    return static_cast<std::size_t>(k);
}

template <class R, class T>
Vector<R> widened(const Vector<T>& v) {
    return Vector<R>(v.begin(), v.end());
}

// --- products -----------------------------------------------------------------------------------------------------------
// x·y + z as the instruction set at hand has it: rounded once, or (the baseline of x86-64) twice.
template <class T>
T multiply_add(bool fused, T x, T y, T z) {
    if (fused) return std::fma(x, y, z);
    const T product = x * y;
    return product + z;
}

// start + Σ_k x_k y_k in the order of k; x_k are `x_step` apart, y_k `y_step`.
template <class T>
T chain(bool fused, Index count, const T* x, Index x_step, const T* y, Index y_step, T start) {
    T sum = start;
    for (Index k = 0; k < count; ++k) sum = multiply_add(fused, x[k * x_step], y[k * y_step], sum);
    return sum;
}

// Σ_k x_k y_k as chains over every lanes-th k, one for each lane, which are then added up by halves.
template <class T>
T dot(bool fused, int lanes, Index count, const T* x, Index x_step, const T* y, Index y_step) {
    std::vector<T> sums;
    for (Index lane = 0; lane < lanes; ++lane)
        sums.push_back(chain(fused, lane < count ? (count - lane + lanes - 1) / lanes : 0, x + lane * x_step,
                             lanes * x_step, y + lane * y_step, lanes * y_step, T(0)));
    for (; sums.size() > 1; sums.resize(sums.size() / 2))
        for (std::size_t lane = 0; lane < sums.size() / 2; ++lane) sums[lane] += sums[lane + sums.size() / 2];
    return sums.front();
}

// Z = A𝒲 + b (E1): A is m × in, 𝒲 in × out; b may be empty.
template <class R>
Vector<R> affine(const Vector<R>& A, const R* W, const R* b, Index m, Index in, Index out) {
    Vector<R> Z(at(m * out));
    for (Index n = 0; n < m; ++n)
        for (Index o = 0; o < out; ++o) {
            R sum = b == nullptr ? R(0) : b[o];
            for (Index i = 0; i < in; ++i) sum += A[at(n * in + i)] * W[i * out + o];
            Z[at(n * out + o)] = sum;
        }
    return Z;
}

template <class R>
Vector<R> row_of(const Vector<R>& matrix, Index n, Index columns) {
    return Vector<R>(matrix.begin() + n * columns, matrix.begin() + (n + 1) * columns);
}

// The matrix whose rows are row(0), …, row(m − 1).
template <class R, class F>
Vector<R> by_row(Index m, F row) {
    Vector<R> matrix;
    for (Index n = 0; n < m; ++n) {
        const Vector<R> next = row(n);
        matrix.insert(matrix.end(), next.begin(), next.end());
    }
    return matrix;
}

// Δ𝒲ᵀ (E6, E9): Δ is m × out.
template <class R>
Vector<R> times_transposed(const Vector<R>& delta, const R* W, Index m, Index in, Index out) {
    Vector<R> below(at(m * in));
    for (Index n = 0; n < m; ++n)
        for (Index i = 0; i < in; ++i)
            for (Index o = 0; o < out; ++o) below[at(n * in + i)] += delta[at(n * out + o)] * W[i * out + o];
    return below;
}

// --- activations: the formulas of src/chainrule/maths/activations.py ----------------------------------------------------
template <class R>
R logistic(R z) {
    const R q = std::exp(-std::fabs(z));
    return (z < 0 ? q : R(1)) / (1 + q);
}
template <class R>
R logistic_derivative(R z) {
    const R q = std::exp(-std::fabs(z));
    return q / ((1 + q) * (1 + q));
}
template <class R>
R normal_cdf(R z) {
    return std::erfc(-z * std::sqrt(R(0.5))) / 2;
}
template <class R>
R normal_pdf(R z) {
    return std::exp(-z * z / 2) / std::sqrt(8 * std::atan(R(1)));
}
template <class R>
struct MishParts {
    R t, w;  // t = tanh(softplus(z)), w = 1 − t²
};
template <class R>
MishParts<R> mish_parts(R z) {
    const R q = std::exp(-std::fabs(z));
    const R top = z < 0 ? q * (q + 2) : 1 + 2 * q;
    const R bottom = z < 0 ? top + 2 : top + 2 * q * q;
    const R root = 2 * (1 + q) * (z < 0 ? R(1) : q) / bottom;
    return {top / bottom, root * root};
}

// g(z), g'(z), and what g' was added up from: where its summands cancel, it is as exact as they are.
template <class R>
struct Activated {
    R a, d, terms;
};

template <class R>
Activated<R> activated(Activation g, R parameter, R z) {
    const auto with = [](R a, R d) { return Activated<R>{a, d, std::fabs(d)}; };
    const auto elu = [&](R alpha, R scale) {
        return z > 0 ? with(scale * z, scale) : with(scale * alpha * std::expm1(z), scale * alpha * std::exp(z));
    };
    switch (g) {
        case Activation::identity: return with(z, 1);
        case Activation::logistic: return with(logistic(z), logistic_derivative(z));
        case Activation::tanh: return with(std::tanh(z), 4 * logistic_derivative(2 * z));
        case Activation::relu: return with(z < 0 ? R(0) : z, z > 0 ? 1 : 0);
        case Activation::leaky_relu: return z > 0 ? with(z, 1) : with(parameter * z, parameter);
        case Activation::elu: return elu(parameter, 1);
        case Activation::selu: return elu(R(1.6732632423543772), R(1.0507009873554805));
        case Activation::gelu: {
            const R cdf = normal_cdf(z), other = z * normal_pdf(z);
            return {z * cdf, cdf + other, std::fabs(cdf) + std::fabs(other)};
        }
        case Activation::silu: {
            const R s = logistic(z), other = z * logistic(-z);
            return {z * s, s * (1 + other), s * (1 + std::fabs(other))};
        }
        case Activation::softplus: return with((z < 0 ? R(0) : z) + std::log1p(std::exp(-std::fabs(z))), logistic(z));
        case Activation::mish: {
            const MishParts<R> p = mish_parts(z);
            const R other = z * p.w * logistic(z);
            return {z * p.t, p.t + other, std::fabs(p.t) + std::fabs(other)};
        }
        case Activation::softsign: {
            const R r = 1 / (1 + std::fabs(z));
            return with(z / (1 + std::fabs(z)), r * r);
        }
        case Activation::exp: return with(std::exp(z), std::exp(z));
        case Activation::softmax: break;
    }
    return with(0, 0);
}

// g''(z), and the sum of the sizes of what it was added up from.
template <class R>
struct Curved {
    R value, terms;
};

template <class R>
Curved<R> second_derivative(Activation g, R parameter, R z) {
    const auto with = [](R value) { return Curved<R>{value, std::fabs(value)}; };
    switch (g) {
        case Activation::logistic:
            return {logistic_derivative(z) * (logistic(-z) - logistic(z)), logistic_derivative(z)};
        case Activation::tanh: return with(-2 * std::tanh(z) * 4 * logistic_derivative(2 * z));
        case Activation::elu:
        case Activation::selu: return with(z > 0 ? R(0) : activated(g, parameter, z).d);
        case Activation::gelu: return {normal_pdf(z) * (2 - z * z), normal_pdf(z) * (2 + z * z)};
        case Activation::silu: {
            const R slope = logistic_derivative(z);
            return {slope * (2 + z * (logistic(-z) - logistic(z))), slope * (2 + std::fabs(z))};
        }
        case Activation::softplus: return with(logistic_derivative(z));
        case Activation::mish: {
            const MishParts<R> p = mish_parts(z);
            const R s = logistic(z), other = logistic(-z);
            return {p.w * s * (2 + z * (other - 2 * p.t * s)), p.w * s * (2 + std::fabs(z) * (other + 2 * p.t * s))};
        }
        case Activation::softsign: {
            const R r = 1 / (1 + std::fabs(z)), sign = z > 0 ? R(1) : z < 0 ? R(-1) : z;
            return with(-2 * sign * r * r * r);
        }
        case Activation::exp: return with(std::exp(z));
        case Activation::identity:
        case Activation::relu:
        case Activation::leaky_relu:
        case Activation::softmax: break;
    }
    return with(0);
}

// a_j = e^(z_j)/Σ_o e^(z_o) of one row (E5′).
template <class R>
Vector<R> softmax(const Vector<R>& z) {
    R top = z[0], sum = 0;
    for (const R x : z) top = x > top ? x : top;
    Vector<R> a;
    for (const R x : z) a.push_back(std::exp(x - top));
    for (const R x : a) sum += x;
    for (R& x : a) x /= sum;
    return a;
}

// Jᵀv = a ⊙ (v − ⟨a, v⟩).
template <class R>
Vector<R> softmax_product(const Vector<R>& a, const Vector<R>& v) {
    R inner = 0;
    for (std::size_t j = 0; j < a.size(); ++j) inner += a[j] * v[j];
    Vector<R> product;
    for (std::size_t j = 0; j < a.size(); ++j) product.push_back(a[j] * (v[j] - inner));
    return product;
}

template <class R>
Vector<R> activate_row(Activation g, R parameter, const Vector<R>& z) {
    if (g == Activation::softmax) return softmax(z);
    Vector<R> a;
    for (const R x : z) a.push_back(activated(g, parameter, x).a);
    return a;
}

// ∂C/∂z of a row from ∂C/∂a.
template <class R>
Vector<R> activation_vjp(Activation g, R parameter, const Vector<R>& z, const Vector<R>& da) {
    if (g == Activation::softmax) return softmax_product(softmax(z), da);
    Vector<R> dz;
    for (std::size_t j = 0; j < z.size(); ++j) dz.push_back(da[j] * activated(g, parameter, z[j]).d);
    return dz;
}

// R{δ} of a row whose ∂C/∂a is e, when z moves along dz and e along d_e (E33): ∂a/∂zᵀ R{e} + R{∂a/∂zᵀ} e.
template <class R>
Vector<R> bent(Activation g, R parameter, const Vector<R>& z, const Vector<R>& dz, const Vector<R>& e,
               const Vector<R>& d_e) {
    Vector<R> d_delta = activation_vjp(g, parameter, z, d_e);
    if (g != Activation::softmax) {
        for (std::size_t j = 0; j < z.size(); ++j)
            d_delta[j] += e[j] * second_derivative(g, parameter, z[j]).value * dz[j];
        return d_delta;
    }
    const Vector<R> a = softmax(z), da = softmax_product(a, dz);
    for (std::size_t j = 0; j < z.size(); ++j)
        for (std::size_t k = 0; k < z.size(); ++k)  // ∂a_j/∂z_k = a_j([j = k] − a_k)
            d_delta[j] += (da[j] * ((j == k ? R(1) : R(0)) - a[k]) - a[j] * da[k]) * e[k];
    return d_delta;
}

// --- costs: the formulas of src/chainrule/maths/costs.py and pairs.py ---------------------------------------------------
// C_ij, ∂C_ij/∂a_j, and the sums of the sizes of what they were added up from.
template <class R>
struct Costed {
    R c, d, c_terms, d_terms;
};

template <class R>
Costed<R> cost(Cost which, R p, R a, R y) {
    const R r = a - y;
    const auto x_log_y = [](R x, R v) { return x == 0 ? R(0) : x * std::log(v); };
    const auto quotient = [](R x, R v) { return x == 0 ? R(0) : x / v; };
    const auto with = [](R c, R d) { return Costed<R>{c, d, std::fabs(c), std::fabs(d)}; };
    const R sign = r > 0 ? R(1) : r < 0 ? R(-1) : r;  // NaN stays NaN
    switch (which) {
        case Cost::squared_error: return with(r * r, 2 * r);
        case Cost::half_squared_error: return with(r * r / 2, r);
        case Cost::binary_cross_entropy: {
            const R one = x_log_y(y, a), other = x_log_y(1 - y, 1 - a), d1 = quotient(1 - y, 1 - a),
                    d2 = quotient(y, a);
            return {-(one + other), d1 - d2, std::fabs(one) + std::fabs(other), std::fabs(d1) + std::fabs(d2)};
        }
        case Cost::cross_entropy: return with(-x_log_y(y, a), -quotient(y, a));
        case Cost::poisson: {
            const R other = x_log_y(y, a), d = quotient(y, a);
            return {a - other, 1 - d, std::fabs(a) + std::fabs(other), 1 + std::fabs(d)};
        }
        case Cost::huber: {
            const R size = std::fabs(r);
            return size <= p ? with(r * r / 2, r) : with(p * (size - p / 2), r > 0 ? p : -p);
        }
        case Cost::absolute_error: return with(std::fabs(r), sign);
        case Cost::quantile: return with(r < 0 ? -p * r : (1 - p) * r, r < 0 ? -p : r > 0 ? 1 - p : r);
        case Cost::log_cosh: {
            const R size = std::fabs(r), half = std::sinh((size < 1 ? size : R(1)) / 2);
            const R near = std::log1p(2 * half * half), far = size - std::log(R(2)) + std::log1p(std::exp(-2 * size));
            return with(size < 1 ? near : far, std::tanh(r));
        }
    }
    return with(0, 0);
}

// C_i of a row from z, for a matched pair (E5′), and the sum of the sizes of what it was added up from.
template <class R>
Costed<R> matched_cost(Matched pair, const Vector<R>& z, const Vector<R>& y) {
    Costed<R> row{};
    const auto add = [&](R term) {
        row.c += term;
        row.c_terms += std::fabs(term);
    };
    if (pair == Matched::softmax_cross_entropy) {
        std::size_t top = 0;
        for (std::size_t j = 0; j < z.size(); ++j) top = z[j] > z[top] ? j : top;
        R rest = 0;
        for (std::size_t j = 0; j < z.size(); ++j) rest += j == top ? R(0) : std::exp(z[j] - z[top]);
        for (std::size_t j = 0; j < z.size(); ++j) add(y[j] * ((z[top] - z[j]) + std::log1p(rest)));
    } else {
        for (std::size_t j = 0; j < z.size(); ++j) {
            if (pair == Matched::exp_poisson) add(std::exp(z[j]));
            else {
                add(z[j] < 0 ? R(0) : z[j]);
                add(std::log1p(std::exp(-std::fabs(z[j]))));
            }
            add(-y[j] * z[j]);
        }
    }
    return row;
}

// --- update rules: (E16) to (E21), (E62), one parameter, the operations of src/chainrule/maths/updates.py in their order ---------
// In T = float every operation rounds to float, as NumPy's do, for what Python computes comes in as float64 and is cast.
struct RuleNumbers {
    double mu = 0, beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0;  // η₋, η₊ of rprop are β₁, β₂
    bool epsilon_hat = false;
    double least = 0, largest = 0;
};

template <class T>
void update(Rule rule, const RuleNumbers& s, Index t, double rate, double penalty, bool weight, T& theta, T gradient,
            T& first, T& second) {
    const auto cast = [](double x) { return static_cast<T>(x); };
    const T g = weight && penalty != 0 ? gradient + cast(penalty) * theta : gradient;  // (E29)
    switch (rule) {
        case Rule::sgd: theta = theta - cast(rate) * g; return;
        case Rule::momentum:
            first = cast(s.mu) * first - cast(rate) * g;
            theta = theta + first;
            return;
        case Rule::nesterov: {
            const T descent = cast(rate) * g;
            first = cast(s.mu) * first - descent;
            theta = theta + (cast(s.mu) * first - descent);
            return;
        }
        case Rule::rmsprop:
            first = cast(s.beta2) * first + cast(1 - s.beta2) * (g * g);
            theta = theta - cast(rate) * g / (std::sqrt(first) + cast(s.epsilon));
            return;
        case Rule::adam:
        case Rule::adamw: {
            if (rule == Rule::adamw && weight) theta = theta - cast(rate * s.weight_decay) * theta;
            first = cast(s.beta1) * first + cast(1 - s.beta1) * g;
            second = cast(s.beta2) * second + cast(1 - s.beta2) * (g * g);
            const double root = std::pow(1 - std::pow(s.beta2, static_cast<double>(t)), 0.5);
            const double rate_now = rate * root / (1 - std::pow(s.beta1, static_cast<double>(t)));
            const T denominator = std::sqrt(second) + cast(s.epsilon_hat ? s.epsilon : root * s.epsilon);
            theta = theta - cast(rate_now) * first / denominator;
            return;
        }
        case Rule::rprop: {
            const bool known = second != 0, same = (first > 0 && g > 0) || (first < 0 && g < 0),
                       other = (first > 0 && g < 0) || (first < 0 && g > 0);
            second = (same ? cast(s.beta2) : other ? cast(s.beta1) : T(1)) * (known ? second : cast(rate));
            second = std::min(std::max(second, cast(s.least)), cast(s.largest));
            first = other ? T(0) : g;
            theta = theta - (first > 0 ? second : first < 0 ? -second : T(0));
            return;
        }
    }
}

// --- a network ----------------------------------------------------------------------------------------------------------
// (E1) to (E9) of a batch. a[0] is X, a[ℓ] and z[ℓ − 1], δ[ℓ − 1] belong to layer ℓ; δ is unaveraged.
template <class R>
struct Passes {
    std::vector<Vector<R>> a, z, delta;
    Vector<R> costs;
    Vector<R> x;         // ∂C_i/∂x
    Vector<R> gradient;  // (E10)
    R cost = 0;          // (E4)
};

template <class R>
Passes<R> forward(const Plan& plan, const Vector<R>& theta, const Vector<R>& X, Index m) {
    Passes<R> run;
    run.a.push_back(X);
    for (const chainrule::Layer& layer : plan.layers) {
        const R* b = layer.bias ? theta.data() + layer.bias_at : nullptr;
        run.z.push_back(affine(run.a.back(), theta.data() + layer.weights_at, b, m, layer.in, layer.out));
        run.a.push_back(by_row<R>(m, [&](Index n) {
            return activate_row(layer.activation, static_cast<R>(layer.parameter), row_of(run.z.back(), n, layer.out));
        }));
    }
    return run;
}

// ∂C/∂z of layer `layer` from ∂C/∂a; by the same symmetric matrix R{a} from R{z}.
template <class R>
Vector<R> through_activation(const chainrule::Layer& layer, const Vector<R>& z, const Vector<R>& da, Index m) {
    return by_row<R>(m, [&](Index n) {
        return activation_vjp(layer.activation, static_cast<R>(layer.parameter), row_of(z, n, layer.out),
                              row_of(da, n, layer.out));
    });
}

// Every δ^ℓ, [ℓ − 1], from δ^L (E6).
template <class R>
std::vector<Vector<R>> propagate(const Plan& plan, const Vector<R>& theta, const Passes<R>& run,
                                 const Vector<R>& delta_L, Index m) {
    std::vector<Vector<R>> delta(plan.layers.size());
    delta.back() = delta_L;
    for (std::size_t l = plan.layers.size() - 1; l > 0; --l) {
        const chainrule::Layer& layer = plan.layers[l];
        const Vector<R> da = times_transposed(delta[l], theta.data() + layer.weights_at, m, layer.in, layer.out);
        delta[l - 1] = through_activation(plan.layers[l - 1], run.z[l - 1], da, m);
    }
    return delta;
}

// (E9) down to X.
template <class R>
Vector<R> in_inputs(const Plan& plan, const Vector<R>& theta, const Vector<R>& delta_1, Index m) {
    const chainrule::Layer& first = plan.layers.front();
    return times_transposed(delta_1, theta.data() + first.weights_at, m, first.in, first.out);
}

// `weights` may be empty. The chain rule as it stands: a matched pair, too, goes through ∂C/∂a.
template <class R>
void backward(const Plan& plan, const Vector<R>& theta, Passes<R>& run, const Vector<R>& Y, const Vector<R>& weights,
              Index m) {
    const std::size_t L = plan.layers.size();
    const Index outputs = plan.outputs();
    Vector<R> da(at(m * outputs));
    for (Index n = 0; n < m; ++n) {
        run.costs.push_back(0);
        for (Index j = 0; j < outputs; ++j) {
            const std::size_t k = at(n * outputs + j);
            const Costed<R> c = cost(plan.cost, static_cast<R>(plan.cost_parameter), run.a[L][k], Y[k]);
            run.costs.back() += c.c;
            da[k] = c.d;
        }
    }
    run.delta = propagate(plan, theta, run, through_activation(plan.layers.back(), run.z.back(), da, m), m);
    run.x = in_inputs(plan, theta, run.delta.front(), m);

    R total = 0;
    for (Index n = 0; n < m; ++n) total += weights.empty() ? R(1) : weights[at(n)];
    run.gradient.assign(at(plan.n_parameters), 0);
    for (Index n = 0; n < m; ++n) {
        const R share = (weights.empty() ? R(1) : weights[at(n)]) / (plan.mean ? total : R(1));
        run.cost += share * run.costs[at(n)];
        for (std::size_t l = 0; l < L; ++l) {
            const chainrule::Layer& layer = plan.layers[l];
            for (Index o = 0; o < layer.out; ++o) {
                const R delta = share * run.delta[l][at(n * layer.out + o)];
                for (Index i = 0; i < layer.in; ++i)
                    run.gradient[at(layer.weights_at + i * layer.out + o)] += run.a[l][at(n * layer.in + i)] * delta;
                if (layer.bias) run.gradient[at(layer.bias_at + o)] += delta;
            }
        }
    }
}

}  // namespace naive
