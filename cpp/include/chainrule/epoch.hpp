// Whole epochs of mini-batch steps (E15, E16): gather, forward, backward, update, all threads together, nothing allocated.
//
// A step has parts, each ended by a barrier. In the first, threads share out the examples: a thread takes its rows through
// all layers, forward and back, without waiting for anyone. In the second they share out the parameters: the gradient of a
// block of 𝒲 is made in the cache, and at once used to update 𝒲 and the rule's vectors there, and 𝒲ᵀ. Where there are many
// inputs and an even number of threads, another part comes before: a thread has some columns of X, and the rows of 𝒲¹ that
// meet them stay in its cache from step to step, as it is the only one to use and to update them.
// No sum depends on who does what: rows and blocks are worked alike by any thread, and what is added over blocks or over
// examples is added in their order. So the bits are the same for any number of threads.
//
// Where something looks at the whole gradient before θ changes (clipping; what stands `Between`), the second part is two: the
// gradient of all units, into a vector like θ in panels; and, behind a barrier, the update of all units. Columns of 𝒲 that
// are too long are made shorter in a part of their own (max-norm).
#pragma once

#include <functional>
#include <vector>

#include "chainrule/batch.hpp"
#include "chainrule/rules.hpp"
#include "chainrule/team.hpp"
#include "chainrule/units.hpp"

namespace chainrule {

// What an epoch is made of. Arrays are per example of the data (weights), per example of the epoch (rows), or per step.
template <class T>
struct Examples {
    Rows X, Y;
    const T* weights;            // or none
    const Index *rows, *bounds;  // step j takes rows[bounds[j]..bounds[j + 1]]
    Index steps;
    const double *rates, *penalties, *l1, *factors;
    Index first;  // how many steps were taken before these, over the whole training
    double *costs, *norms, *squares;
};

// What stands between the gradient of a step and its update, and may replace it.
template <class T>
class Between {
public:
    virtual ~Between() = default;
    // All threads of the team come, behind a barrier, each with its number; another barrier follows. Between them they may
    // write to `gradient`, which is like θ in panels (net.packing) and has λ's terms in it, before it is clipped; 0 at frozen
    // layers. The batch's first n rows hold a and δ, the latter times the batch's coefficients, and `number` counts steps
    // from 0 over the whole training. Nothing may be allocated after the first step.
    virtual void transform(int thread, Team& team, const Weights<T>& net, const Batch<T>& batch, Index n, Index number,
                           T* gradient) noexcept = 0;
    // Behind that barrier, on every thread: what the gradient is multiplied by in the update, whose η is `rate`, when clipping
    // multiplies it by `clipped`.
    [[nodiscard]] virtual double scale(double /*rate*/, double clipped) const noexcept { return clipped; }
};

enum class Ended { all, stopped, cost, gradient };

template <class T>
class Trainer {
public:
    // Room for batches of at most `batch` examples. Throws TooLarge, and std::invalid_argument for options that no step has.
    Trainer(const Plan& plan, const RuleSettings& settings, Index batch, int threads, const StepOptions& options = {});

    // From the next step on, none for nobody; it has to outlive the trainer. Throws TooLarge.
    void set_between(Between<T>* between);

    void load(const T* theta, const T* const* state, Index steps_taken);  // state: none for zeros
    void store(T* theta) const;
    Index store_state(T* const* state) const;

    // Steps are taken until `check`, which is asked about ten times a second, says stop, or a number is not finite;
    // `done` is how many. After Ended::cost and Ended::gradient θ and state are those before the step that failed, whose
    // cost (and norm) is in costs[done].
    Ended run(const Examples<T>& examples, const std::function<bool()>& check, Index& done);

    // C, the norm and the gradient of step 0 of `examples` as its update would be given it, row-major, without the update.
    struct Found {
        double cost, norm;
    };
    Found gradient(const Examples<T>& examples, T* flat);

    [[nodiscard]] const RuleSettings& settings() const { return settings_; }
    [[nodiscard]] Index largest_batch() const { return batch_.rows; }
    [[nodiscard]] const StepOptions& options() const { return options_; }
    [[nodiscard]] int threads() const { return threads_; }

private:
    // What a step's update is given, layer by layer: the same for all where `stride` is 0.
    struct Steps {
        Step<T>* first;
        std::size_t stride;
        Step<T>& operator[](std::size_t layer) const { return first[layer * stride]; }
    };
    [[nodiscard]] bool halves_inputs(const Rows& X) const;
    [[nodiscard]] bool whole() const { return options_.clips() || between_ != nullptr; }
    [[nodiscard]] Steps steps_of(int thread, Step<T>& one, const Examples<T>& examples, Index step);
    void work(int thread, const Examples<T>& examples, const std::function<bool()>& check) noexcept;
    void inputs_part(int thread, const Examples<T>& examples, Index step, Coming& next);
    void examples_part(int thread, const Examples<T>& examples, Index step, Coming& next);
    void gradient_part(int thread, const Steps& steps, Index n, Coming& next);
    void gradient_of(const Unit& unit, Index n, Coming& next, Index lines, T* out) const;
    void update(const Stretch& at, const Step<T>& step, const T* gradient, Sums& sums);
    void update_part(int thread, const Steps& steps, Index n, Coming& next);
    void whole_update_part(int thread, const Steps& steps);
    void constrain_part(int thread);
    [[nodiscard]] Sums all_sums() const;
    double cost_of(const Examples<T>& examples, Index step, double& total) const;
    void back_up();
    void restore();

    const Plan& plan_;
    RuleSettings settings_;
    StepOptions options_;
    bool plain_;  // no options
    int threads_;
    Weights<T> net_;
    Batch<T> batch_;
    std::vector<Buffer<T>> state_, before_;  // before_: θ and state as they were when run began
    std::vector<Buffer<T>> gradients_;       // scratch of each thread
    Buffer<T> gradient_;                     // the whole one, like θ in panels, where somebody looks at it
    Between<T>* between_ = nullptr;
    std::vector<Step<T>> steps_;  // of each thread, one for each layer, where layers have rates of their own
    Units units_;
    std::vector<Sums> sums_;  // of each unit
    Index steps_taken_ = 0, steps_before_ = 0;

    Team* team_ = nullptr;  // while run lasts
    bool stop_ = false;     // written by thread 0 before a barrier, read by all behind it
    Index done_ = 0;
    Ended ended_ = Ended::all;
};

}  // namespace chainrule
