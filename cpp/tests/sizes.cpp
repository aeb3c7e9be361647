// Arrays, and plans that no memory holds, and descriptions that are none: an exception that says what, never a crash.
#include <cmath>
#include <cstdio>
#include <limits>

#include "chainrule/epoch.hpp"
#include "chainrule/network.hpp"
#include "networks.hpp"
#include "panels.hpp"

namespace {

using namespace chainrule;

Plan plan_of(const std::vector<Index>& sizes, const char* activation = "relu") {
    const std::vector<Plan::LayerSpec> layers(sizes.size() - 1, {activation, 0, true});
    return Plan(sizes, layers, "squared_error", 0, true);
}

const RuleSettings adam = rule_settings("adam", std::vector<double>{0.9, 0.999, 1e-8, 0});

TEST(sizes_overflow) {
    constexpr Index most = std::numeric_limits<Index>::max();
    CHECK_THROWS(TooLarge, product_of_sizes(most, 2), "expected arrays that fit in memory");
    CHECK_THROWS(TooLarge, sum_of_sizes(most / 64, most / 64), "expected arrays that fit in memory");
    CHECK(product_of_sizes(0, most) == 0 && product_of_sizes(most / 64, 1) == most / 64 && sum_of_sizes(3, 4) == 7,
          "sizes that fit");
    CHECK_THROWS(TooLarge, plan_of({10000000000, 10000000000, 1}), "Make the layers narrower");
    CHECK_THROWS(TooLarge, plan_of({most, most}), "expected arrays that fit in memory");
    CHECK_THROWS(TooLarge, plan_of({1, most}), "expected arrays that fit in memory");
}

// Small arrays, and large ones that have pages of their own: aligned, zero, writable to the end, and given back.
TEST(arrays) {
    const auto pages = [] {  // of address space that this process has; 0 where it can't be read
        long all = 0;
        if (std::FILE* file = std::fopen("/proc/self/statm", "r"); file != nullptr) {
            if (std::fscanf(file, "%ld", &all) != 1) all = 0;
            std::fclose(file);
        }
        return all;
    };
    const Index large = 1 << 20;  // floats in 4 MiB
    long before = 0;
    for (int turn = 0; turn < 20; ++turn) {
        for (const Index count : {Index{0}, Index{1}, Index{1000}, large - 32, large - 15, large, 3 * large + 77}) {
            const Buffer<float> array(count);
            CHECK(reinterpret_cast<std::uintptr_t>(array.data()) % 64 == 0 && array.size() == count, count);
            bool zero = true;
            for (Index k = 0; k < count; ++k) {
                zero = zero && array[k] == 0;
                array[k] = 1;
            }
            CHECK(zero, "an array of " << count << " is zero at first");
        }
        if (turn == 4) before = pages();
    }
    const long more = pages() - before;
    // (a sanitizer keeps what is freed for a while)
    CHECK(CHAINRULE_TEST_SANITIZED || more < 4 * large / 4096,
          more << " pages more after fifteen turns: arrays that are not given back");
}

// 500,000 × 500,000 float weights are 10^12 bytes: a plan is only a description, its arrays are refused.
TEST(a_terabyte_of_weights) {
    const Plan plan = plan_of({500000, 500000});
    CHECK(plan.n_parameters == 250000500000, plan.n_parameters);
    CHECK_THROWS(TooLarge, Trainer<float>(plan, adam, 1, 1), "Make the layers narrower");
    CHECK_THROWS(TooLarge, (Weights<float>(plan, kernels<float>(), true)), "expected arrays that fit in memory");
    CHECK_THROWS(TooLarge, (Weights<double>(plan, kernels<double>(), false)), "expected arrays that fit in memory");
}

// A trainer's arrays together, not each by itself: here θ fits, but not with two vectors of Adam's and what they were before.
TEST(all_vectors_together) {
    const Index width = static_cast<Index>(std::sqrt(static_cast<double>(physical_memory()) / 4 / 2.5));
    const Plan plan = plan_of({width, width});
    CHECK_THROWS(TooLarge, Trainer<float>(plan, adam, 1, 1), "Make the layers narrower");
}

TEST(a_batch_too_large) {
    const Plan plan = plan_of({1000, 1000});
    for (const Index rows : {Index{100000000}, Index{1000000000000}, std::numeric_limits<Index>::max() / 64,
                             std::numeric_limits<Index>::max()}) {
        CHECK_THROWS(TooLarge, (Batch<float>(plan, kernels<float>().grid, rows, Keep::training)),
                     "expected arrays that fit in memory");
        CHECK_THROWS(TooLarge, (Batch<double>(plan, kernels<double>().grid, rows, Keep::outputs)),
                     "expected arrays that fit in memory");
        CHECK_THROWS(TooLarge, Trainer<float>(plan, adam, rows, 2), "expected arrays that fit in memory");
    }
    CHECK_THROWS(TooLarge, (Batch<float>(plan, kernels<float>().grid, 100000000, Keep::training)),
                 "Make batch_size smaller");
}

TEST(not_a_plan) {
    CHECK_THROWS(std::invalid_argument, plan_of({3, 2}, "relu6"), "got \"relu6\"");
    CHECK_THROWS(std::invalid_argument, plan_of({3, 0, 2}), "expected at least 1 unit, got 0");
    CHECK_THROWS(std::invalid_argument, plan_of({3, -1}), "expected at least 1 unit, got -1");
    CHECK_THROWS(std::invalid_argument, plan_of({3}), "expected one for each size but the first");
    const std::vector<Index> sizes{3, 2};
    const std::vector<Plan::LayerSpec> layers{{"relu", 0, true}};
    CHECK_THROWS(std::invalid_argument, Plan(sizes, layers, "hinge", 0, true), "got \"hinge\"");
}

TEST(grids_count_columns) {
    for (const int lanes : {2, 4, 8, 16}) {
        const Grid grid{lanes, lanes > 8 ? 4 : 3};
        for (Index columns = 1; columns <= 200; ++columns) {
            Index sum = 0;
            for (Index p = 0; p < grid.count(columns); ++p) {
                CHECK(grid.width(columns, p) > 0 && grid.width(columns, p) <= grid.panel() &&
                          grid.width(columns, p) % lanes == 0,
                      columns);
                sum += grid.width(columns, p);
            }
            CHECK(sum == grid.padded(columns) && sum == check::padded_columns(lanes, columns),
                  columns << " columns, " << lanes << " lanes");
        }
    }
}

// θ to panels and back, where nothing of the padding may be lost or found.
template <class T>
void packing_round_trip(const Kernels<T>& k) {
    for (const check::Net& net : check::nets()) {
        const Plan plan = net.plan();
        const check::Data<T> data(net, 1);
        for (const bool input_gradient : {false, true}) {
            const Packing packing(plan, k.grid, input_gradient);
            const check::Exactly<T> packed(packing.parameters);
            pack<T>(plan, packing, data.theta.data(), packed.data());
            std::vector<T> back(data.theta.size());
            unpack<T>(plan, packing, packed.data(), back.data());
            CHECK(check::same_bits(back, data.theta), k.name << ": " << net.name);
            Weights<T> weights(plan, k, input_gradient);
            weights.load(data.theta.data(), true);
            CHECK(check::same_bits(weights.parameters.data(), packed.data(),
                                   static_cast<std::size_t>(packed.size()) * sizeof(T)),
                  k.name << ": " << net.name << ", loaded");
        }
    }
}
TEST(packing_round_trip_f32) {
    check::for_each_instruction_set<float>(packing_round_trip<float>);
}
TEST(packing_round_trip_f64) {
    check::for_each_instruction_set<double>(packing_round_trip<double>);
}

TEST(instruction_sets_have_names) {
    const auto names = instruction_sets();
    CHECK(!names.empty() && names.back() == "baseline", "the baseline runs everywhere");
    CHECK(kernels_named<float>("mmx") == nullptr && kernels_named<double>("") == nullptr, "unknown names");
    for (const std::string& name : names)
        CHECK(kernels_named<float>(name)->name == name && kernels_named<double>(name)->name == name, name);
}

}  // namespace

TEST_MAIN
