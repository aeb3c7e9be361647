// _core.Trainer: whole epochs without the interpreter lock.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <exception>
#include <memory>

#include "buffers.hpp"
#include "chainrule/epoch.hpp"
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

nb::tuple run(TrainerOf& self, nb::object X, nb::object Y, nb::object weights, nb::object rows, nb::object bounds,
              nb::object rates, nb::object penalties, nb::object factors, nb::object costs, nb::object norms,
              nb::object squares, nb::callable check) {
    return self.on([&](auto& trainer, auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const Plan& plan = self.plan.plan;
        Examples<T> examples{};
        examples.X = arguments.rows(X, plan.inputs(), "X");
        examples.Y = arguments.targets(Y, examples.X.rows, plan.outputs(), "Y");
        examples.weights = weights.is_none() ? nullptr : arguments.vector<T>(weights, examples.X.rows, "weights");
        // copied, as what is checked has to be what is used, whoever writes to the arrays meanwhile
        const Index* given_rows = arguments.vector<Index>(rows, -1, "rows");
        self.rows.assign(given_rows, given_rows + arguments.last_size());
        const Index* given_bounds = arguments.vector<Index>(bounds, -1, "bounds");
        self.bounds.assign(given_bounds, given_bounds + arguments.last_size());
        examples.rows = self.rows.data();
        examples.bounds = self.bounds.data();
        examples.steps = static_cast<Index>(self.bounds.size()) - 1;
        if (examples.steps < 0) throw std::invalid_argument("bounds: expected at least one number, got none");
        examples.rates = arguments.vector<double>(rates, examples.steps, "rates");
        examples.penalties = arguments.vector<double>(penalties, examples.steps, "penalties");
        examples.factors = arguments.vector<double>(factors, examples.steps, "factors");
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

}  // namespace

void init_trainer(nb::module_& m) {
    nb::class_<TrainerOf>(m, "Trainer")
        .def(
            "__init__",
            [](TrainerOf* self, const PlanOf& plan, const std::string& rule, const std::vector<double>& settings,
               Index batch, int threads) {
                if (batch < 1) throw std::invalid_argument("batch: expected at least 1, got " + std::to_string(batch));
                if (threads < 1 || threads > 1024)
                    throw std::invalid_argument("threads: expected 1 to 1024, got " + std::to_string(threads));
                const RuleSettings read = rule_settings(rule, settings);
                auto* made = new (self) TrainerOf(plan);
                try {
                    if (plan.is_double) made->f64 = std::make_unique<Trainer<double>>(plan.plan, read, batch, threads);
                    else made->f32 = std::make_unique<Trainer<float>>(plan.plan, read, batch, threads);
                } catch (...) {
                    made->~TrainerOf();
                    throw;
                }
            },
            nb::arg("plan"), nb::arg("rule"), nb::arg("settings"), nb::arg("batch"), nb::arg("threads"),
            nb::keep_alive<1, 2>())
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
        .def("run", &run, nb::arg("X"), nb::arg("Y"), nb::arg("weights").none(), nb::arg("rows"), nb::arg("bounds"),
             nb::arg("rates"), nb::arg("penalties"), nb::arg("factors"), nb::arg("costs"), nb::arg("norms"),
             nb::arg("squares"), nb::arg("check"));
}

}  // namespace chainrule::bindings
