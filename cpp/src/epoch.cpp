#include "chainrule/epoch.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

namespace chainrule {
namespace {

constexpr std::chrono::milliseconds between_checks{100};

}  // namespace

namespace {

const StepOptions& checked(const StepOptions& options, const Plan& plan) {
    options.check(plan);
    return options;
}

}  // namespace

template <class T>
Trainer<T>::Trainer(const Plan& plan, const RuleSettings& settings, Index batch, int threads,
                    const StepOptions& options)
    : plan_(plan), settings_(settings), options_(checked(options, plan)), plain_(options.plain()), threads_(threads),
      // θ and the rule's vectors, and as they were before; and the gradient
      net_(plan, kernels<T>(), false, 2 + 2 * settings.vectors() + options.clips()),
      batch_(plan, net_.packing.grid, batch, Keep::training, options), units_(plan, net_.packing, threads) {
    const auto vectors = static_cast<std::size_t>(settings.vectors());
    for (std::size_t v = 0; v < vectors; ++v) state_.emplace_back(net_.packing.parameters);
    for (std::size_t v = 0; v <= vectors; ++v) before_.emplace_back(net_.packing.parameters);
    for (int thread = 0; thread < threads; ++thread) gradients_.emplace_back(units_.largest());
    sums_.resize(units_.count());
    if (!options.layer_rates.empty()) steps_.resize(static_cast<std::size_t>(threads) * plan.layers.size());
    if (whole()) gradient_ = Buffer<T>(net_.packing.parameters);
}

template <class T>
void Trainer<T>::set_between(Between<T>* between) {
    if (gradient_.size() == 0) gradient_ = Buffer<T>(net_.packing.parameters);
    between_ = between;
}

template <class T>
void Trainer<T>::load(const T* theta, const T* const* state, Index steps_taken) {
    net_.load(theta, true);
    for (std::size_t v = 0; v < state_.size(); ++v) {
        if (state != nullptr) pack(plan_, net_.packing, state[v], state_[v].data());
        else std::fill_n(state_[v].data(), state_[v].size(), T(0));
    }
    steps_taken_ = steps_taken;
}

template <class T>
void Trainer<T>::store(T* theta) const {
    unpack(plan_, net_.packing, net_.parameters.data(), theta);
}

template <class T>
Index Trainer<T>::store_state(T* const* state) const {
    for (std::size_t v = 0; v < state_.size(); ++v) unpack(plan_, net_.packing, state_[v].data(), state[v]);
    return steps_taken_;
}

template <class T>
void Trainer<T>::back_up() {
    std::copy_n(net_.parameters.data(), net_.parameters.size(), before_[0].data());
    for (std::size_t v = 0; v < state_.size(); ++v)
        std::copy_n(state_[v].data(), state_[v].size(), before_[v + 1].data());
    steps_before_ = steps_taken_;
}

template <class T>
void Trainer<T>::restore() {
    std::copy_n(before_[0].data(), net_.parameters.size(), net_.parameters.data());
    for (std::size_t v = 0; v < state_.size(); ++v)
        std::copy_n(before_[v + 1].data(), state_[v].size(), state_[v].data());
    steps_taken_ = steps_before_;
    for (std::size_t l = 0; l < plan_.layers.size(); ++l) net_.transpose(l, true);
}

template <class T>
Ended Trainer<T>::run(const Examples<T>& examples, const std::function<bool()>& check, Index& done) {
    back_up();
    const Lease team(threads_);
    team_ = &*team;
    const auto run_steps = [&](const Examples<T>& some) {
        done_ = 0;
        ended_ = Ended::all;
        stop_ = false;
        auto all_threads = [&](int thread) noexcept { work(thread, some, check); };
        if (some.steps > 0) team->run(all_threads);
    };
    run_steps(examples);
    if (ended_ == Ended::gradient && !whole()) {
        // the step that failed has been taken; so the epoch is run again up to it, which gives the same bits
        restore();
        Examples<T> again = examples;
        again.steps = done_;
        run_steps(again);
        if (ended_ == Ended::all) ended_ = Ended::gradient;  // else it was stopped on the way
    }
    done = done_;
    return ended_;
}

// (E4) of a batch from its C_i, in the order of examples; `total` is Σ w_i.
template <class T>
double Trainer<T>::cost_of(const Examples<T>& e, Index step, double& total) const {
    const Index n = e.bounds[step + 1] - e.bounds[step];
    const Index* which = e.rows + e.bounds[step];
    const T* costs = batch_.costs.data();
    double cost = 0;
    total = static_cast<double>(n);
    if (e.weights == nullptr) {
        for (Index k = 0; k < n; ++k) cost += static_cast<double>(costs[k]);
    } else {
        total = total_weight<T>(e.weights, which, n);
        for (Index k = 0; k < n; ++k) cost += static_cast<double>(costs[k]) * static_cast<double>(e.weights[which[k]]);
    }
    return plan_.mean ? cost / total : cost;
}

namespace {

// Which of n rows thread number `thread` of `threads` takes: whole tiles, where there are enough of them.
struct Range {
    Index begin, end;
};
Range share_of(Index n, int thread, int threads, Index rows_per_tile) {
    const Index tile = n >= 4 * threads * rows_per_tile ? rows_per_tile : 1, tiles = (n + tile - 1) / tile;
    return {std::min(n, tiles * thread / threads * tile), std::min(n, tiles * (thread + 1) / threads * tile)};
}

// What a thread will gather in the step after this one, when it takes rows n0..n1 of each.
template <class T>
Coming coming(const Examples<T>& e, Index step, const Rows& X, Index n0, Index n1) {
    const bool known = step + 1 < e.steps && e.bounds[step + 2] - e.bounds[step + 1] >= n1;
    if (!known || X.indptr != nullptr || X.column_stride < 0) return {};
    return {X.data, X.row_stride, e.rows + e.bounds[step + 1] + n0, n1 - n0,
            (X.columns * X.column_stride + cache_line - 1) / cache_line};
}

}  // namespace

template <class T>
bool Trainer<T>::halves_inputs(const Rows& X) const {
    return threads_ % 2 == 0 && X.indptr == nullptr && net_.packing.grid.first_half(plan_.inputs()) > 0;
}

template <class T>
void Trainer<T>::inputs_part(int thread, const Examples<T>& e, Index step, Coming& next) {
    const Kernels<T>& k = net_.kernels;
    const int group = threads_ / 2, half = thread / group;
    const Index n = e.bounds[step + 1] - e.bounds[step];
    const Range rows = share_of(n, thread % group, group, k.rows_per_tile);
    if (rows.begin == rows.end) return;
    const Rows X = half_of(k.grid, e.X, half);
    k.gather(X, e.rows + e.bounds[step], 0, rows.begin, rows.end, half_of(k.grid, batch_.x, half));
    if (!plain_) {
        const Index middle = k.grid.first_half(plan_.inputs()) / k.grid.panel();
        perturb_inputs(net_, batch_, {options_, e.first + step}, rows.begin, rows.end, half == 0 ? 0 : middle,
                       half == 0 ? middle : k.grid.count(plan_.inputs()));
    }
    next = coming(e, step, X, rows.begin, rows.end);
    sum_half(net_, batch_, half, rows.begin, rows.end);
}

template <class T>
void Trainer<T>::examples_part(int thread, const Examples<T>& e, Index step, Coming& next) {
    const Kernels<T>& k = net_.kernels;
    const Index n = e.bounds[step + 1] - e.bounds[step];
    const Index* which = e.rows + e.bounds[step];
    const auto [n0, n1] = share_of(n, thread, threads_, k.rows_per_tile);
    if (n0 == n1) return;
    const Perturbed perturbed{options_, e.first + step}, *by = plain_ ? nullptr : &perturbed;
    k.gather(e.Y, which, 0, n0, n1, batch_.y);
    if (options_.smoothing > 0) smooth_targets(net_, batch_, options_.smoothing, n0, n1);
    const double total = e.weights == nullptr ? static_cast<double>(n) : total_weight<T>(e.weights, which, n);
    coefficients_of<T>(plan_, e.weights, which + n0, 0, n1 - n0, e.factors[step], total,
                       batch_.coefficients.data() + n0);
    if (halves_inputs(e.X)) {
        forward_halves(net_, batch_, n0, n1, by);
    } else {
        k.gather(e.X, which, 0, n0, n1, batch_.x);
        next = coming(e, step, e.X, n0, n1);
        if (by != nullptr) perturb_inputs(net_, batch_, perturbed, n0, n1, 0, k.grid.count(plan_.inputs()));
        forward_rows(net_, batch_, n0, n1, by);
    }
    if (by == nullptr) backward_rows(net_, batch_, batch_.coefficients.data(), n0, n1);
    else backward_rows(net_, batch_, perturbed, n0, n1);
}

template <class T>
typename Trainer<T>::Steps Trainer<T>::steps_of(int thread, Step<T>& one, const Examples<T>& e, Index j) {
    const auto of_layer = [&](std::size_t l) {
        return step_of<T>(settings_, options_, l, steps_taken_ + j + 1, e.rates[j], e.penalties[j], e.l1[j]);
    };
    if (steps_.empty()) {
        one = of_layer(0);
        return {&one, 0};
    }
    Step<T>* first = steps_.data() + static_cast<std::size_t>(thread) * plan_.layers.size();
    for (std::size_t l = 0; l < plan_.layers.size(); ++l) first[l] = of_layer(l);
    return {first, 1};
}

template <class T>
void Trainer<T>::gradient_of(const Unit& unit, Index n, Coming& next, Index lines, T* out) const {
    const Panels<T> below = unit.layer == 0 ? batch_.x : batch_.a[unit.layer - 1];
    net_.kernels.gradient({below, batch_.delta[unit.layer], n, unit.i0, unit.i1, unit.p, out, false, &next, lines});
}

template <class T>
void Trainer<T>::update(const Stretch& at, const Step<T>& step, const T* gradient, Sums& sums) {
    net_.kernels.update(settings_.rule, step, net_.parameters.data() + at.from, gradient,
                        state_.empty() ? nullptr : state_[0].data() + at.from,
                        state_.size() < 2 ? nullptr : state_[1].data() + at.from, at.count, at.weights, sums);
}

namespace {

Index lines_of_unit(const Coming& next, std::size_t units) {
    const Index n = std::max<Index>(1, static_cast<Index>(units));
    return (next.rows * next.lines + n - 1) / n;
}

}  // namespace

template <class T>
void Trainer<T>::update_part(int thread, const Steps& steps, Index n, Coming& next) {
    const std::vector<std::size_t>& mine = units_.of(thread);
    const Index lines = lines_of_unit(next, mine.size());
    T* gradient = gradients_[static_cast<std::size_t>(thread)].data();
    for (const std::size_t u : mine) {
        const Unit& unit = units_[u];
        const Stretch at = units_.weights(unit);
        Sums sums;
        if (options_.frozen(unit.layer)) {
            sums.weights = net_.kernels.length(net_.parameters.data() + at.from, at.count);
        } else {
            gradient_of(unit, n, next, lines, gradient);
            update(at, steps[unit.layer], gradient, sums);
            net_.transpose(unit.layer, unit.p, unit.i0, unit.i1, true);
            if (units_.has_bias(unit)) {
                net_.kernels.bias_gradient(batch_.delta[unit.layer], n, unit.p, gradient, false);
                update(units_.bias(unit), steps[unit.layer], gradient, sums);
            }
        }
        sums_[u] = sums;
    }
}

template <class T>
void Trainer<T>::gradient_part(int thread, const Steps& steps, Index n, Coming& next) {
    const Kernels<T>& k = net_.kernels;
    const std::vector<std::size_t>& mine = units_.of(thread);
    const Index lines = lines_of_unit(next, mine.size());
    const T* theta = net_.parameters.data();
    T* gradient = gradient_.data();
    for (const std::size_t u : mine) {
        const Unit& unit = units_[u];
        const Stretch at = units_.weights(unit);
        Sums sums;
        if (options_.frozen(unit.layer)) {
            sums.weights = k.length(theta + at.from, at.count);
        } else {
            gradient_of(unit, n, next, lines, gradient + at.from);
            k.penalize(steps[unit.layer], theta + at.from, gradient + at.from, at.count, true, sums);
            if (units_.has_bias(unit)) {
                const Stretch bias = units_.bias(unit);
                k.bias_gradient(batch_.delta[unit.layer], n, unit.p, gradient + bias.from, false);
                k.penalize(steps[unit.layer], theta + bias.from, gradient + bias.from, bias.count, false, sums);
            }
        }
        sums_[u] = sums;
    }
}

// The second half of the same, with steps that have no penalties.
template <class T>
void Trainer<T>::whole_update_part(int thread, const Steps& steps) {
    Sums unused;
    for (const std::size_t u : units_.of(thread)) {
        const Unit& unit = units_[u];
        if (options_.frozen(unit.layer)) continue;
        const Stretch at = units_.weights(unit), bias = units_.bias(unit);
        update(at, steps[unit.layer], gradient_.data() + at.from, unused);
        net_.transpose(unit.layer, unit.p, unit.i0, unit.i1, true);
        if (units_.has_bias(unit)) update(bias, steps[unit.layer], gradient_.data() + bias.from, unused);
    }
}

// (E54), panel by panel, as a column's weights belong to many units.
template <class T>
void Trainer<T>::constrain_part(int thread) {
    const Grid grid = net_.packing.grid;
    int turn = 0;
    for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
        if (options_.frozen(l)) continue;
        const Layer& layer = plan_.layers[l];
        for (Index p = 0; p < grid.count(layer.out); ++p, turn = (turn + 1) % threads_)
            if (turn == thread && net_.kernels.constrain(net_.weights(l) + p * grid.panel() * layer.in, layer.in,
                                                         grid.width(layer.out, p), options_.max_norm))
                net_.transpose(l, p, 0, layer.in, true);
    }
}

template <class T>
Sums Trainer<T>::all_sums() const {
    Sums sums;
    for (const Sums& unit : sums_) {
        sums.gradient += unit.gradient;
        sums.weights += unit.weights;
    }
    return sums;
}

namespace {

// What is left of a step for its update when the gradient has the penalties in it, clipped to length c (E57).
template <class T>
void clip(Step<T>& step, double norm, double c) {
    step.penalty = step.l1 = T(0);
    step.scale = norm > c ? static_cast<T>(c / norm) : T(1);
}

}  // namespace

template <class T>
typename Trainer<T>::Found Trainer<T>::gradient(const Examples<T>& examples, T* flat) {
    if (gradient_.size() == 0) gradient_ = Buffer<T>(net_.packing.parameters);
    const Lease team(threads_);
    auto all_threads = [&](int thread) noexcept {
        const FlushSubnormals flushed;
        Coming next;
        if (halves_inputs(examples.X)) {
            inputs_part(thread, examples, 0, next);
            team->barrier();
        }
        examples_part(thread, examples, 0, next);
        team->barrier();
        Step<T> one{};
        const Steps steps = steps_of(thread, one, examples, 0);
        gradient_part(thread, steps, examples.bounds[1] - examples.bounds[0], next);
    };
    team->run(all_threads);
    double total;
    const double norm = std::sqrt(all_sums().gradient);
    Step<T> clipped{};
    clip(clipped, norm, options_.clip_norm);
    unpack(plan_, net_.packing, gradient_.data(), flat);
    if (clipped.scale != T(1))
        for (Index k = 0; k < plan_.n_parameters; ++k) flat[k] *= clipped.scale;
    return {cost_of(examples, 0, total), norm};
}

template <class T>
void Trainer<T>::work(int thread, const Examples<T>& e, const std::function<bool()>& check) noexcept {
    std::optional<FlushSubnormals> flushed(std::in_place);
    using Clock = std::chrono::steady_clock;
    Clock::time_point next_check = Clock::now() + between_checks;
    const Index taken = steps_taken_;
    Step<T> one{};
    const bool halves = halves_inputs(e.X);
    const bool two_parts = whole(), constrains = options_.constrains();
    // Two threads with a half each need not meet at the end of a step: what they begin the next one with is their own. The
    // norm of the gradient is looked at where they meet next.
    const bool alone = halves && threads_ == 2 && !two_parts && !constrains;
    const double largest = std::sqrt(static_cast<double>(std::numeric_limits<T>::max()));
    const auto conclude = [&](Index step) {  // whether its gradient is finite
        const Sums sums = all_sums();
        const double norm = std::sqrt(sums.gradient);
        if (thread == 0) {
            e.norms[step] = norm;
            e.squares[step] = sums.weights;
        }
        return norm < largest;
    };
    Ended ended = Ended::all;
    Index j = 0;
    for (; j < e.steps; ++j) {
        Coming next;
        if (halves) {
            inputs_part(thread, e, j, next);
            team_->barrier();
            if (alone && j > 0 && !conclude(j - 1)) {
                ended = Ended::gradient;
                --j;
                break;
            }
        }
        if (thread == 0 && Clock::now() >= next_check) {
            flushed.reset();  // it may run the user's code
            stop_ = check();
            flushed.emplace();
            next_check = Clock::now() + between_checks;
        }
        examples_part(thread, e, j, next);
        team_->barrier();
        if (stop_) {
            ended = Ended::stopped;
            break;
        }
        double total;
        const double cost = cost_of(e, j, total);
        if (thread == 0) e.costs[j] = cost;
        if (!std::isfinite(cost)) {
            ended = Ended::cost;
            break;
        }
        const Steps steps = steps_of(thread, one, e, j);
        const Index n = e.bounds[j + 1] - e.bounds[j];
        if (two_parts) {
            gradient_part(thread, steps, n, next);
            team_->barrier();
            if (!conclude(j)) {
                ended = Ended::gradient;
                break;
            }
            const double norm = std::sqrt(all_sums().gradient);
            for (std::size_t l = 0; l < plan_.layers.size(); ++l) clip(steps[l], norm, options_.clip_norm);
            if (between_ != nullptr) {
                between_->transform(thread, *team_, net_, batch_, n, e.first + j, gradient_.data());
                team_->barrier();
                const T scale = static_cast<T>(between_->scale(e.rates[j], static_cast<double>(steps[0].scale)));
                for (std::size_t l = 0; l < plan_.layers.size(); ++l) steps[l].scale = scale;
            }
            whole_update_part(thread, steps);
        } else {
            update_part(thread, steps, n, next);
        }
        if (constrains) {
            team_->barrier();
            constrain_part(thread);
        }
        if (alone) continue;
        team_->barrier();
        if (!two_parts && !conclude(j)) {
            ended = Ended::gradient;
            break;
        }
    }
    if (alone && ended == Ended::all) {
        team_->barrier();
        if (!conclude(e.steps - 1)) {
            ended = Ended::gradient;
            --j;
        }
    }
    // Whoever leaves early has read stop_ and sums_ before thread 0 can write them again: the team meets at the job's end.
    if (thread == 0) {
        done_ = j;
        ended_ = ended;
        steps_taken_ = taken + j;
    }
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace chainrule
