// The kernels, as a table of functions for each instruction set: what the passes and the epoch are made of.
//
// Axes: N examples, I inputs and O outputs of a layer. Every matrix of a kernel is in panels of columns (Grid in
// plan.hpp); `capacity` is how many rows each of its panels has room for. Padding columns of weights, biases and δ are 0.
#pragma once

#include "chainrule/plan.hpp"
#include "chainrule/view.hpp"

namespace chainrule {

enum class Rule { sgd, momentum, nesterov, rmsprop, adam, adamw, rprop };

// Settings of one update, in T as NumPy would make them of Python's numbers.
template <class T>
struct Step {
    T rate, penalty;                          // η; λ of (E29)
    T mu;                                     // momentum, nesterov
    T beta1, rest1, beta2, rest2;             // β, 1 − β; ρ of rmsprop is beta2; η₋, η₊ of rprop are beta1, beta2
    T epsilon, epsilon_now, rate_now, decay;  // with Adam's corrections; ηλ of adamw
    T least, largest;                         // of rprop's step sizes
    T l1 = 0, scale = 1, shrink = 0;          // λ₁ of (E52); what the gradient is clipped by (E57); ηλ of (E53)
    [[nodiscard]] bool plain() const { return l1 == T(0) && scale == T(1) && shrink == T(0); }
};

struct Sums {
    double gradient = 0, weights = 0;  // Σ of squares
};

template <class T>
struct Panels {
    T* data = nullptr;
    Index capacity = 0, columns = 0;
};

// Z = A_below 𝒲 + b for rows n0..n1 (E1), summed over some inputs only: the columns of `below` meet 𝒲's rows from `first`
// on, of which there are `in`.
template <class T>
struct PartOfSum {
    Panels<T> below;
    Index n0, n1;
    const T *weights, *bias;  // bias may be none
    Index in, first;
    Panels<T> z;
    const T* edge = nullptr;  // of 𝒲, transposed, in panels of its own; or none
};

// A = g(A_below 𝒲 + b) for rows n0..n1 (E1, E2). Owns z, a, d in these rows; z may be a. d = g'(z), or none.
template <class T>
struct ForwardLayer {
    Panels<T> below;
    Index n0, n1;
    const T *weights, *bias;  // bias may be none
    Panels<T> z, a, d;
    Activation activation;
    double parameter;
    const T* edge = nullptr;  // as above
};

// Which of Philox's numbers are meant: key and counter, but for block and row (masks.hpp).
struct Words {
    std::uint64_t seed;
    std::uint32_t step, stream;
};

// x ← x ⊙ M (E51) for rows n0..n1 and columns from panel p0 on, before panel p1. d, of x's shape, or none, is multiplied too;
// where `copies` says so it takes what x was instead.
template <class T>
struct MaskedRows {
    Panels<T> x, d;
    Index n0, n1, p0, p1;
    Words words;
    double p;
    bool copies = false;
};

// Δ_below = (Δ 𝒲ᵀ) ⊙ g' for rows n0..n1 (E6, E9). g' is d, else comes from a (relu, leaky_relu, softmax). Without
// an activation (`plain`) it is ∂C/∂a itself: (E9). Where a is masked: d is too, relu's slope is `slope` in place of 1, and
// softmax's `mask` is that of ∂C/∂a, with a in d as it was before.
template <class T>
struct BackwardLayer {
    Panels<T> delta;
    Index n0, n1;
    const T* transposed;
    Panels<T> below, a, d;
    Activation activation;
    double parameter;
    bool plain;
    double slope = 1;
    const MaskedRows<T>* mask = nullptr;
};

// How δ of a hidden layer changes along a direction (E33), for rows n0..n1: `delta` holds e = ∂C/∂a and becomes δ = ∂a/∂zᵀ e,
// `bent` holds R{e} and becomes R{δ}; dz is R{z}. z, a and d are as in the layers above.
template <class T>
struct BentLayer {
    Panels<T> z, a, d, dz, delta, bent;
    Index n0, n1;
    Activation activation;
    double parameter;
};

// C_i and δ^L of rows n0..n1 (E3, E5, E5′). δ is multiplied by `coefficients`, when there are any; without `delta.data`
// only costs are computed, without `costs` only δ.
template <class T>
struct OutputLayer {
    Panels<T> z, a, y, delta;
    Index n0, n1;
    const T* coefficients;
    T* costs;
    Activation activation;
    double parameter;
    Cost cost;
    double cost_parameter;
    Matched matched;
};

inline constexpr Index cache_line = 64;  // bytes

// Dense rows that the next step will gather, asked for between the operations of this one, a cache line here and there: the
// memory answers meanwhile. Many requests at once would wait for each other, as a processor has few of them under way.
struct Coming {
    const std::byte* data = nullptr;
    Index row_stride = 0;
    const Index* which = nullptr;
    Index rows = 0, lines = 0;  // of the data, and in a row
    Index row = 0, line = 0;    // the first line that nobody has asked for
};

// G = Aᵀ Δ for rows i0..i1 of 𝒲 (columns of A) and panel p of δ, over rows 0..n (E7). `out` is (i1 − i0) × width of p; it is
// added to when `accumulate` says so.
template <class T>
struct GradientBlock {
    Panels<T> below, delta;
    Index n, i0, i1, p;
    T* out;
    bool accumulate;
    Coming* coming = nullptr;  // or none
    Index lines = 0;           // of what is coming, to ask for, about; none are where all of a panel is 𝒲's edge
};

// Rows i0..i1 of columns o0..o1 of 𝒲 (in × out), all of one panel, into rows o0 − first.. of `transposed` (its columns are
// 𝒲's rows).
template <class T>
struct TransposedBlock {
    const T* weights;
    Index in, out, o0, o1, i0, i1;
    Panels<T> transposed;
    Index first;
};

template <class T>
struct Kernels {
    const char* name;
    Grid grid;
    Index rows_per_tile;  // of the main tile: row ranges that are multiples of it waste nothing
    void (*sum)(const PartOfSum<T>&);
    void (*forward)(const ForwardLayer<T>&);
    void (*backward)(const BackwardLayer<T>&);
    void (*output)(const OutputLayer<T>&);
    void (*gradient)(const GradientBlock<T>&);
    // (E8): out = Σ_n Δ over rows 0..n of panel p, added to what is there when `accumulate` says so.
    void (*bias_gradient)(Panels<T> delta, Index n, Index p, T* out, bool accumulate);
    // θ ← rule(θ, G): count elements, see updates.hpp.
    void (*update)(Rule, const Step<T>&, T* theta, const T* gradient, T* first, T* second, Index count, bool weights,
                   Sums&);
    // G ← G + λθ + λ₁ sign(θ) at weights, and both sums (E29, E52).
    void (*penalize)(const Step<T>&, const T* theta, T* gradient, Index count, bool weights, Sums&);
    // Σ of squares.
    double (*length)(const T* x, Index count);
    // Each column of a panel of 𝒲, `rows` rows of `width`, that is longer than `most` is made as long (E54); whether one was.
    bool (*constrain)(T* weights, Index rows, Index width, double most);
    void (*transpose)(const TransposedBlock<T>&);
    // z = first + rest for rows n0..n1; z may be one of them.
    void (*add)(Panels<T> first, Panels<T> rest, Panels<T> z, Index n0, Index n1);
    // a = g(z) and d = g'(z) for rows n0..n1; d may be none. z may be a.
    void (*activate)(Panels<T> z, Panels<T> a, Panels<T> d, Index n0, Index n1, Activation, double parameter);
    // Rows of X into panels, converted to T: destination rows n0..n1 take source rows which[n0..n1], or n0.. + first.
    void (*gather)(const Rows& X, const Index* which, Index first, Index n0, Index n1, Panels<T> out);
    // Row n of `from` times c[n] into `to`, for rows n0..n1; they may be one.
    void (*scale)(Panels<T> from, const T* c, Panels<T> to, Index n0, Index n1);
    void (*mask)(const MaskedRows<T>&);
    // x ← x + σN (E56); d is none.
    void (*noise)(const MaskedRows<T>&, double sigma);
    // y ← keep·y + share (E55) for rows n0..n1.
    void (*smooth)(Panels<T> y, Index n0, Index n1, double keep, double share);
    // da = ∂a/∂z dz for rows n0..n1 (E31); d as in BackwardLayer.
    void (*follow)(Panels<T> dz, Panels<T> da, Panels<T> a, Panels<T> d, Index n0, Index n1, Activation,
                   double parameter);
    void (*bend)(const BentLayer<T>&);
    // Squares of `from` into `to`, or added to it, for rows n0..n1; they may be one.
    void (*square)(Panels<T> from, Panels<T> to, Index n0, Index n1, bool accumulate);
    // ‖·‖² of rows n0..n1, into out[n].
    void (*lengths)(Panels<T> x, Index n0, Index n1, double* out);
    // Whether all of rows n0..n1 are finite.
    bool (*finite)(Panels<T> x, Index n0, Index n1);
    // z = x𝒲 + b for one row and row-major 𝒲, b: the same bits as `forward`. b may be none; the last `edge` columns are
    // 𝒲's edge.
    void (*row)(const T* x, const T* weights, const T* bias, Index in, Index out, Index edge, T* z);
};

// The table in use: the best that the machine runs, or the one that CHAINRULE_INSTRUCTION_SET names. Throws
// std::invalid_argument when that can't be.
template <class T>
const Kernels<T>& kernels();

// Names of those that the machine runs, the best first.
std::vector<std::string> instruction_sets();

template <class T>
const Kernels<T>* kernels_named(std::string_view name);  // none when the machine can't run it

}  // namespace chainrule
