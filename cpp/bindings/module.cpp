// chainrule._core, the compiled core as Python sees it; its interface is src/chainrule/_core.pyi.
#include "init.hpp"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "chainrule/kernels.hpp"
#include "chainrule/memory.hpp"

namespace nb = nanobind;

NB_MODULE(_core, m) {
    nb::set_leak_warnings(false);  // a network may live until the interpreter ends, in a module's global, say
    nb::register_exception_translator([](const std::exception_ptr& p, void*) {
        try {
            std::rethrow_exception(p);
        } catch (const chainrule::TooLarge& error) {
            PyErr_SetString(PyExc_MemoryError, error.what());
        }
    });
    m.def("instruction_sets", &chainrule::instruction_sets);
    m.def("instruction_set", [] { return std::string(chainrule::kernels<float>().name); });
    m.def("bytes_held", [] {
        const chainrule::Held held = chainrule::bytes_held();
        return std::pair(held.now, held.most);
    });
    chainrule::bindings::init_plan(m);
    chainrule::bindings::init_linearized(m);
    chainrule::bindings::init_predictor(m);
    chainrule::bindings::init_trainer(m);
}
