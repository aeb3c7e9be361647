// K-FAC between a gradient and its update: P = A⁻¹ Ḡ S⁻¹ for each layer (E68), by the threads of a team, and by how much the
// step is shortened (E70).
//
// Ḡ is the layer's gradient in 𝒲 with that in b, where it has one, as its last row; A⁻¹ has as many rows and columns as Ḡ has
// rows, S⁻¹ as many as it has columns. The product is two parts of a step with a barrier between them. Every element is a
// chain of multiply-adds that doesn't depend on who makes it, and ⟨P, Ḡ⟩ is added up over rows in their order: the same
// bits for any number of threads. Nothing is allocated after construction.
#pragma once

#include <vector>

#include "chainrule/epoch.hpp"

namespace chainrule {

template <class T>
class Kronecker final : public Between<T> {
public:
    // `rates`: what η is multiplied by in each layer; empty: 1. Throws TooLarge.
    Kronecker(const Plan& plan, const Kernels<T>& kernels, int threads, std::vector<double> rates = {});

    // Takes the inverses of layer l + 1, row-major. A layer that was never given any keeps its gradient as it is.
    void set(std::size_t l, const T* inputs, const T* outputs);
    void set_clip(double clip) { clip_ = clip; }  // κ of (E70); none at first

    void transform(int thread, Team& team, const Weights<T>& net, const Batch<T>& batch, Index n, Index number,
                   T* gradient) noexcept override;
    // ν (E70) times what is left of the gradient by clipping.
    [[nodiscard]] double scale(double rate, double clipped) const noexcept override;

    // ⟨P, Ḡ⟩ of layer l + 1, of the gradient that was transformed last.
    [[nodiscard]] double inner(std::size_t l) const;

private:
    struct Factors {
        Index rows, columns;  // of Ḡ
        bool given = false;
        Buffer<T> inputs{}, outputs{};  // A⁻¹ and S⁻¹
        Buffer<T> whole{}, product{};   // Ḡ and then P; Ḡ S⁻¹
        // the edges (Grid) of S⁻¹ and of Ḡ S⁻¹, transposed, where these have one
        Buffer<T> outputs_edge{}, product_edge{};
    };
    // Rows n0..n1 of a layer's Ḡ.
    struct Unit {
        std::size_t layer;
        Index n0, n1;
    };
    [[nodiscard]] Panels<T> panels(const Factors& factors, const Buffer<T>& buffer) const;
    // Makes the edge of rows n0..n1 of a matrix whose panels have room for `rows`.
    void transpose_edge(const Buffer<T>& matrix, Index rows, Index columns, Index n0, Index n1,
                        const Buffer<T>& edge) const;
    // f(layer, n0, n1) for the stretches of rows of a share of units.
    template <class F>
    void over_stretches(std::size_t first, std::size_t last, F f) const;
    // f(where a stretch of row n lies in Ḡ's panels, where it lies in a vector like θ, how long it is), for rows n0..n1.
    template <class F>
    void over_rows(std::size_t l, Index n0, Index n1, F f) const;
    template <class Work>
    std::vector<std::size_t> shared_out(Work work) const;
    // Ḡ S⁻¹ of a thread's rows; and, behind a barrier, A⁻¹ (Ḡ S⁻¹) of a thread's rows in the place of Ḡ.
    void outputs_part(int thread, const T* gradient);
    void inputs_part(int thread, T* gradient);

    const Plan& plan_;
    const Kernels<T>& kernels_;
    Packing packing_;
    int threads_;
    std::vector<double> rates_;
    double clip_ = StepOptions::none;
    std::vector<Factors> factors_;                     // [l] belongs to layer l + 1
    std::vector<Unit> units_;                          // layer by layer
    std::vector<double> inner_;                        // of each unit
    std::vector<std::size_t> of_outputs_, of_inputs_;  // thread t does units [t]..[t + 1], in either part
};

}  // namespace chainrule
