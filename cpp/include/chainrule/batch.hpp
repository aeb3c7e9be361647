// A network's numbers in panels, the arrays of a batch, and the passes over its rows (E1 to E10).
#pragma once

#include <vector>

#include "chainrule/kernels.hpp"
#include "chainrule/memory.hpp"
#include "chainrule/options.hpp"
#include "chainrule/plan.hpp"

namespace chainrule {

// Vectors like θ in panels: θ itself with 𝒲ᵀ beside it, a gradient, a rule's state.
template <class T>
void pack(const Plan& plan, const Packing& packing, const T* theta, T* packed);
template <class T>
void unpack(const Plan& plan, const Packing& packing, const T* packed, T* theta);

template <class T>
struct Weights {
    // `vectors` like θ, this one among them, are what the caller will ask for. Throws TooLarge when they don't fit.
    Weights(const Plan& plan, const Kernels<T>& kernels, bool input_gradient, Index vectors = 1);
    // Takes θ row-major; 𝒲ᵀ is made too when `backward` says so.
    void load(const T* theta, bool backward);
    // Makes 𝒲ᵀ, when `backward` says so, and the edge from 𝒲: all of it, or rows i0..i1 of a panel.
    void transpose(std::size_t layer, bool backward);
    void transpose(std::size_t layer, Index panel, Index i0, Index i1, bool backward);

    const Plan& plan;
    const Kernels<T>& kernels;
    Packing packing;
    Buffer<T> parameters, transposed;

    [[nodiscard]] T* weights(std::size_t l) const { return parameters.data() + packing.layers[l].weights; }
    [[nodiscard]] T* bias(std::size_t l) const {
        return plan.layers[l].bias ? parameters.data() + packing.layers[l].bias : nullptr;
    }
    // 𝒲ᵀ, and the edge transposed; none where there is none
    [[nodiscard]] T* transpose_of(std::size_t l) const { return in_transposed(packing.layers[l].transposed); }
    [[nodiscard]] T* edge(std::size_t l) const { return in_transposed(packing.layers[l].edge); }

private:
    [[nodiscard]] T* in_transposed(Index at) const { return at < 0 ? nullptr : transposed.data() + at; }
};

enum class Keep {
    outputs,   // a of each layer, nothing else
    all,       // z beside a, for users who look at them
    training,  // a, g', δ; z of the last layer
    linear,    // z, a, g'
};

// What a step does to the passes over its rows; `number` counts steps from 0, over the whole training.
struct Perturbed {
    const StepOptions& options;
    Index number;

    [[nodiscard]] Words words(std::uint32_t stream) const {
        return {options.seed, static_cast<std::uint32_t>(number), stream};
    }
};
inline constexpr std::uint32_t noise_stream = 1U << 31U;  // of the input; that of the mask of a^ℓ is ℓ

// The arrays of a batch of at most `rows` examples.
template <class T>
struct Batch {
    Batch(const Plan& plan, Grid grid, Index rows, Keep keep, const StepOptions& options = {});
    // Bytes that one would take.
    static Index bytes(const Plan& plan, Grid grid, Index rows, Keep keep);

    Index rows;
    Buffer<T> x_data, y_data, halves_data[2];
    std::vector<Buffer<T>> z_data, a_data, d_data, delta_data;
    Buffer<T> coefficients, costs;
    Buffer<double> lengths;  // where examples are clipped: squared, of ∇C_i, and of a_i and δ_i of a layer

    Panels<T> x, y;
    Panels<T> halves[2];                    // of the sum in z¹, where it is halved
    std::vector<Panels<T>> z, a, d, delta;  // [l − 1] belongs to layer l
};

// The inputs of half 0 or 1 of the sum in z¹, where it is halved: those columns of x, or of the examples.
template <class T>
Panels<T> half_of(Grid grid, const Panels<T>& x, int half);
Rows half_of(Grid grid, const Rows& X, int half);
// That half of the sum (E1), for rows n0..n1 of a batch where these columns of x are there.
template <class T>
void sum_half(const Weights<T>& net, Batch<T>& batch, int half, Index n0, Index n1);
// x + σN (E56), and x masked (E51), in panels p0 to p1 of x, for rows n0..n1.
template <class T>
void perturb_inputs(const Weights<T>& net, Batch<T>& batch, const Perturbed& by, Index n0, Index n1, Index p0,
                    Index p1);
// (E55) for rows n0..n1 of y.
template <class T>
void smooth_targets(const Weights<T>& net, Batch<T>& batch, double epsilon, Index n0, Index n1);
// (E1), (E2) for rows n0..n1 of a batch with both halves. With `by`, a^ℓ is masked (E51), 0 < ℓ < L.
template <class T>
void forward_halves(const Weights<T>& net, Batch<T>& batch, Index n0, Index n1, const Perturbed* by = nullptr);
// (E1), (E2) for rows n0..n1 of a batch whose x is there.
template <class T>
void forward_rows(const Weights<T>& net, Batch<T>& batch, Index n0, Index n1, const Perturbed* by = nullptr);
// δ^ℓ (E6) of the layers below the last one, whose δ is there, for rows n0..n1; delta[l − 1] belongs to layer l. With `by`,
// only down to the lowest layer that is not frozen.
template <class T>
void propagate_rows(const Weights<T>& net, const Batch<T>& batch, const std::vector<Panels<T>>& delta, Index n0,
                    Index n1, const Perturbed* by = nullptr);
// C_i (E3) and δ^ℓ (E5, E6) for rows n0..n1; δ times `coefficients` (none: 1).
template <class T>
void backward_rows(const Weights<T>& net, Batch<T>& batch, const T* coefficients, Index n0, Index n1);
// The same with the batch's coefficients, which are made smaller where an example's gradient is to be clipped.
template <class T>
void backward_rows(const Weights<T>& net, Batch<T>& batch, const Perturbed& by, Index n0, Index n1);
// What each example counts in (E4), (E7), (E8), times `factor`, into rows 0..n of `c`. `weights` may be none; row n's is
// weights[which[n]], or weights[first + n] without `which`.
template <class T>
void coefficients_of(const Plan& plan, const T* weights, const Index* which, Index first, Index n, double factor,
                     double total, T* c);
// Σ w_i of some examples, in their order: weights[which[0..n]], or weights[0..n] without `which`.
template <class T>
double total_weight(const T* weights, const Index* which, Index n);

}  // namespace chainrule
