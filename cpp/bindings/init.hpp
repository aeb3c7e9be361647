// One function a concept; module.cpp calls them.
#pragma once

#include <nanobind/nanobind.h>

#include "chainrule/plan.hpp"

namespace chainrule::bindings {

// A plan with its dtype.
struct PlanOf {
    Plan plan;
    bool is_double;
};

// f(float{}) or f(double{}).
template <class F>
auto for_dtype(bool is_double, F f) {
    return is_double ? f(double{}) : f(float{});
}

void init_linearized(nanobind::module_& m);
void init_plan(nanobind::module_& m);
void init_predictor(nanobind::module_& m);
void init_trainer(nanobind::module_& m);

}  // namespace chainrule::bindings
