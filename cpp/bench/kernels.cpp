// The rate of the three products of a layer, on one thread: for the shapes of the workloads A to E of benchmarks.peers, each
// instruction set that this machine runs, and both dtypes, beside the most that the machine's multiply-adds give.
//
//   bench_kernels [A B C D E] [avx512 avx2 baseline neon] [f32 f64]     what is named; all without arguments
//
// Times are processor time of the thread (CLOCK_THREAD_CPUTIME_ID), medians of samples of at least some milliseconds. The
// ceiling is measured anew for each line, as clock rates change. Only useful operations count: 2·N·I·O a product, no padding.
#include <algorithm>
#include <cstdio>
#include <string_view>
#include <vector>

#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "chainrule/kernels.hpp"
#include "chainrule/memory.hpp"

namespace {

using namespace chainrule;

double seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Median time of one call of f, from samples that are long enough for the clock; half a second in all, or three samples.
template <class F>
double time_of(F f, double total = 0.5) {
    f();  // caches, page tables, clock rate
    double begin = seconds();
    f();
    const double one = std::max(seconds() - begin, 1e-8);
    const int calls = std::max(1, static_cast<int>(0.005 / one));
    const int samples = std::clamp(static_cast<int>(total / (one * calls)), 3, 25);
    std::vector<double> times;
    for (int sample = 0; sample < samples; ++sample) {
        begin = seconds();
        for (int call = 0; call < calls; ++call) f();
        times.push_back((seconds() - begin) / calls);
    }
    std::nth_element(times.begin(), times.begin() + samples / 2, times.end());
    return times[static_cast<std::size_t>(samples / 2)];
}

// --- the ceiling: chains of multiply-adds in registers, more of them than a multiply-add takes cycles times units -----------
// Every machine of today is busy with 12 chains: at most 2 units of latency 4 to 5. The baseline of x86-64 multiplies and adds.
constexpr int chains = 12;
constexpr Index turns = 20000;
volatile double kept;  // what is never used would never be computed

#define CHAINRULE_EACH _Pragma("GCC unroll 12") for (int k = 0; k < chains; ++k)
#define CHAINRULE_PEAK(name, attribute, T, Vector, set, multiply_add)                  \
    attribute double name() {                                                          \
        Vector sums[chains];                                                           \
        CHAINRULE_EACH sums[k] = set(T(0));                                            \
        const Vector x = set(T(0.5)), y = set(T(0.25));                                \
        for (Index turn = 0; turn < turns; ++turn) {                                   \
            CHAINRULE_EACH {                                                           \
                sums[k] = multiply_add(x, sums[k], y);                                 \
                asm volatile("" : CHAINRULE_REGISTER(sums[k])); /* not to be joined */ \
            }                                                                          \
        }                                                                              \
        CHAINRULE_EACH kept = static_cast<double>(sums[k][0]);                         \
        return 2.0 * chains * turns * (sizeof(Vector) / sizeof(T));                    \
    }
#if defined(__x86_64__)
#define CHAINRULE_REGISTER(sum) "+v"(sum)
#define CHAINRULE_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma,avx2")))
#define CHAINRULE_AVX2 __attribute__((target("fma,avx2")))
#define CHAINRULE_SSE2
#define CHAINRULE_SSE2_FLOAT(x, y, z) _mm_add_ps(_mm_mul_ps(x, y), z)
#define CHAINRULE_SSE2_DOUBLE(x, y, z) _mm_add_pd(_mm_mul_pd(x, y), z)
CHAINRULE_PEAK(avx512_float, CHAINRULE_AVX512, float, __m512, _mm512_set1_ps, _mm512_fmadd_ps)
CHAINRULE_PEAK(avx512_double, CHAINRULE_AVX512, double, __m512d, _mm512_set1_pd, _mm512_fmadd_pd)
CHAINRULE_PEAK(avx2_float, CHAINRULE_AVX2, float, __m256, _mm256_set1_ps, _mm256_fmadd_ps)
CHAINRULE_PEAK(avx2_double, CHAINRULE_AVX2, double, __m256d, _mm256_set1_pd, _mm256_fmadd_pd)
CHAINRULE_PEAK(baseline_float, CHAINRULE_SSE2, float, __m128, _mm_set1_ps, CHAINRULE_SSE2_FLOAT)
CHAINRULE_PEAK(baseline_double, CHAINRULE_SSE2, double, __m128d, _mm_set1_pd, CHAINRULE_SSE2_DOUBLE)
#elif defined(__aarch64__)
#define CHAINRULE_REGISTER(sum) "+w"(sum)
#define CHAINRULE_NEON
#define CHAINRULE_NEON_FLOAT(x, y, z) vfmaq_f32(z, x, y)
#define CHAINRULE_NEON_DOUBLE(x, y, z) vfmaq_f64(z, x, y)
CHAINRULE_PEAK(neon_float, CHAINRULE_NEON, float, float32x4_t, vdupq_n_f32, CHAINRULE_NEON_FLOAT)
CHAINRULE_PEAK(neon_double, CHAINRULE_NEON, double, float64x2_t, vdupq_n_f64, CHAINRULE_NEON_DOUBLE)
#endif

// Operations a second that this instruction set can do at most; 0 where that isn't known.
double ceiling(std::string_view name, bool is_double) {
    double (*peak)() = nullptr;
#if defined(__x86_64__)
    if (name == "avx512") peak = is_double ? avx512_double : avx512_float;
    if (name == "avx2") peak = is_double ? avx2_double : avx2_float;
    if (name == "baseline") peak = is_double ? baseline_double : baseline_float;
#elif defined(__aarch64__)
    if (name == "neon" || name == "baseline") peak = is_double ? neon_double : neon_float;  // the same instructions
#endif
    if (peak == nullptr) return 0;
    double operations = 0;
    return 1 / time_of([&] { operations = peak(); }, 0.1) * operations;
}

// --- the products -----------------------------------------------------------------------------------------------------------
struct Workload {
    const char* name;
    std::vector<Index> sizes;
    Index batch;
};
const Workload workloads[] = {{"A", {784, 30, 10}, 10},
                              {"B", {784, 100, 10}, 200},
                              {"C", {20, 64, 64, 1}, 32},
                              {"D", {784, 512, 512, 10}, 128},
                              {"E", {1024, 2048, 2048, 1024}, 1024}};

template <class T>
Buffer<T> numbers(Index count) {
    Buffer<T> buffer(count);
    for (Index k = 0; k < count; ++k) buffer[k] = static_cast<T>(0.001 * static_cast<double>(k % 1000) - 0.5);
    return buffer;
}

// One layer's operands, as a trainer has them.
template <class T>
struct Operands {
    const Kernels<T>& k;
    Index in, out, batch;
    Buffer<T> below, delta, weights, transposed, edge, bias, result, result_below, gradient;

    Operands(const Kernels<T>& kernels, Index the_in, Index the_out, Index the_batch)
        : k(kernels), in(the_in), out(the_out), batch(the_batch), below(numbers<T>(batch * k.grid.padded(in))),
          delta(numbers<T>(batch * k.grid.padded(out))), weights(numbers<T>(in * k.grid.padded(out))),
          transposed(numbers<T>(out * k.grid.padded(in))), edge(numbers<T>(k.grid.edge(in, out) * k.grid.padded(in))),
          bias(numbers<T>(k.grid.padded(out))), result(batch * k.grid.padded(out)),
          result_below(batch * k.grid.padded(in)), gradient(rows() * k.grid.panel()) {}

    [[nodiscard]] Index rows() const { return std::max<Index>(1, 96 / k.grid.panel()) * k.grid.panel(); }

    void forward() const {
        const Panels<T> z{result.data(), batch, out};
        k.forward({{below.data(), batch, in},
                   0,
                   batch,
                   weights.data(),
                   bias.data(),
                   z,
                   z,
                   {},
                   Activation::identity,
                   0,
                   edge.size() > 0 ? edge.data() : nullptr});
    }
    void backward() const {
        k.backward({{delta.data(), batch, out},
                    0,
                    batch,
                    transposed.data(),
                    {result_below.data(), batch, in},
                    {},
                    {},
                    Activation::identity,
                    0,
                    true});
    }
    // In blocks of 𝒲 whose gradient stays in the cache, where a trainer uses it up.
    void block_gradients() const {
        for (Index i = 0; i < in; i += rows())
            for (Index p = 0; p < k.grid.count(out); ++p)
                k.gradient({{below.data(), batch, in},
                            {delta.data(), batch, out},
                            batch,
                            i,
                            std::min(in, i + rows()),
                            p,
                            gradient.data(),
                            false});
    }
};

template <class T>
void measure(const Workload& w, const Kernels<T>& k) {
    std::vector<Operands<T>> layers;
    double operations = 0, without_first = 0;
    for (std::size_t l = 0; l + 1 < w.sizes.size(); ++l) {
        layers.emplace_back(k, w.sizes[l], w.sizes[l + 1], w.batch);
        const double product = 2.0 * static_cast<double>(w.batch * w.sizes[l] * w.sizes[l + 1]);
        operations += product;
        if (l > 0) without_first += product;
    }
    const double most = ceiling(k.name, sizeof(T) == 8);
    const double forward = operations / time_of([&] {
                               for (const Operands<T>& layer : layers) layer.forward();
                           });
    const double backward = without_first / time_of([&] {
                                for (std::size_t l = layers.size() - 1; l > 0; --l)
                                    layers[l].backward();  // no δ below the first layer
                            });
    const double gradient = operations / time_of([&] {
                                for (const Operands<T>& layer : layers) layer.block_gradients();
                            });
    const double step =
        (2 * operations + without_first) / (operations / forward + without_first / backward + operations / gradient);
    std::printf("%-2s %-8s %s", w.name, k.name, sizeof(T) == 4 ? "f32" : "f64");
    for (const double rate : {forward, backward, gradient, step}) {
        std::printf("  %7.1f", rate * 1e-9);
        if (most > 0) std::printf(" %4.0f %%", 100 * rate / most);
    }
    std::printf("  %8.1f\n", most * 1e-9);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    const auto wanted = [&](std::string_view name, std::initializer_list<std::string_view> kin) {
        bool any = false;
        for (int a = 1; a < argc; ++a) {
            if (argv[a] == name) return true;
            any = any || std::find(kin.begin(), kin.end(), argv[a]) != kin.end();
        }
        return !any;
    };
    std::printf("GFLOP/s on one thread, and the share of the ceiling\n");
    std::printf("                  Z = A𝒲            Δ𝒲ᵀ             AᵀΔ             all three        ceiling\n");
    for (const Workload& w : workloads) {
        if (!wanted(w.name, {"A", "B", "C", "D", "E"})) continue;
        for (const std::string& name : instruction_sets()) {
            if (!wanted(name, {"avx512", "avx2", "baseline", "neon"})) continue;
            if (wanted("f32", {"f32", "f64"})) measure(w, *kernels_named<float>(name));
            if (wanted("f64", {"f32", "f64"})) measure(w, *kernels_named<double>(name));
        }
    }
}
