// Nothing is allocated while a trainer runs, after its first step: every way to ask for memory is counted, on all threads.
//
// malloc and its kin, and mmap, are replaced by functions that count and pass the call on; operator new comes through
// malloc. The sanitizers put theirs in the same places, so under them, and without glibc, there is nothing to run.
#include <features.h>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "chainrule/kronecker.hpp"
#include "training.hpp"

#if defined(__GLIBC__) && !CHAINRULE_TEST_SANITIZED

namespace {
std::atomic<long> allocations{0};
}

#pragma GCC visibility push(default)  // seen by the C++ library, whose operator new calls malloc
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
    ++allocations;
    return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
    ++allocations;
    return __libc_calloc(count, bytes);
}
void* realloc(void* at, std::size_t bytes) {
    ++allocations;
    return __libc_realloc(at, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
    ++allocations;
    return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    ++allocations;
    return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** to, std::size_t alignment, std::size_t bytes) {
    ++allocations;
    *to = __libc_memalign(alignment, bytes);
    return *to == nullptr ? ENOMEM : 0;
}
void* mmap(void* at, std::size_t bytes, int protection, int flags, int file, off_t offset) {
    ++allocations;
    return reinterpret_cast<void*>(syscall(SYS_mmap, at, bytes, protection, flags, file, offset));
}
}
#pragma GCC visibility pop

namespace {

using namespace chainrule;
using check::Data;
using check::Epochs;
using check::Net;
using check::TestedRule;

template <class F>
long counted(F f) {
    const long before = allocations;
    f();
    return allocations - before;
}

// The counter sees each way to ask for memory; were it blind, all below would pass.
TEST(counting_counts) {
    void* volatile kept = nullptr;
    const auto once = [&](auto f) {
        CHECK(counted([&] { kept = f(); }) == 1, "one allocation is counted as one");
        std::free(kept);
    };
    once([] { return std::malloc(10); });
    once([] { return std::calloc(2, 5); });
    once([] { return std::realloc(nullptr, 10); });
    once([] { return std::aligned_alloc(64, 128); });
    once([] {
        void* at = nullptr;
        return posix_memalign(&at, 64, 128) == 0 ? at : nullptr;
    });
    CHECK(counted([&] { kept = ::operator new(10); }) == 1, "operator new");
    ::operator delete(kept);
    CHECK(counted([&] { kept = ::operator new(10, std::align_val_t(64)); }) == 1, "operator new, aligned");
    ::operator delete(kept, std::align_val_t(64));
    CHECK(counted([&] { std::vector<int>(100)[3] = 1; }) == 1, "a vector");
    CHECK(counted([] { Buffer<float>(100)[3] = 1; }) == 1, "an array of the core");
    CHECK(counted([] { Buffer<float>(10'000'000)[3] = 1; }) == 1, "a large one, which has pages of its own");
}

// All that a step may do besides.
StepOptions every_option(const Plan& plan) {
    StepOptions o{};
    o.noise = 0.1;
    o.dropout.assign(plan.layers.size(), 0.2);
    o.smoothing = 0.1;
    o.clip_example_norm = o.clip_norm = o.max_norm = 0.5;
    o.layer_rates.assign(plan.layers.size(), 0.5);
    o.weight_decay = 0.1;
    return o;
}

enum class Besides { nothing, options, factors };

// K-FAC with factors of 1.
template <class T>
std::unique_ptr<Kronecker<T>> of_units(const Plan& plan, int threads) {
    auto made = std::make_unique<Kronecker<T>>(plan, kernels<T>(), threads);
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const auto unit = [](Index n) {
            std::vector<T> matrix(naive::at(n * n));
            for (Index k = 0; k < n; ++k) matrix[naive::at(k * n + k)] = T(1);
            return matrix;
        };
        const Layer& layer = plan.layers[l];
        made->set(l, unit(layer.in + (layer.bias ? 1 : 0)).data(), unit(layer.out).data());
    }
    made->set_clip(1e-3);
    return made;
}

template <class T>
void runs(Besides besides) {
    const bool with_options = besides == Besides::options;
    for (const Net& net : check::nets())
        for (const TestedRule& rule : check::training_rules())
            for (const int threads : {1, 2, 3}) {
                const bool some = besides == Besides::nothing || rule.rule == Rule::adamw;
                if (check::small() && (threads == 3 || !some)) continue;
                const Plan plan = net.plan();
                const Data<T> data(net, 3 * net.batch + 1);
                Epochs<T> e(net, data, rule, 2, 1e-3);
                Trainer<T> trainer(plan, rule_settings(rule.name, rule.settings), net.batch, threads,
                                   with_options ? every_option(plan) : StepOptions{});
                const auto kronecker = of_units<T>(plan, threads);
                if (besides == Besides::factors) trainer.set_between(kronecker.get());
                const std::function<bool()> check = check::never_stop;  // the caller's, made once
                Index done = 0;
                long first = -1, second = -1, poisoned = -1;
                trainer.load(data.theta.data(), nullptr, 0);
                // the first run may make a team; from then on the lease, too, finds all that it needs
                first = counted([&] { trainer.run(e.examples(0, 1), check, done); });
                const Examples<T> rest = e.examples(1, e.steps());
                second = counted([&] { trainer.run(rest, check, done); });
                CHECK(second == 0, net.name << ", " << rule.name << ", " << threads << " threads: " << second
                                            << " allocations after the first run, which had " << first);
                CHECK(done == e.steps() - 1, done);
                // examples that are clipped have gradients of any size
                e.factors[2] = with_options     ? HUGE_VAL
                               : sizeof(T) == 4 ? 1e30
                                                : 1e200;  // a run that ends in divergence, and is wound back
                poisoned = counted([&] { trainer.run(rest, check, done); });
                CHECK(poisoned == 0 && done == 1,
                      net.name << ", " << rule.name << ": " << poisoned << " allocations in a run that diverged");
            }
}
TEST(no_allocation_in_a_run_f32) {
    runs<float>(Besides::nothing);
}
TEST(no_allocation_in_a_run_f64) {
    runs<double>(Besides::nothing);
}
TEST(no_allocation_with_options_f32) {
    runs<float>(Besides::options);
}
TEST(no_allocation_with_options_f64) {
    runs<double>(Besides::options);
}

TEST(no_allocation_with_kronecker_factors_f32) {
    runs<float>(Besides::factors);
}
TEST(no_allocation_with_kronecker_factors_f64) {
    runs<double>(Besides::factors);
}

// The count is not 0 when one allocation is added: here by `check`, which is called in the middle of a run.
TEST(an_added_allocation_shows) {
    const Net net = check::nets()[2];
    const Plan plan = net.plan();
    const Data<float> data(net, net.batch);
    const TestedRule rule = check::training_rules()[4];
    Epochs<float> e(net, data, rule, 1, 0);
    for (const int threads : {1, 2}) {
        Trainer<float> trainer(plan, rule_settings(rule.name, rule.settings), net.batch, threads);
        trainer.load(data.theta.data(), nullptr, 0);
        Index done = 0;
        const Index steps = 3000000;
        std::vector<double> rates(naive::at(steps), 0), out(naive::at(steps));
        std::vector<Index> bounds(naive::at(steps) + 1);
        Examples<float> examples = e.examples(0, 0);
        const std::vector<Index> rows(naive::at(steps), 0);  // each step takes row 0, by itself
        for (std::size_t j = 0; j < bounds.size(); ++j) bounds[j] = static_cast<Index>(j);
        examples.rows = rows.data();
        examples.bounds = bounds.data();
        examples.rates = examples.penalties = examples.l1 = examples.factors = rates.data();
        examples.costs = examples.norms = examples.squares = out.data();
        void* volatile kept = nullptr;
        const std::function<bool()> allocate_and_stop = [&] {
            kept = std::malloc(1);
            std::free(kept);
            return true;
        };
        examples.steps = 1;
        trainer.run(examples, allocate_and_stop, done);
        examples.steps = steps;
        const long count = counted([&] { trainer.run(examples, allocate_and_stop, done); });
        CHECK(count == 1 && done > 0 && done < steps,
              threads << " threads: " << count << " allocations, " << done << " steps");
    }
}

}  // namespace

TEST_MAIN_FOR_EACH_INSTRUCTION_SET

#else

int main() {
    std::printf("skipped: allocations are not counted here (a sanitizer, or no glibc)\n");
    return 0;
}

#endif
