#include "chainrule/epoch.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

namespace chainrule {
namespace {

constexpr Index unit_rows = 96;  // of 𝒲 in a unit, about: its A panels and its gradient stay in the cache
// In networks of so few units a thread could have much more to do than another; they have units of so many rows.
constexpr Index few_units = 16, small_unit_rows = 32;
constexpr std::chrono::milliseconds between_checks{100};

Index rows_of_unit(const Plan& plan, Grid grid) {
    const Index rows = std::max<Index>(1, unit_rows / grid.panel()) * grid.panel();
    Index units = 0;
    for (const Layer& layer : plan.layers) units += (layer.in + rows - 1) / rows * grid.count(layer.out);
    return units < few_units ? small_unit_rows : rows;
}

}  // namespace

RuleSettings rule_settings(std::string_view name, std::span<const double> s) {
    const auto need = [&](std::size_t count) {
        if (s.size() != count)
            throw std::invalid_argument("settings of " + std::string(name) + ": expected " + std::to_string(count) +
                                        " numbers, got " + std::to_string(s.size()));
    };
    RuleSettings r{};
    if (name == "sgd") {
        need(0);
        r.rule = Rule::sgd;
    } else if (name == "momentum" || name == "nesterov") {
        need(1);
        r.rule = name == "momentum" ? Rule::momentum : Rule::nesterov;
        r.mu = s[0];
    } else if (name == "rmsprop") {
        need(2);
        r.rule = Rule::rmsprop;
        r.beta2 = s[0];
        r.epsilon = s[1];
    } else if (name == "adam" || name == "adamw") {
        need(4);
        r.rule = name == "adam" ? Rule::adam : Rule::adamw;
        r.beta1 = s[0];
        r.beta2 = s[1];
        r.epsilon = s[2];
        if (name == "adam") r.epsilon_hat = s[3] != 0;
        else r.weight_decay = s[3];
    } else {
        throw std::invalid_argument("rule: expected one that is built in, got \"" + std::string(name) + "\"");
    }
    return r;
}

template <class T>
Step<T> step_of(const RuleSettings& s, Index number, double rate, double penalty) {
    Step<T> step{};
    if (s.rule == Rule::adam || s.rule == Rule::adamw) {  // powers are not for nothing in a step of microseconds
        const double t = static_cast<double>(number), root = std::pow(1 - std::pow(s.beta2, t), 0.5);
        step.rate_now = static_cast<T>(rate * root / (1 - std::pow(s.beta1, t)));
        step.epsilon_now = static_cast<T>(s.epsilon_hat ? s.epsilon : root * s.epsilon);
    }
    step.rate = static_cast<T>(rate);
    step.penalty = static_cast<T>(penalty);
    step.mu = static_cast<T>(s.mu);
    step.beta1 = static_cast<T>(s.beta1);
    step.rest1 = static_cast<T>(1 - s.beta1);
    step.beta2 = static_cast<T>(s.beta2);
    step.rest2 = static_cast<T>(1 - s.beta2);
    step.epsilon = static_cast<T>(s.epsilon);
    step.decay = static_cast<T>(rate * s.weight_decay);
    return step;
}

template <class T>
Trainer<T>::Trainer(const Plan& plan, const RuleSettings& settings, Index batch, int threads)
    : plan_(plan), settings_(settings), threads_(threads),
      net_(plan, kernels<T>(), false, 2 + 2 * settings.vectors()),  // θ and the rule's vectors, and as they were before
      batch_(plan, net_.packing.grid, batch, Keep::training) {
    const Grid grid = net_.packing.grid;
    const auto vectors = static_cast<std::size_t>(settings.vectors());
    for (std::size_t v = 0; v < vectors; ++v) state_.emplace_back(net_.packing.parameters);
    for (std::size_t v = 0; v <= vectors; ++v) before_.emplace_back(net_.packing.parameters);
    const Index group = rows_of_unit(plan, grid);
    for (int thread = 0; thread < threads; ++thread) gradients_.emplace_back(group * grid.panel());
    const Index half = grid.first_half(plan.inputs());
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const Layer& layer = plan.layers[l];
        for (Index i = 0, end; i < layer.in; i = end) {
            end = std::min(layer.in, i + group);
            if (l == 0 && i < half) end = std::min(end, half);  // a unit belongs to one half
            for (Index p = 0; p < grid.count(layer.out); ++p) units_.push_back({l, p, i, end});
        }
    }
    sums_.resize(units_.size());
    share_out_units();
}

// Equal work for all, in stretches of units; where the sum in z¹ is halved, half of the threads share each half of 𝒲¹.
template <class T>
void Trainer<T>::share_out_units() {
    const Grid grid = net_.packing.grid;
    const auto work = [&](std::size_t u) {
        const Unit& unit = units_[u];
        return static_cast<double>((unit.i1 - unit.i0) * grid.width(plan_.layers[unit.layer].out, unit.p));
    };
    const auto threads = static_cast<std::size_t>(threads_);
    shares_.resize(threads);
    std::vector<double> has(threads);
    std::size_t u = 0;
    const auto share_out_until = [&](std::size_t end, std::size_t first, std::size_t last) {  // among these threads
        double all = 0;
        for (std::size_t thread = first; thread < last; ++thread) all += has[thread];
        for (std::size_t v = u; v < end; ++v) all += work(v);
        const double fair = all / static_cast<double>(last - first);
        for (std::size_t thread = first; u < end; ++u) {
            while (thread + 1 < last && has[thread] + 0.5 * work(u) > fair) ++thread;
            shares_[thread].push_back(u);
            has[thread] += work(u);
        }
    };
    const Index half = threads % 2 == 0 ? grid.first_half(plan_.inputs()) : 0;
    if (half > 0) {
        const auto until = [&](auto found) {
            return static_cast<std::size_t>(std::find_if(units_.begin(), units_.end(), found) - units_.begin());
        };
        share_out_until(until([&](const Unit& unit) { return unit.i0 >= half || unit.layer > 0; }), 0, threads / 2);
        share_out_until(until([&](const Unit& unit) { return unit.layer > 0; }), threads / 2, threads);
    }
    share_out_until(units_.size(), 0, threads);
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
    if (ended_ == Ended::gradient) {
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
    k.gather(e.Y, which, 0, n0, n1, batch_.y);
    const double total = e.weights == nullptr ? static_cast<double>(n) : total_weight<T>(e.weights, which, n);
    coefficients_of<T>(plan_, e.weights, which + n0, 0, n1 - n0, e.factors[step], total,
                       batch_.coefficients.data() + n0);
    if (halves_inputs(e.X)) {
        forward_halves(net_, batch_, n0, n1);
    } else {
        k.gather(e.X, which, 0, n0, n1, batch_.x);
        next = coming(e, step, e.X, n0, n1);
        forward_rows(net_, batch_, n0, n1);
    }
    backward_rows(net_, batch_, batch_.coefficients.data(), n0, n1);
}

template <class T>
void Trainer<T>::update_unit(const Unit& unit, const Step<T>& step, Index n, Coming& next, Index lines, T* gradient,
                             Sums& sums) {
    const Kernels<T>& k = net_.kernels;
    const Grid grid = k.grid;
    const Layer& layer = plan_.layers[unit.layer];
    const Packing::At& at = net_.packing.layers[unit.layer];
    const Index width = grid.width(layer.out, unit.p), column = unit.p * grid.panel();
    const auto update = [&](Index from, Index count, bool weights) {
        k.update(settings_.rule, step, net_.parameters.data() + from, gradient,
                 state_.empty() ? nullptr : state_[0].data() + from,
                 state_.size() < 2 ? nullptr : state_[1].data() + from, count, weights, sums);
    };
    const Panels<T> below = unit.layer == 0 ? batch_.x : batch_.a[unit.layer - 1], delta = batch_.delta[unit.layer];
    k.gradient({below, delta, n, unit.i0, unit.i1, unit.p, gradient, false, &next, lines});
    update(at.weights + column * layer.in + unit.i0 * width, (unit.i1 - unit.i0) * width, true);
    net_.transpose(unit.layer, unit.p, unit.i0, unit.i1, true);
    if (unit.i0 == 0 && layer.bias) {
        k.bias_gradient(delta, n, unit.p, gradient, false);
        update(at.bias + column, width, false);
    }
}

template <class T>
void Trainer<T>::parameters_part(int thread, const Step<T>& step, Index n, Coming& next) {
    const auto me = static_cast<std::size_t>(thread);
    const Index units = std::max<Index>(1, static_cast<Index>(shares_[me].size()));
    const Index lines = (next.rows * next.lines + units - 1) / units;
    for (const std::size_t u : shares_[me]) {
        sums_[u] = Sums{};
        update_unit(units_[u], step, n, next, lines, gradients_[me].data(), sums_[u]);
    }
}

template <class T>
void Trainer<T>::work(int thread, const Examples<T>& e, const std::function<bool()>& check) noexcept {
    std::optional<FlushSubnormals> flushed(std::in_place);
    using Clock = std::chrono::steady_clock;
    Clock::time_point next_check = Clock::now() + between_checks;
    const Index taken = steps_taken_;
    const bool halves = halves_inputs(e.X);
    // Two threads with a half each need not meet at the end of a step: what they begin the next one with is their own. The
    // norm of the gradient is looked at where they meet next.
    const bool alone = halves && threads_ == 2;
    const double largest = std::sqrt(static_cast<double>(std::numeric_limits<T>::max()));
    const auto conclude = [&](Index step) {  // whether its gradient is finite
        Sums sums;
        for (const Sums& unit : sums_) {
            sums.gradient += unit.gradient;
            sums.weights += unit.weights;
        }
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
        const Step<T> step = step_of<T>(settings_, taken + j + 1, e.rates[j], e.penalties[j]);
        parameters_part(thread, step, e.bounds[j + 1] - e.bounds[j], next);
        if (alone) continue;
        team_->barrier();
        if (!conclude(j)) {
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

#define CHAINRULE_INSTANTIATE(T)                                             \
    template Step<T> step_of<T>(const RuleSettings&, Index, double, double); \
    template class Trainer<T>;
CHAINRULE_INSTANTIATE(float)
CHAINRULE_INSTANTIATE(double)

}  // namespace chainrule
