// _core.Trainer: whole epochs without the interpreter lock.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <exception>
#include <memory>
#include <type_traits>

#include "buffers.hpp"
#include "chainrule/epoch.hpp"
#include "chainrule/inverse.hpp"
#include "chainrule/kronecker.hpp"
#include "init.hpp"

namespace chainrule::bindings {
namespace {

// One call at a time: a run without the interpreter lock, or one that asks its check, leaves others the chance to come in.
class Busy {
public:
    explicit Busy(std::atomic<bool>& flag) : flag_(flag) {
        if (flag_.exchange(true))
            throw std::runtime_error(
                "Trainer: expected one that is at rest, got one whose run has not ended. "
                "Make a trainer for each thread.");
    }
    ~Busy() { flag_ = false; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

private:
    std::atomic<bool>& flag_;
};

struct TrainerOf {
    explicit TrainerOf(const PlanOf& the_plan) : plan(the_plan) {}
    const PlanOf& plan;
    // K-FAC's, where there is one; they outlive the trainers
    std::unique_ptr<Kronecker<float>> kronecker_f32{};
    std::unique_ptr<Kronecker<double>> kronecker_f64{};
    std::unique_ptr<Trainer<float>> f32{};
    std::unique_ptr<Trainer<double>> f64{};
    std::vector<Index> rows{}, bounds{};
    mutable std::atomic<bool> busy{false};

    // f(the trainer, a zero of its dtype).
    template <class F>
    auto on(F f) const {
        const Busy only(busy);
        return plan.is_double ? f(*f64, double{}) : f(*f32, float{});
    }
};

template <class T>
Kronecker<T>& kronecker_of(TrainerOf& self, Trainer<T>& trainer) {
    auto& made = [&]() -> auto& {
        if constexpr (std::is_same_v<T, double>) return self.kronecker_f64;
        else return self.kronecker_f32;
    }();
    if (made == nullptr) {
        auto one = std::make_unique<Kronecker<T>>(self.plan.plan, kernels<T>(), trainer.threads(),
                                                  trainer.options().layer_rates);
        trainer.set_between(one.get());
        made = std::move(one);
    }
    return *made;
}

// Inverses by layer, (A⁻¹, S⁻¹) or None.
void precondition(TrainerOf& self, nb::sequence inverses, double clip) {
    self.on([&](auto& trainer, auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const std::vector<Layer>& layers = self.plan.plan.layers;
        if (nb::len(inverses) != layers.size())
            throw std::invalid_argument("inverses: expected " + std::to_string(layers.size()) + " pairs, got " +
                                        std::to_string(nb::len(inverses)));
        if (!(clip > 0)) throw std::invalid_argument("clip: expected a number above 0, got " + std::to_string(clip));
        std::vector<std::pair<const T*, const T*>> pairs;
        for (std::size_t l = 0; l < layers.size(); ++l) {
            const nb::object pair = inverses[l];
            pairs.emplace_back(nullptr, nullptr);
            if (pair.is_none()) continue;
            const Index rows = layers[l].in + (layers[l].bias ? 1 : 0), columns = layers[l].out;
            if (!nb::isinstance<nb::tuple>(pair) || nb::len(pair) != 2)
                throw std::invalid_argument("inverses: expected pairs of matrices, or None, got something else at " +
                                            std::to_string(l));
            pairs[l] = {arguments.matrix<T>(pair[0], rows, rows, "inverses"),
                        arguments.matrix<T>(pair[1], columns, columns, "inverses")};
        }
        Kronecker<T>& kronecker = kronecker_of<T>(self, trainer);
        kronecker.set_clip(clip);
        for (std::size_t l = 0; l < pairs.size(); ++l)
            if (pairs[l].first != nullptr) kronecker.set(l, pairs[l].first, pairs[l].second);
    });
}

template <class T>
std::vector<T*> state_vectors(Arguments& arguments, nb::sequence state, const Trainer<T>& trainer, Index count,
                              bool writable) {
    const auto expected = static_cast<std::size_t>(trainer.settings().vectors());
    if (nb::len(state) != expected)
        throw std::invalid_argument("state: expected " + std::to_string(expected) + " vectors, got " +
                                    std::to_string(nb::len(state)));
    std::vector<T*> vectors;
    for (std::size_t v = 0; v < expected; ++v)
        vectors.push_back(arguments.vector<T>(state[v], count, "state", writable));
    return vectors;
}

void check_steps(const std::vector<Index>& rows, const std::vector<Index>& bounds, Index m, Index largest) {
    const auto n_rows = static_cast<Index>(rows.size());
    for (std::size_t step = 0; step + 1 < bounds.size(); ++step) {
        const Index from = bounds[step], to = bounds[step + 1];
        if (from < 0 || to <= from || to > n_rows || to - from > largest)
            throw std::invalid_argument("bounds: expected batches of 1 to " + std::to_string(largest) + " of " +
                                        std::to_string(n_rows) + " rows, got " + std::to_string(from) + " to " +
                                        std::to_string(to) + " at step " + std::to_string(step));
    }
    for (const Index row : rows)
        if (row < 0 || row >= m)
            throw std::invalid_argument("rows: expected 0 to " + std::to_string(m - 1) + ", got " +
                                        std::to_string(row));
}

// The data, and rows that are copied, as what is checked has to be what is used, whoever writes to the arrays meanwhile.
template <class T>
Examples<T> examples_of(TrainerOf& self, Arguments& arguments, nb::object X, nb::object Y, nb::object weights,
                        nb::object rows) {
    const Plan& plan = self.plan.plan;
    Examples<T> examples{};
    examples.X = arguments.rows(X, plan.inputs(), "X");
    examples.Y = arguments.targets(Y, examples.X.rows, plan.outputs(), "Y");
    examples.weights = weights.is_none() ? nullptr : arguments.vector<T>(weights, examples.X.rows, "weights");
    const Index* given = arguments.vector<Index>(rows, -1, "rows");
    self.rows.assign(given, given + arguments.last_size());
    examples.rows = self.rows.data();
    return examples;
}

std::pair<double, double> gradient(TrainerOf& self, nb::object X, nb::object Y, nb::object weights, nb::object rows,
                                   double penalty, double l1, double factor, Index step, nb::object flat) {
    return self.on([&](auto& trainer, auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        Examples<T> examples = examples_of<T>(self, arguments, X, Y, weights, rows);
        if (self.rows.empty()) throw std::invalid_argument("rows: expected at least one, got none");
        self.bounds.assign({0, static_cast<Index>(self.rows.size())});
        check_steps(self.rows, self.bounds, examples.X.rows, trainer.largest_batch());
        const double rate = 0;
        examples.bounds = self.bounds.data();
        examples.steps = 1;
        examples.rates = &rate;
        examples.penalties = &penalty;
        examples.l1 = &l1;
        examples.factors = &factor;
        examples.first = step;
        T* out = arguments.vector<T>(flat, self.plan.plan.n_parameters, "flat", true);
        const nb::gil_scoped_release unlocked;
        const auto found = trainer.gradient(examples, out);
        return std::pair(found.cost, found.norm);
    });
}

nb::tuple run(TrainerOf& self, nb::object X, nb::object Y, nb::object weights, nb::object rows, nb::object bounds,
              nb::object rates, nb::object penalties, nb::object l1, nb::object factors, Index first, nb::object costs,
              nb::object norms, nb::object squares, nb::callable check) {
    return self.on([&](auto& trainer, auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        Examples<T> examples = examples_of<T>(self, arguments, X, Y, weights, rows);
        const Index* given_bounds = arguments.vector<Index>(bounds, -1, "bounds");
        self.bounds.assign(given_bounds, given_bounds + arguments.last_size());
        examples.bounds = self.bounds.data();
        examples.steps = static_cast<Index>(self.bounds.size()) - 1;
        if (examples.steps < 0) throw std::invalid_argument("bounds: expected at least one number, got none");
        examples.rates = arguments.vector<double>(rates, examples.steps, "rates");
        examples.penalties = arguments.vector<double>(penalties, examples.steps, "penalties");
        examples.l1 = arguments.vector<double>(l1, examples.steps, "l1");
        examples.factors = arguments.vector<double>(factors, examples.steps, "factors");
        examples.first = first;
        examples.costs = arguments.vector<double>(costs, examples.steps, "costs", true);
        examples.norms = arguments.vector<double>(norms, examples.steps, "norms", true);
        examples.squares = arguments.vector<double>(squares, examples.steps, "squares", true);
        check_steps(self.rows, self.bounds, examples.X.rows, trainer.largest_batch());

        std::exception_ptr raised;
        const std::function<bool()> asked = [&] {
            const nb::gil_scoped_acquire locked;
            try {
                if (PyErr_CheckSignals() != 0) throw nb::python_error();
                return nb::cast<bool>(nb::bool_(check()));
            } catch (...) {
                raised = std::current_exception();
                return true;
            }
        };
        Index done = 0;
        Ended ended;
        {
            const nb::gil_scoped_release unlocked;
            ended = trainer.run(examples, asked, done);
        }
        if (raised) std::rethrow_exception(raised);
        const char* why = ended == Ended::all       ? ""
                          : ended == Ended::stopped ? "stopped"
                          : ended == Ended::cost    ? "cost"
                                                    : "gradient";
        return nb::make_tuple(done, why);
    });
}

template <class T>
bool inverse_of(nb::object matrix, nb::object out, int threads) {
    Arguments arguments;
    const T* from = arguments.matrix<T>(matrix, -1, -1, "matrix");
    const Index n = arguments.last_size();
    from = arguments.matrix<T>(matrix, n, n, "matrix");
    T* to = arguments.matrix<T>(out, n, n, "out", true);
    check_some(n, "matrix");
    check_threads(threads);
    const nb::gil_scoped_release unlocked;
    return inverse(kernels<T>(), from, n, threads, to);
}

}  // namespace

void init_trainer(nb::module_& m) {
    m.def(
        "inverse",
        [](nb::object matrix, nb::object out, bool is_double, int threads) {
            return is_double ? inverse_of<double>(matrix, out, threads) : inverse_of<float>(matrix, out, threads);
        },
        nb::arg("matrix"), nb::arg("out"), nb::arg("double"), nb::arg("threads"));
    nb::class_<TrainerOf>(m, "Trainer")
        .def(
            "__init__",
            [](TrainerOf* self, const PlanOf& plan, const std::string& rule, const std::vector<double>& settings,
               Index batch, int threads, double noise, const std::vector<double>& dropout, double smoothing,
               double clip_example_norm, double clip_norm, const std::vector<double>& layer_rates, double weight_decay,
               double max_norm, std::uint64_t seed) {
                if (batch < 1) throw std::invalid_argument("batch: expected at least 1, got " + std::to_string(batch));
                if (threads < 1 || threads > 1024)
                    throw std::invalid_argument("threads: expected 1 to 1024, got " + std::to_string(threads));
                const RuleSettings read = rule_settings(rule, settings);
                const StepOptions options{noise,        dropout,  smoothing, clip_example_norm, clip_norm, layer_rates,
                                          weight_decay, max_norm, seed};
                auto* made = new (self) TrainerOf(plan);
                try {
                    if (plan.is_double)
                        made->f64 = std::make_unique<Trainer<double>>(plan.plan, read, batch, threads, options);
                    else made->f32 = std::make_unique<Trainer<float>>(plan.plan, read, batch, threads, options);
                } catch (...) {
                    made->~TrainerOf();
                    throw;
                }
            },
            nb::arg("plan"), nb::arg("rule"), nb::arg("settings"), nb::arg("batch"), nb::arg("threads"), nb::kw_only(),
            nb::arg("noise") = 0.0, nb::arg("dropout") = std::vector<double>{}, nb::arg("smoothing") = 0.0,
            nb::arg("clip_example_norm") = StepOptions::none, nb::arg("clip_norm") = StepOptions::none,
            nb::arg("layer_rates") = std::vector<double>{}, nb::arg("weight_decay") = 0.0,
            nb::arg("max_norm") = StepOptions::none, nb::arg("seed") = 0, nb::keep_alive<1, 2>())
        .def(
            "load",
            [](TrainerOf& self, nb::object theta, nb::sequence state, Index step) {
                if (step < 0) throw std::invalid_argument("step: expected at least 0, got " + std::to_string(step));
                self.on([&](auto& trainer, auto zero) {
                    using T = decltype(zero);
                    Arguments arguments;
                    const Index count = self.plan.plan.n_parameters;
                    const T* parameters = arguments.vector<T>(theta, count, "theta");
                    if (nb::len(state) == 0) {
                        trainer.load(parameters, nullptr, step);
                    } else {
                        const auto vectors = state_vectors<T>(arguments, state, trainer, count, false);
                        trainer.load(parameters, vectors.data(), step);
                    }
                });
            },
            nb::arg("theta"), nb::arg("state"), nb::arg("step"))
        .def(
            "store",
            [](TrainerOf& self, nb::object theta) {
                self.on([&](auto& trainer, auto zero) {
                    using T = decltype(zero);
                    Arguments arguments;
                    trainer.store(arguments.vector<T>(theta, self.plan.plan.n_parameters, "theta", true));
                });
            },
            nb::arg("theta"))
        .def(
            "store_state",
            [](TrainerOf& self, nb::sequence state) {
                return self.on([&](auto& trainer, auto zero) {
                    using T = decltype(zero);
                    Arguments arguments;
                    const auto vectors = state_vectors<T>(arguments, state, trainer, self.plan.plan.n_parameters, true);
                    return trainer.store_state(vectors.data());
                });
            },
            nb::arg("state"))
        .def("precondition", &precondition, nb::arg("inverses"), nb::arg("clip"))
        .def("run", &run, nb::arg("X"), nb::arg("Y"), nb::arg("weights").none(), nb::arg("rows"), nb::arg("bounds"),
             nb::arg("rates"), nb::arg("penalties"), nb::arg("l1"), nb::arg("factors"), nb::arg("first"),
             nb::arg("costs"), nb::arg("norms"), nb::arg("squares"), nb::arg("check"))
        .def("gradient", &gradient, nb::arg("X"), nb::arg("Y"), nb::arg("weights").none(), nb::arg("rows"),
             nb::arg("penalty"), nb::arg("l1"), nb::arg("factor"), nb::arg("step"), nb::arg("flat"));
}

}  // namespace chainrule::bindings
