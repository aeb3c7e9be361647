// A⁻¹ Ḡ S⁻¹ by layer (E68): bit for bit two naive products, Ḡ S⁻¹ first, and the same bits for any number of threads.
#include <cmath>
#include <limits>

#include "chainrule/kronecker.hpp"
#include "chainrule/team.hpp"
#include "naive.hpp"
#include "networks.hpp"
#include "panels.hpp"
#include "training.hpp"

namespace {

using namespace chainrule;
using check::Net;
using check::Random;
using naive::at;

// Random matrices, which the products needn't know to be inverses of anything, and a gradient like θ.
template <class T>
struct Layers {
    std::vector<std::vector<T>> inputs, outputs;
    std::vector<T> gradient;

    explicit Layers(const Plan& plan) {
        Random random(5);
        for (const Layer& layer : plan.layers) {
            const Index rows = layer.in + (layer.bias ? 1 : 0);
            inputs.push_back(random.vector<T>(rows * rows));
            outputs.push_back(random.vector<T>(layer.out * layer.out));
        }
        gradient = random.vector<T>(plan.n_parameters);
    }
};

template <class T>
struct Result {
    std::vector<T> packed, flat;
    std::vector<double> inner;
};

// `without`: a layer that is given no factors.
template <class T>
Result<T> preconditioned(const Plan& plan, const Kernels<T>& k, const Layers<T>& of, int threads, std::size_t without) {
    const Weights<T> net(plan, k, false);
    const Batch<T> batch(plan, k.grid, 1, Keep::training);  // neither is looked at
    const Packing& packing = net.packing;
    Kronecker<T> kronecker(plan, k, threads);
    for (std::size_t l = 0; l < plan.layers.size(); ++l)
        if (l != without) kronecker.set(l, of.inputs[l].data(), of.outputs[l].data());
    Result<T> result{std::vector<T>(at(packing.parameters)), std::vector<T>(of.gradient.size()), {}};
    std::vector<T> gradient(result.packed.size());
    pack(plan, packing, of.gradient.data(), gradient.data());
    Lease team(threads);
    for (int turn = 0; turn < 2; ++turn) {  // what is left of the first must not be in the second
        result.packed = gradient;
        auto all_threads = [&](int thread) noexcept {
            kronecker.transform(thread, *team, net, batch, 1, 0, result.packed.data());
        };
        team->run(all_threads);
    }
    unpack(plan, packing, result.packed.data(), result.flat.data());
    for (std::size_t l = 0; l < plan.layers.size(); ++l) result.inner.push_back(kronecker.inner(l));
    return result;
}

template <class T>
bool fuses(const Kernels<T>& k) {
#if defined(__x86_64__)
    return std::string_view(k.name) != "baseline";
#else
    static_cast<void>(k);
    return true;
#endif
}

template <class T>
void is_two_chains() {
    check::for_each_instruction_set<T>([](const Kernels<T>& k) {
        for (const Net& net : check::nets()) {
            const Plan plan = net.plan();
            const Layers<T> of(plan);
            const std::size_t without = plan.layers.size() == 3 ? 1 : 99;
            const Result<T> found = preconditioned(plan, k, of, 2, without);
            for (std::size_t l = 0; l < plan.layers.size(); ++l) {
                const Layer& layer = plan.layers[l];
                const Index rows = layer.in + (layer.bias ? 1 : 0), out = layer.out;
                const T* gradient = of.gradient.data() + layer.weights_at;  // b lies behind the rows of 𝒲
                const T* product = found.flat.data() + layer.weights_at;
                // a row times column o of a factor of so many rows, by dots where that lies on the edge
                const auto element = [&](const T* row, Index count, const T* factor, Index o) {
                    return o < out - k.grid.edge(count, out)
                               ? naive::chain(fuses(k), count, row, 1, factor + o, out, T(0))
                               : naive::dot(fuses(k), k.grid.lanes, count, row, 1, factor + o, out) + T(0);
                };
                std::vector<T> half(at(rows * out));
                double inner = 0, size = 0;
                for (Index n = 0; n < rows; ++n)
                    for (Index o = 0; o < out; ++o)
                        half[at(n * out + o)] = element(gradient + n * out, out, of.outputs[l].data(), o);
                for (Index n = 0; n < rows; ++n)
                    for (Index o = 0; o < out; ++o) {
                        const T expected = l == without ? gradient[n * out + o]
                                                        : element(of.inputs[l].data() + n * rows, rows, half.data(), o);
                        const T seen = product[n * out + o];
                        CHECK(check::same_bits(seen, expected),
                              k.name << ' ' << check::name_of<T>() << ", net " << net.name << ", layer " << l + 1
                                     << ": (" << n << ", " << o << ") is " << seen << ", not " << expected);
                        const double term = static_cast<double>(seen) * static_cast<double>(gradient[n * out + o]);
                        inner += term;
                        size += std::abs(term);
                    }
                // chains of at most 100 terms of T, and sums of `rows · out` doubles in two orders
                const double room = size * (100 * static_cast<double>(std::numeric_limits<T>::epsilon()) +
                                            static_cast<double>(rows * out) * std::numeric_limits<double>::epsilon());
                CHECK(std::abs(found.inner[l] - inner) <= room,
                      k.name << ", net " << net.name << ": inner product " << found.inner[l] << ", not " << inner);
            }
            const Packing packing(plan, k.grid, false);
            std::vector<T> again(found.packed.size());  // 0 in the padding
            pack(plan, packing, found.flat.data(), again.data());
            for (std::size_t e = 0; e < again.size(); ++e)
                CHECK(again[e] == found.packed[e], k.name << ", net " << net.name << ": padding at " << e);
        }
    });
}
TEST(is_two_chains_f32) {
    is_two_chains<float>();
}
TEST(is_two_chains_f64) {
    is_two_chains<double>();
}

template <class T>
void threads_change_nothing() {
    check::for_each_instruction_set<T>([](const Kernels<T>& k) {
        for (const Net& net : check::nets()) {
            const Plan plan = net.plan();
            const Layers<T> of(plan);
            const Result<T> alone = preconditioned(plan, k, of, 1, 99);
            for (const int threads : {2, 3, 5, 16}) {
                const Result<T> together = preconditioned(plan, k, of, threads, 99);
                CHECK(check::same_bits(alone.packed, together.packed) && check::same_bits(alone.inner, together.inner),
                      k.name << ", net " << net.name << ": " << threads << " threads");
            }
        }
    });
}
TEST(threads_change_nothing_f32) {
    threads_change_nothing<float>();
}
TEST(threads_change_nothing_f64) {
    threads_change_nothing<double>();
}

// ν = min(1, √(κ/Σ (cη_ℓ)²⟨P, Ḡ⟩_ℓ)) times c, which clipping leaves of the gradient (E70).
TEST(a_step_is_no_longer_than_kappa) {
    const Net net = check::nets()[1];
    const Plan plan = net.plan();
    const Layers<double> of(plan);
    const Kernels<double>& k = kernels<double>();
    for (const std::vector<double>& rates : {std::vector<double>{}, std::vector<double>{0.5, 0}}) {
        const Weights<double> weights(plan, k, false);
        const Batch<double> batch(plan, k.grid, 1, Keep::training);
        Kronecker<double> kronecker(plan, k, 1, rates);
        std::vector<double> gradient(at(weights.packing.parameters));
        pack(plan, weights.packing, of.gradient.data(), gradient.data());
        Lease team(1);
        kronecker.transform(0, *team, weights, batch, 1, 0, gradient.data());  // without factors: ⟨Ḡ, Ḡ⟩
        CHECK(kronecker.scale(10, 1) == 1, "no clipping at first: " << kronecker.scale(10, 1));
        const double first = rates.empty() ? 1 : 0.25, second = rates.empty() ? 1 : 0;
        const double change = first * kronecker.inner(0) + second * kronecker.inner(1);
        kronecker.set_clip(change * 0.04);
        for (const double clipped : {1.0, 0.25})
            for (const double rate : {0.1, 0.5, 3.0}) {
                const double expected = clipped * std::min(1.0, 0.2 / (rate * clipped));
                const double seen = kronecker.scale(rate, clipped);
                // some roundings
                CHECK(std::abs(seen - expected) < 1e-14, "η " << rate << ": " << seen << ", not " << expected);
            }
    }
}

// In training: factors of 1 leave the gradient, and no step is longer than √κ; others give the same bits on any threads.
template <class T>
void training() {
    for (const Net& net : check::nets()) {
        const Plan plan = net.plan();
        const check::Data<T> data(net, 2 * net.batch);
        const check::TestedRule sgd = check::training_rules()[0];
        const double kappa = 1e-4;
        std::vector<std::vector<T>> thetas;
        for (const int threads : {1, 2, 3})
            for (const bool units : {true, false}) {
                Kronecker<T> kronecker(plan, kernels<T>(), threads);
                const Layers<T> of(plan);
                for (std::size_t l = 0; l < plan.layers.size(); ++l) {
                    const auto diagonal = [&](const std::vector<T>& like, T value) {
                        std::vector<T> matrix(like.size());
                        const auto n = static_cast<std::size_t>(std::sqrt(static_cast<double>(like.size())) + 0.5);
                        for (std::size_t k = 0; k < n; ++k) matrix[k * n + k] = value;
                        return matrix;
                    };
                    if (units)
                        kronecker.set(l, diagonal(of.inputs[l], T(2)).data(), diagonal(of.outputs[l], T(0.5)).data());
                    else kronecker.set(l, of.inputs[l].data(), of.outputs[l].data());
                }
                kronecker.set_clip(kappa);
                check::Epochs<T> e(net, data, sgd, 2, 1e-3);
                Trainer<T> trainer(plan, rule_settings("sgd", {}), net.batch, threads);
                trainer.set_between(&kronecker);
                trainer.load(data.theta.data(), nullptr, 0);
                std::vector<T> theta = data.theta, before = theta;
                for (Index j = 0; j < (units ? e.steps() : 2); ++j) {
                    Index done = 0;
                    trainer.run(e.examples(j, j + 1), check::never_stop, done);
                    before = theta;
                    trainer.store(theta.data());
                    if (!units) continue;
                    double length = 0;
                    for (std::size_t k = 0; k < theta.size(); ++k)
                        length += std::pow(static_cast<double>(theta[k]) - static_cast<double>(before[k]), 2);
                    const double free = e.rates[at(j)] * e.norms[at(j)], expected = std::min(free, std::sqrt(kappa));
                    // θ is rounded to T
                    const double room = std::sqrt(static_cast<double>(theta.size())) * 8 *
                                        static_cast<double>(std::numeric_limits<T>::epsilon());
                    CHECK(std::abs(std::sqrt(length) - expected) <= room,
                          net.name << ", step " << j << ": as long as " << std::sqrt(length) << ", not " << expected);
                }
                thetas.push_back(theta);
                CHECK(check::same_bits(theta, thetas[units ? 0 : 1]), net.name << " on " << threads << " threads");
            }
    }
}
TEST(training_f32) {
    training<float>();
}
TEST(training_f64) {
    training<double>();
}

TEST(a_network_whose_inverses_no_memory_holds) {
    const Net wide{"wide", {10'000'000, 1}, {{"identity", 0, true}}, "squared_error"};
    const Plan plan = wide.plan();
    CHECK_THROWS(TooLarge, (Kronecker<float>(plan, kernels<float>(), 1)), "the inverses of K-FAC's factors");
}

}  // namespace

TEST_MAIN
