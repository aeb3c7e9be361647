// What a test program needs: named tests, checks that say what they saw, sizes for slow machines, and numbers at random.
//
//   products [--small] [NAME]     only tests whose names contain NAME; --small, or CHAINRULE_TEST_SIZE=small, is for
//                                 sanitizers and emulators: fewer sizes, the same tests
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "chainrule/kernels.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHAINRULE_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CHAINRULE_TEST_SANITIZED 1
#endif
#endif
#ifndef CHAINRULE_TEST_SANITIZED
#define CHAINRULE_TEST_SANITIZED 0
#endif

namespace check {

struct Test {
    const char* name;
    void (*run)();
};

inline std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

struct Registered {
    Registered(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

struct State {
    long checks = 0, failures = 0;
    bool small = false;
};
inline State& state() {
    static State the_state;
    return the_state;
}

inline bool small() {
    return state().small;
}

// `full` things to do, or `reduced` of them where everything is slow.
template <class N>
N sized(N full, N reduced) {
    return small() ? reduced : full;
}

inline void failed(const char* file, int line, const char* condition, const std::string& seen) {
    constexpr long most = 25;  // the first ones tell; thousands of others don't
    if (++state().failures <= most) std::printf("%s:%d: expected %s\n    %s\n", file, line, condition, seen.c_str());
    if (state().failures == most) std::printf("further failures are only counted\n");
    std::fflush(stdout);
}

// CHECK(x == y, "x is " << x): what comes second is only made when the first is false. Not for use on several threads.
#define CHECK(condition, seen)                                                 \
    do {                                                                       \
        ++::check::state().checks;                                             \
        if (!(condition)) {                                                    \
            std::ostringstream check_text;                                     \
            check_text.precision(17);                                          \
            check_text << seen;                                                \
            ::check::failed(__FILE__, __LINE__, #condition, check_text.str()); \
        }                                                                      \
    } while (false)

#define CHECK_THROWS(Error, expression, text)                                                    \
    do {                                                                                         \
        std::string check_what = "nothing thrown";                                               \
        bool check_thrown = false;                                                               \
        try {                                                                                    \
            expression;                                                                          \
        } catch (const Error& error) {                                                           \
            check_what = error.what();                                                           \
            check_thrown = check_what.find(text) != std::string::npos;                           \
        }                                                                                        \
        CHECK(check_thrown, "wanted " #Error " with \"" << (text) << "\", saw: " << check_what); \
    } while (false)

#define TEST(name)                                                   \
    static void name();                                              \
    static const ::check::Registered name##_registered{#name, name}; \
    static void name()

inline bool same_bits(const void* x, const void* y, std::size_t bytes) {
    return std::memcmp(x, y, bytes) == 0;
}
template <class T>
bool same_bits(const std::vector<T>& x, const std::vector<T>& y) {
    return x.size() == y.size() && (x.empty() || same_bits(x.data(), y.data(), x.size() * sizeof(T)));
}
template <class T>
bool same_bits(T x, T y) {
    return same_bits(&x, &y, sizeof(T));
}

// f(kernels) for each instruction set that this machine runs, or only for the one that the environment asks for.
template <class T, class F>
void for_each_instruction_set(F f) {
    const char* asked = std::getenv("CHAINRULE_INSTRUCTION_SET");
    for (const std::string& name : chainrule::instruction_sets())
        if (asked == nullptr || *asked == '\0' || name == asked) f(*chainrule::kernels_named<T>(name));
}

template <class T>
const char* name_of() {
    return sizeof(T) == 4 ? "f32" : "f64";
}

inline int run_tests(std::string_view only, const char* of) {
    for (const Test& test : tests()) {
        if (std::string_view(test.name).find(only) == std::string_view::npos) continue;
        const long failures = state().failures;
        const auto begin = std::chrono::steady_clock::now();
        test.run();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        std::printf("%-4s %s%s%s (%.2f s)\n", state().failures == failures ? "ok" : "FAIL", test.name,
                    *of == '\0' ? "" : " on ", of, took.count());
        std::fflush(stdout);
    }
    std::printf("%ld checks, %ld failed\n", state().checks, state().failures);
    std::fflush(stdout);
    return state().failures == 0 && state().checks > 0 ? 0 : 1;
}

inline std::string_view read_arguments(int argc, char** argv) {
    std::string_view only;
    const char* size = std::getenv("CHAINRULE_TEST_SIZE");
    state().small = size != nullptr && std::string_view(size) == "small";
    for (int k = 1; k < argc; ++k) {
        if (std::string_view(argv[k]) == "--small") state().small = true;
        else only = argv[k];
    }
    return only;
}

// A process chooses its kernels once. So what goes through the choice runs once for each instruction set, in a child each.
inline int run_tests_for_each_instruction_set(std::string_view only) {
    const char* asked = std::getenv("CHAINRULE_INSTRUCTION_SET");
    if (asked != nullptr && *asked != '\0') return run_tests(only, asked);
    int result = 0;
    for (const std::string& name : chainrule::instruction_sets()) {
        std::fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            setenv("CHAINRULE_INSTRUCTION_SET", name.c_str(), 1);
            std::exit(run_tests(only, name.c_str()));
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            std::printf("FAIL on %s: status %d\n", name.c_str(), status);
            result = 1;
        }
    }
    return result;
}

#define TEST_MAIN                                                           \
    int main(int argc, char** argv) {                                       \
        return ::check::run_tests(::check::read_arguments(argc, argv), ""); \
    }
#define TEST_MAIN_FOR_EACH_INSTRUCTION_SET                                                       \
    int main(int argc, char** argv) {                                                            \
        return ::check::run_tests_for_each_instruction_set(::check::read_arguments(argc, argv)); \
    }

// Numbers at random, the same on every machine (splitmix64).
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15U + 1) {}
    std::uint64_t bits() {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t x = state_;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
        return x ^ (x >> 31);
    }
    double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }  // in [0, 1)
    double between(double low, double high) { return low + (high - low) * unit(); }
    std::int64_t whole(std::int64_t low, std::int64_t high) {  // both included
        return low + static_cast<std::int64_t>(bits() % static_cast<std::uint64_t>(high - low + 1));
    }
    template <class T>
    std::vector<T> vector(std::int64_t count, double low = -1, double high = 1) {
        std::vector<T> v(static_cast<std::size_t>(count));
        for (T& x : v) x = static_cast<T>(between(low, high));
        return v;
    }

private:
    std::uint64_t state_;
};

}  // namespace check
