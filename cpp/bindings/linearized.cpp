// _core.Linearized and what comes of it: Pushed, Pulled, Bent.
#include <memory>
#include <utility>
#include <variant>

#include "buffers.hpp"
#include "chainrule/linearized.hpp"
#include "init.hpp"

namespace chainrule::bindings {
namespace {

// One of each for float and double; what was made of another is kept alive by the bindings.
template <template <class> class C>
using Either = std::variant<std::unique_ptr<C<float>>, std::unique_ptr<C<double>>>;

template <class T, template <class> class C>
C<T>& get(const Either<C>& either) {
    return *std::get<std::unique_ptr<C<T>>>(either);
}

struct LinearizedOf {
    const PlanOf& plan;
    Index rows;
    Either<Linearized> network;
};

struct PushedOf {
    const LinearizedOf& at;
    Either<Pushed> pushed;
};

struct PulledOf {
    const LinearizedOf& at;
    Index count;
    Either<Pulled> pulled;
};

struct BentOf {
    const LinearizedOf& at;
    Either<Bent> bent;
};

// f(zero of T), with the core's exceptions for Python's, whatever the dtype.
template <class F>
auto with(const LinearizedOf& at, F f) {
    return for_dtype(at.plan.is_double, f);
}

template <class T>
const T* counts(Arguments& arguments, nb::object c, Index m) {
    return c.is_none() ? nullptr : arguments.vector<T>(c, m, "c");
}

// Matrices of these sizes, rows × rows, to be filled.
template <class T>
std::vector<T*> squares(Arguments& arguments, nb::sequence arrays, const std::vector<Index>& sizes) {
    if (nb::len(arrays) != sizes.size())
        throw std::invalid_argument("out: expected " + std::to_string(sizes.size()) + " arrays, got " +
                                    std::to_string(nb::len(arrays)));
    std::vector<T*> pointers;
    for (std::size_t k = 0; k < sizes.size(); ++k)
        pointers.push_back(arguments.matrix<T>(arrays[k], sizes[k], sizes[k], "out", true));
    return pointers;
}

void linearize(LinearizedOf* self, const PlanOf& plan, nb::object theta, nb::object X, int threads) {
    check_threads(threads);
    for_dtype(plan.is_double, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const T* parameters = arguments.vector<T>(theta, plan.plan.n_parameters, "theta");
        const Rows rows = arguments.rows(X, plan.plan.inputs(), "X");
        check_some(rows.rows, "X");
        std::unique_ptr<Linearized<T>> made;
        {
            const nb::gil_scoped_release unlocked;
            made = std::make_unique<Linearized<T>>(plan.plan, parameters, rows, threads);
        }
        new (self) LinearizedOf{plan, rows.rows, std::move(made)};
    });
}

void outputs(const LinearizedOf& self, nb::object z, nb::object a) {
    with(self, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const Index n = self.plan.plan.outputs();
        T *to_z = arguments.matrix<T>(z, self.rows, n, "z", true),
          *to_a = arguments.matrix<T>(a, self.rows, n, "a", true);
        get<T>(self.network).outputs(to_z, to_a);
    });
}

void input_moments(const LinearizedOf& self, nb::object c, nb::sequence out) {
    with(self, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        std::vector<Index> sizes;
        for (const Layer& layer : self.plan.plan.layers) sizes.push_back(layer.in + (layer.bias ? 1 : 0));
        const T* count = counts<T>(arguments, c, self.rows);
        const std::vector<T*> to = squares<T>(arguments, out, sizes);
        const nb::gil_scoped_release unlocked;
        get<T>(self.network).moments(count, to.data());
    });
}

PushedOf push(const LinearizedOf& self, nb::object v) {
    return with(self, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const T* vector = arguments.vector<T>(v, self.plan.plan.n_parameters, "v");
        const nb::gil_scoped_release unlocked;
        return PushedOf{self, std::make_unique<Pushed<T>>(get<T>(self.network), vector)};
    });
}

PulledOf pull(const LinearizedOf& self, nb::object seeds) {
    return with(self, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const Vectors<T> given = arguments.vectors<T>(seeds, -1, self.rows, self.plan.plan.outputs(), "seeds");
        check_some(given.sizes[0], "seeds");
        const nb::gil_scoped_release unlocked;
        return PulledOf{
            self, given.sizes[0],
            std::make_unique<Pulled<T>>(get<T>(self.network), Strided<const T>{given.data, given.sizes[0],
                                                                               given.strides[1], given.strides[0]})};
    });
}

BentOf bend(const LinearizedOf& self, const PushedOf& pushed, nb::object delta, nb::object d_delta) {
    if (&pushed.at != &self) throw std::invalid_argument("pushed: expected what this object pushed, got another's");
    return with(self, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const Index n = self.plan.plan.outputs();
        const T* top = arguments.matrix<T>(delta, self.rows, n, "delta");
        const T* d_top = arguments.matrix<T>(d_delta, self.rows, n, "d_delta");
        const nb::gil_scoped_release unlocked;
        return BentOf{self, std::make_unique<Bent<T>>(get<T>(self.network), get<T>(pushed.pushed), top, d_top)};
    });
}

void pushed_outputs(const PushedOf& self, nb::object dz) {
    with(self.at, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        get<T>(self.pushed).outputs(arguments.matrix<T>(dz, self.at.rows, self.at.plan.plan.outputs(), "dz", true));
    });
}

void inputs(const PulledOf& self, nb::object out) {
    with(self.at, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const Vectors<T> to =
            arguments.vectors<T>(out, self.at.rows, self.count, self.at.plan.plan.inputs(), "out", true);
        const nb::gil_scoped_release unlocked;
        get<T>(self.pulled).inputs({to.data, self.count, to.strides[0], to.strides[1]});
    });
}

void squared_norms(const PulledOf& self, nb::object out) {
    with(self.at, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        double* to = arguments.vector<double>(out, self.at.rows, "out", true);
        const nb::gil_scoped_release unlocked;
        get<T>(self.pulled).squared_norms(to);
    });
}

void delta_moments(const PulledOf& self, nb::object c, nb::sequence out) {
    with(self.at, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        std::vector<Index> sizes;
        for (const Layer& layer : self.at.plan.plan.layers) sizes.push_back(layer.out);
        const T* count = counts<T>(arguments, c, self.at.rows);
        const std::vector<T*> to = squares<T>(arguments, out, sizes);
        const nb::gil_scoped_release unlocked;
        get<T>(self.pulled).moments(count, to.data());
    });
}

// f(object, c, out) for a result like θ.
template <template <class> class C, class F>
void like_theta(const LinearizedOf& at, const Either<C>& of, nb::object c, nb::object out, F f) {
    with(at, [&](auto zero) {
        using T = decltype(zero);
        Arguments arguments;
        const T* count = counts<T>(arguments, c, at.rows);
        T* to = arguments.vector<T>(out, at.plan.plan.n_parameters, "out", true);
        const nb::gil_scoped_release unlocked;
        f(get<T>(of), count, to);
    });
}

}  // namespace

void init_linearized(nb::module_& m) {
    const auto gradient = [](auto& of, auto* c, auto* out) { of.gradient(c, out); };
    nb::class_<PushedOf>(m, "Pushed").def("outputs", &pushed_outputs, nb::arg("dz"));
    nb::class_<BentOf>(m, "Bent").def(
        "gradient",
        [gradient](const BentOf& self, nb::object c, nb::object out) {
            like_theta(self.at, self.bent, c, out, gradient);
        },
        nb::arg("c").none(), nb::arg("out"));
    nb::class_<PulledOf>(m, "Pulled")
        .def("inputs", &inputs, nb::arg("out"))
        .def(
            "gradient",
            [gradient](const PulledOf& self, nb::object c, nb::object out) {
                like_theta(self.at, self.pulled, c, out, gradient);
            },
            nb::arg("c").none(), nb::arg("out"))
        .def("squared_norms", &squared_norms, nb::arg("out"))
        .def(
            "squares",
            [](const PulledOf& self, nb::object c, nb::object out) {
                like_theta(self.at, self.pulled, c, out, [](auto& of, auto* n, auto* to) { of.squares(n, to); });
            },
            nb::arg("c").none(), nb::arg("out"))
        .def("moments", &delta_moments, nb::arg("c").none(), nb::arg("out"));
    nb::class_<LinearizedOf>(m, "Linearized")
        .def("__init__", &linearize, nb::arg("plan"), nb::arg("theta"), nb::arg("X"), nb::arg("threads"),
             nb::keep_alive<1, 2>())
        .def_prop_ro("finite",
                     [](const LinearizedOf& self) {
                         return with(self, [&](auto zero) { return get<decltype(zero)>(self.network).finite; });
                     })
        .def("outputs", &outputs, nb::arg("z"), nb::arg("a"))
        .def("moments", &input_moments, nb::arg("c").none(), nb::arg("out"))
        .def("push", &push, nb::arg("v"), nb::keep_alive<0, 1>())
        .def("pull", &pull, nb::arg("seeds"), nb::keep_alive<0, 1>())
        .def("bend", &bend, nb::arg("pushed"), nb::arg("delta"), nb::arg("d_delta"), nb::keep_alive<0, 1>(),
             nb::keep_alive<0, 2>());
}

}  // namespace chainrule::bindings
