// Which kernels this process uses.
#include <cstdlib>

#include "chainrule/kernels.hpp"

namespace chainrule {

#define CHAINRULE_DECLARE(isa)                \
    namespace isa {                           \
    extern const Kernels<float> kernels_f32;  \
    extern const Kernels<double> kernels_f64; \
    }
CHAINRULE_DECLARE(baseline)
#if defined(__x86_64__)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(avx512)
#elif defined(__aarch64__)
CHAINRULE_DECLARE(neon)
#endif

namespace {

struct Candidate {
    const char* name;
    bool runs;
    const Kernels<float>& f32;
    const Kernels<double>& f64;
};

const std::vector<Candidate>& candidates() {  // the best first
    static const std::vector<Candidate> all = [] {
        std::vector<Candidate> found;
#if defined(__x86_64__)
        __builtin_cpu_init();
        const bool avx2_runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        const bool avx512_runs = avx2_runs && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
        found.push_back({"avx512", avx512_runs, avx512::kernels_f32, avx512::kernels_f64});
        found.push_back({"avx2", avx2_runs, avx2::kernels_f32, avx2::kernels_f64});
#elif defined(__aarch64__)
        found.push_back({"neon", true, neon::kernels_f32, neon::kernels_f64});
#endif
        found.push_back({"baseline", true, baseline::kernels_f32, baseline::kernels_f64});
        return found;
    }();
    return all;
}

const Candidate* find(std::string_view name) {
    for (const Candidate& candidate : candidates())
        if (candidate.runs && candidate.name == name) return &candidate;
    return nullptr;
}

const Candidate& chosen() {
    static const Candidate& choice = []() -> const Candidate& {
        const char* asked = std::getenv("CHAINRULE_INSTRUCTION_SET");
        if (asked != nullptr && *asked != '\0') {
            if (const Candidate* candidate = find(asked)) return *candidate;
            std::string names;
            for (const std::string& name : instruction_sets()) names += (names.empty() ? "" : ", ") + name;
            throw std::invalid_argument("CHAINRULE_INSTRUCTION_SET: expected one that this machine runs (" + names +
                                        "), got \"" + asked + "\". Unset it to have the best.");
        }
        for (const Candidate& candidate : candidates())
            if (candidate.runs) return candidate;
        __builtin_unreachable();  // the baseline runs everywhere
    }();
    return choice;
}

}  // namespace

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const Candidate& candidate : candidates())
        if (candidate.runs) names.emplace_back(candidate.name);
    return names;
}

template <>
const Kernels<float>& kernels<float>() {
    return chosen().f32;
}
template <>
const Kernels<double>& kernels<double>() {
    return chosen().f64;
}
template <>
const Kernels<float>* kernels_named<float>(std::string_view name) {
    const Candidate* candidate = find(name);
    return candidate == nullptr ? nullptr : &candidate->f32;
}
template <>
const Kernels<double>* kernels_named<double>(std::string_view name) {
    const Candidate* candidate = find(name);
    return candidate == nullptr ? nullptr : &candidate->f64;
}

}  // namespace chainrule
