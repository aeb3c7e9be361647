// Whole epochs of mini-batch steps (E15, E16): gather, forward, backward, update, all threads together, nothing allocated.
//
// A step has parts, each ended by a barrier. In the first, threads share out the examples: a thread takes its rows through
// all layers, forward and back, without waiting for anyone. In the second they share out the parameters: the gradient of a
// block of 𝒲 is made in the cache, and at once used to update 𝒲 and the rule's vectors there, and 𝒲ᵀ. Where there are many
// inputs and an even number of threads, another part comes before: a thread has some columns of X, and the rows of 𝒲¹ that
// meet them stay in its cache from step to step, as it is the only one to use and to update them.
// No sum depends on who does what: rows and blocks are worked alike by any thread, and what is added over blocks or over
// examples is added in their order. So the bits are the same for any number of threads.
#pragma once

#include <functional>
#include <vector>

#include "chainrule/batch.hpp"
#include "chainrule/team.hpp"

namespace chainrule {

struct RuleSettings {
    Rule rule;
    double mu = 0, beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0;
    bool epsilon_hat = false;
    [[nodiscard]] int vectors() const {
        return rule == Rule::sgd ? 0 : rule == Rule::adam || rule == Rule::adamw ? 2 : 1;
    }
};

// "sgd" (), "momentum" (μ), "nesterov" (μ), "rmsprop" (ρ, ε), "adam" (β₁, β₂, ε, ε̂), "adamw" (β₁, β₂, ε, λ).
// Throws std::invalid_argument.
RuleSettings rule_settings(std::string_view name, std::span<const double> settings);

// The settings of step number `number` (from 1) at rate η, as maths/updates.py computes them.
template <class T>
Step<T> step_of(const RuleSettings& settings, Index number, double rate, double penalty);

// What an epoch is made of. Arrays are per example of the data (weights), per example of the epoch (rows), or per step.
template <class T>
struct Examples {
    Rows X, Y;
    const T* weights;            // or none
    const Index *rows, *bounds;  // step j takes rows[bounds[j]..bounds[j + 1]]
    Index steps;
    const double *rates, *penalties, *factors;
    double *costs, *norms, *squares;
};

enum class Ended { all, stopped, cost, gradient };

template <class T>
class Trainer {
public:
    // Room for batches of at most `batch` examples. Throws TooLarge.
    Trainer(const Plan& plan, const RuleSettings& settings, Index batch, int threads);

    void load(const T* theta, const T* const* state, Index steps_taken);  // state: none for zeros
    void store(T* theta) const;
    Index store_state(T* const* state) const;

    // Steps are taken until `check`, which is asked about ten times a second, says stop, or a number is not finite;
    // `done` is how many. After Ended::cost and Ended::gradient θ and state are those before the step that failed, whose
    // cost (and norm) is in costs[done].
    Ended run(const Examples<T>& examples, const std::function<bool()>& check, Index& done);

    [[nodiscard]] const RuleSettings& settings() const { return settings_; }
    [[nodiscard]] Index largest_batch() const { return batch_.rows; }

private:
    struct Unit {
        std::size_t layer;
        Index p, i0, i1;  // panel of 𝒲's columns, rows of 𝒲
    };
    void share_out_units();
    [[nodiscard]] bool halves_inputs(const Rows& X) const;
    void work(int thread, const Examples<T>& examples, const std::function<bool()>& check) noexcept;
    void inputs_part(int thread, const Examples<T>& examples, Index step, Coming& next);
    void examples_part(int thread, const Examples<T>& examples, Index step, Coming& next);
    void parameters_part(int thread, const Step<T>& step, Index n, Coming& next);
    void update_unit(const Unit& unit, const Step<T>& step, Index n, Coming& next, Index lines, T* gradient,
                     Sums& sums);
    double cost_of(const Examples<T>& examples, Index step, double& total) const;
    void back_up();
    void restore();

    const Plan& plan_;
    RuleSettings settings_;
    int threads_;
    Weights<T> net_;
    Batch<T> batch_;
    std::vector<Buffer<T>> state_, before_;  // before_: θ and state as they were when run began
    std::vector<Buffer<T>> gradients_;       // scratch of each thread
    std::vector<Unit> units_;
    std::vector<std::vector<std::size_t>> shares_;  // which units a thread does
    std::vector<Sums> sums_;                        // of each unit
    Index steps_taken_ = 0, steps_before_ = 0;

    Team* team_ = nullptr;  // while run lasts
    bool stop_ = false;     // written by thread 0 before a barrier, read by all behind it
    Index done_ = 0;
    Ended ended_ = Ended::all;
};

}  // namespace chainrule
