// _core.Predictor: outputs of a few rows, with as little as possible around the arithmetic.
#include <memory>
#include <optional>
#include <tuple>

#include "buffers.hpp"
#include "chainrule/network.hpp"
#include "init.hpp"

namespace chainrule::bindings {
namespace {

// More rows than these are worth packing the weights for.
constexpr Index most_rows = 2, most_rows_of_small = 8, small = 10'000;

class Predictor {
public:
    Predictor(const PlanOf& plan, nb::object theta)
        : plan_(plan), theta_(theta, "theta", false), ndarray_(nb::module_::import_("numpy").attr("ndarray")),
          empty_(nb::module_::import_("numpy").attr("empty")),
          dtype_(nb::module_::import_("numpy").attr("dtype")(plan.is_double ? "float64" : "float32")) {
        Arguments arguments;
        for_dtype(plan.is_double, [&](auto zero) {
            using T = decltype(zero);
            arguments.vector<T>(theta, plan.plan.n_parameters, "theta");
            std::get<std::unique_ptr<RowPredictor<T>>>(rows_) = std::make_unique<RowPredictor<T>>(plan.plan);
        });
    }

    nb::object operator()(nb::handle X) {
        nb::object out = predicted(X);
        held_.reset();
        return out;
    }

private:
    nb::object predicted(nb::handle X) {
        if (Py_TYPE(X.ptr()) != reinterpret_cast<PyTypeObject*>(ndarray_.ptr())) return nb::none();
        std::optional<Rows> rows = view(X);
        if (!rows) return nb::none();
        nb::object out = empty_(nb::make_tuple(rows->rows, plan_.plan.outputs()), dtype_);
        const bool finite = for_dtype(plan_.is_double, [&](auto zero) {
            using T = decltype(zero);
            const Held outputs(out, "out", true);
            RowPredictor<T>& predictor = *std::get<std::unique_ptr<RowPredictor<T>>>(rows_);
            const T* theta = reinterpret_cast<const T*>(theta_.data());
            for (Index row = 0; row < rows->rows; ++row)
                if (!predictor.predict(theta, *rows, row,
                                       reinterpret_cast<T*>(outputs.data()) + row * plan_.plan.outputs()))
                    return false;
            return true;
        });
        return finite ? out : nb::none();
    }

    std::optional<Rows> view(nb::handle X) {
        try {
            held_.emplace(X, "X", false);
            if (held_->dimensions() != 2 || held_->size(1) != plan_.plan.inputs() || held_->size(0) < 1 ||
                held_->size(0) > (plan_.plan.n_parameters > small ? most_rows : most_rows_of_small))
                return std::nullopt;
            Rows rows;
            rows.data = held_->data();
            rows.dtype = held_->dtype("X");
            rows.rows = held_->size(0);
            rows.columns = held_->size(1);
            rows.row_stride = held_->stride(0);
            rows.column_stride = held_->stride(1);
            return rows;
        } catch (const nb::python_error&) {
            return std::nullopt;
        } catch (const std::invalid_argument&) {
            return std::nullopt;
        }
    }

    const PlanOf& plan_;  // kept alive by the binding
    Held theta_;
    nb::object ndarray_, empty_, dtype_;
    std::optional<Held> held_;
    std::tuple<std::unique_ptr<RowPredictor<float>>, std::unique_ptr<RowPredictor<double>>> rows_;
};

}  // namespace

void init_predictor(nb::module_& m) {
    nb::class_<Predictor>(m, "Predictor")
        .def(nb::init<const PlanOf&, nb::object>(), nb::arg("plan"), nb::arg("theta"), nb::keep_alive<1, 2>())
        .def("__call__", &Predictor::operator(), nb::arg("X").none());
}

}  // namespace chainrule::bindings
