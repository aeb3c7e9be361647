// _core.Plan: the passes over arrays that are row-major and there already.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>

#include "buffers.hpp"
#include "chainrule/network.hpp"
#include "init.hpp"

namespace chainrule::bindings {
namespace {

template <class T>
std::vector<T*> matrices(Arguments& arguments, nb::sequence arrays, Index m, std::size_t first, const Plan& plan,
                         const char* name, bool writable) {
    const std::size_t count = plan.sizes.size() - first;
    if (nb::len(arrays) != count)
        throw std::invalid_argument(std::string(name) + ": expected " + std::to_string(count) + " arrays, got " +
                                    std::to_string(nb::len(arrays)));
    std::vector<T*> pointers;
    for (std::size_t k = 0; k < count; ++k)
        pointers.push_back(arguments.matrix<T>(arrays[k], m, plan.sizes[first + k], name, writable));
    return pointers;
}

template <class T>
const T* weights_or_none(Arguments& arguments, nb::object weights, Index m) {
    return weights.is_none() ? nullptr : arguments.vector<T>(weights, m, "weights");
}

Index predict(const PlanOf& self, nb::object theta, nb::object X, nb::object out, int threads) {
    check_threads(threads);
    return for_dtype(self.is_double, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const T* parameters = arguments.vector<T>(theta, self.plan.n_parameters, "theta");
        const Rows rows = arguments.rows(X, self.plan.inputs(), "X");
        T* outputs = arguments.matrix<T>(out, rows.rows, self.plan.outputs(), "out", true);
        check_some(rows.rows, "X");
        const nb::gil_scoped_release unlocked;
        return Network<T>(self.plan).predict(parameters, rows, outputs, threads);
    });
}

void forward(const PlanOf& self, nb::object theta, nb::object X, nb::sequence a, nb::sequence z, int threads) {
    check_threads(threads);
    for_dtype(self.is_double, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const T* parameters = arguments.vector<T>(theta, self.plan.n_parameters, "theta");
        const Rows rows = arguments.rows(X, self.plan.inputs(), "X");
        check_some(rows.rows, "X");
        const auto to_a = matrices<T>(arguments, a, rows.rows, 1, self.plan, "a", true);
        const auto to_z = matrices<T>(arguments, z, rows.rows, 1, self.plan, "z", true);
        const nb::gil_scoped_release unlocked;
        Network<T>(self.plan).forward(parameters, rows, to_a.data(), to_z.data(), threads);
    });
}

double backward(const PlanOf& self, nb::object theta, nb::sequence a, nb::sequence z, nb::object Y, nb::object weights,
                nb::sequence delta, nb::object x, nb::object gradient, int threads) {
    check_threads(threads);
    return for_dtype(self.is_double, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const Plan& plan = self.plan;
        const T* parameters = arguments.vector<T>(theta, plan.n_parameters, "theta");
        const T* targets = arguments.matrix<T>(Y, -1, plan.outputs(), "Y");
        const Index m = arguments.last_size();
        check_some(m, "Y");
        const auto from_a = matrices<T>(arguments, a, m, 0, plan, "a", false);
        const auto from_z = matrices<T>(arguments, z, m, 1, plan, "z", false);
        const auto to_delta = matrices<T>(arguments, delta, m, 1, plan, "delta", true);
        const T* w = weights_or_none<T>(arguments, weights, m);
        T* to_x = arguments.matrix<T>(x, m, plan.inputs(), "x", true);
        T* to_gradient = arguments.vector<T>(gradient, plan.n_parameters, "gradient", true);
        const nb::gil_scoped_release unlocked;
        return Network<T>(plan).backward(parameters, m, from_a.data(), from_z.data(), targets, w, to_delta.data(), to_x,
                                         to_gradient, threads);
    });
}

void example_costs(const PlanOf& self, nb::object a, nb::object z, nb::object Y, nb::object out) {
    for_dtype(self.is_double, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        T* costs = arguments.vector<T>(out, -1, "out", true);
        const Index m = arguments.last_size(), outputs = self.plan.outputs();
        check_some(m, "out");
        const T* from_a = arguments.matrix<T>(a, m, outputs, "a");
        const T* from_z = arguments.matrix<T>(z, m, outputs, "z");
        const T* targets = arguments.matrix<T>(Y, m, outputs, "Y");
        const nb::gil_scoped_release unlocked;
        Network<T>(self.plan).example_costs(m, from_a, from_z, targets, costs);
    });
}

double value_and_gradient(const PlanOf& self, nb::object theta, nb::object X, nb::object Y, nb::object weights,
                          nb::object gradient, int threads) {
    check_threads(threads);
    return for_dtype(self.is_double, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const T* parameters = arguments.vector<T>(theta, self.plan.n_parameters, "theta");
        const Rows rows = arguments.rows(X, self.plan.inputs(), "X");
        check_some(rows.rows, "X");
        const T* targets = arguments.matrix<T>(Y, rows.rows, self.plan.outputs(), "Y");
        const T* w = weights_or_none<T>(arguments, weights, rows.rows);
        T* to = arguments.vector<T>(gradient, self.plan.n_parameters, "gradient", true);
        const nb::gil_scoped_release unlocked;
        return Network<T>(self.plan).value_and_gradient(parameters, rows, targets, w, to, threads);
    });
}

}  // namespace

void init_plan(nb::module_& m) {
    nb::class_<PlanOf>(m, "Plan")
        .def(
            "__init__",
            [](PlanOf* self, const std::vector<Index>& sizes,
               const std::vector<std::tuple<std::string, double, bool>>& layers,
               const std::pair<std::string, double>& cost, bool mean, bool is_double) {
                std::vector<Plan::LayerSpec> specs;
                for (const auto& [activation, parameter, bias] : layers) specs.push_back({activation, parameter, bias});
                new (self) PlanOf{Plan(sizes, specs, cost.first, cost.second, mean), is_double};
            },
            nb::arg("sizes"), nb::arg("layers"), nb::arg("cost"), nb::arg("mean"), nb::arg("double"))
        .def("numbers_held",
             [](const PlanOf& self) {
                 return for_dtype(self.is_double, [&](auto zero) {
                     const Grid grid = kernels<decltype(zero)>().grid;
                     const Packing packing(self.plan, grid, false);
                     Index units = 0;
                     for (const Index n : self.plan.sizes) units += grid.padded(n);
                     return std::pair(units, packing.parameters + packing.transposed);
                 });
             })
        .def_prop_ro("n_parameters", [](const PlanOf& self) { return self.plan.n_parameters; })
        .def("predict", &predict, nb::arg("theta"), nb::arg("X"), nb::arg("out"), nb::arg("threads"))
        .def("forward", &forward, nb::arg("theta"), nb::arg("X"), nb::arg("a"), nb::arg("z"), nb::arg("threads"))
        .def("backward", &backward, nb::arg("theta"), nb::arg("a"), nb::arg("z"), nb::arg("Y"),
             nb::arg("weights").none(), nb::arg("delta"), nb::arg("x"), nb::arg("gradient"), nb::arg("threads"))
        .def("example_costs", &example_costs, nb::arg("a"), nb::arg("z"), nb::arg("Y"), nb::arg("out"))
        .def("value_and_gradient", &value_and_gradient, nb::arg("theta"), nb::arg("X"), nb::arg("Y"),
             nb::arg("weights").none(), nb::arg("gradient"), nb::arg("threads"));
}

}  // namespace chainrule::bindings
