// Teams of threads: barriers under stress, reuse, leases within leases and from several threads at once, and fork.
#include <array>
#include <atomic>
#include <stdexcept>
#include <thread>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chainrule/team.hpp"
#include "check.hpp"

// A child of a process with threads may not make threads under TSan, unless it is told that this is meant.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
    return "die_after_fork=0";
}

namespace {

using chainrule::Lease;
using chainrule::Team;

// Everybody writes, all meet, everybody reads what all others wrote, all meet. Numbers are plain on purpose: the barrier
// alone has to make them seen. Gives the number of threads that read something else.
int meet(Team& team, int rounds) {
    struct alignas(64) Slot {
        long value = 0;
    };
    std::array<Slot, 8> slots{};
    std::atomic<int> wrong{0};
    auto work = [&](int thread) noexcept {
        for (int round = 1; round <= rounds; ++round) {
            slots[static_cast<std::size_t>(thread)].value = round * (thread + 1L);
            team.barrier();
            for (int other = 0; other < team.threads(); ++other)
                if (slots[static_cast<std::size_t>(other)].value != round * (other + 1L)) ++wrong;
            team.barrier();
        }
    };
    team.run(work);
    return wrong;
}

TEST(every_thread_works_once) {
    for (int threads = 1; threads <= 7; ++threads) {
        Team team(threads);
        const auto caller = std::this_thread::get_id();
        for (int call = 0; call < check::sized(500, 60); ++call) {
            std::array<int, 8> calls{};
            bool first_is_caller = false;
            auto work = [&](int thread) noexcept {
                ++calls[static_cast<std::size_t>(thread)];
                if (thread == 0) first_is_caller = std::this_thread::get_id() == caller;
            };
            team.run(work);
            bool once = true;
            for (int thread = 0; thread < 8; ++thread)
                once = once && calls[static_cast<std::size_t>(thread)] == (thread < threads ? 1 : 0);
            CHECK(once && first_is_caller, threads << " threads, call " << call);
        }
    }
}

TEST(barriers_hold) {
    for (int threads = 1; threads <= 7; ++threads) {
        Team team(threads);
        const int rounds = check::sized(threads <= 2 ? 20000 : 2000, 100);
        for (int call = 0; call < 3; ++call) CHECK(meet(team, rounds) == 0, threads << " threads");
    }
}

// Threads that come late find the others asleep.
TEST(sleepers_wake) {
    for (const int threads : {2, 3, 7}) {
        Team team(threads);
        std::atomic<int> passed{0};
        auto work = [&](int thread) noexcept {
            for (int round = 0; round < 3; ++round) {
                if (thread == round % threads) usleep(20000);
                team.barrier();
                ++passed;
            }
        };
        team.run(work);
        CHECK(passed == 3 * threads, passed << " of " << 3 * threads);
        usleep(20000);
        CHECK(meet(team, 3) == 0, "after a pause");
    }
}

TEST(leases_reuse_teams) {
    Team* first = nullptr;
    {
        const Lease lease(3);
        first = &*lease;
        CHECK(lease->threads() == 3, lease->threads());
    }
    {
        const Lease again(3), other(3), smaller(2);
        CHECK(&*again == first, "the team that was given back is lent again");
        CHECK(&*other != first && other->threads() == 3, "a second lease has a team of its own");
        CHECK(smaller->threads() == 2, smaller->threads());
        CHECK(meet(*again, 20) + meet(*other, 20) + meet(*smaller, 20) == 0, "side by side");
    }
}

int nested(int threads) {
    const Lease outer(threads);
    std::atomic<int> wrong{0};
    auto work = [&](int) noexcept {  // on every thread of the outer team
        const Lease inner(2);
        wrong += meet(*inner, 5);
    };
    outer->run(work);
    return wrong;
}

TEST(leases_within_leases) {
    for (int threads = 1; threads <= 4; ++threads) CHECK(nested(threads) == 0, threads << " threads");
}

TEST(many_threads_lease_at_once) {
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller)
        callers.emplace_back([&, caller] {
            for (int call = 0; call < check::sized(60, 8); ++call) {
                const Lease lease(1 + (caller + call) % 4);
                wrong += meet(*lease, 10);
                if (call % 10 == 0) wrong += nested(2);
            }
        });
    for (std::thread& caller : callers) caller.join();
    CHECK(wrong == 0, wrong);
}

// f in a child process, which must end with 0 within a minute.
template <class F>
int in_child(F f) {
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);  // a child that waits for threads that it doesn't have is ended
        _exit(f());
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

// Whether a child of a process with threads can make threads at all, our own code apart: under old qemu-user it can't.
bool threads_survive_fork() {
    std::atomic<bool> ends{false};
    std::thread other([&] {
        while (!ends) usleep(100);
    });
    const int status = in_child([] {
        std::thread([] {}).join();
        return 0;
    });
    ends = true;
    other.join();
    if (status != 0)
        std::printf("    SKIPPED: on this machine (an emulator?) no child of a process with threads makes threads\n");
    return status == 0;
}

int use_teams() {
    int wrong = 0;
    for (const int threads : {1, 2, 3, 5}) {
        const Lease lease(threads);
        wrong += meet(*lease, 20);
    }
    return wrong + nested(2);
}

TEST(fork_and_fork_again) {
    if (!threads_survive_fork()) return;
    CHECK(use_teams() == 0, "before");
    CHECK(in_child([] {
              if (use_teams() != 0) return 1;
              if (in_child(use_teams) != 0) return 2;  // the child's child has other threads yet
              return use_teams() != 0 ? 3 : 0;
          }) == 0,
          "in the child");
    CHECK(use_teams() == 0, "the parent's own teams still work");
}

// While other threads of the parent take and give back leases, so that one may hold the lock as the process is copied.
TEST(fork_while_others_work) {
    if (!threads_survive_fork()) return;
    std::atomic<bool> ends{false};
    std::atomic<int> wrong{0}, at_work{0};
    // No thread may start meanwhile: a lock that a sanitizer takes for that would stay taken in the child. So the teams are
    // made here, and the others have begun before the first child is made.
    {
        const Lease first(2), second(2);
        wrong += meet(*first, 1) + meet(*second, 1);
    }
    std::vector<std::thread> others;
    for (int other = 0; other < 2; ++other)
        others.emplace_back([&] {
            ++at_work;
            while (!ends) {
                const Lease lease(2);
                wrong += meet(*lease, 2);
            }
        });
    while (at_work < 2) usleep(100);
    for (int turn = 0; turn < check::sized(10, 3); ++turn) {
        const Lease held(3);  // and while a lease of this thread's own is out
        wrong += meet(*held, 2);
        const int status = in_child(use_teams);
        CHECK(status == 0, "child " << turn << ": " << status);
        wrong += meet(*held, 2);
    }
    ends = true;
    for (std::thread& other : others) other.join();
    CHECK(wrong == 0, wrong);
}

// Stacks that find no room are an exception, and the threads that were started by then are ended.
TEST(threads_that_do_not_start) {
    if (CHAINRULE_TEST_SANITIZED || !threads_survive_fork()) return;  // sanitizers need all addresses for themselves
    const int status = in_child([] {
        long pages = 0;
        std::FILE* const file = std::fopen("/proc/self/statm", "r");
        if (file == nullptr || std::fscanf(file, "%ld", &pages) != 1) return 1;
        std::fclose(file);
        const rlim_t room = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE)) + (64U << 20U);
        const rlimit limit{room, room};
        if (setrlimit(RLIMIT_AS, &limit) != 0) return 2;
        try {
            const Lease lease(900);
            return 3;
        } catch (const std::runtime_error& error) {
            if (std::string_view(error.what()).find("expected that the system starts 900 threads, got ") ==
                std::string_view::npos)
                return 4;
        }
        const Lease lease(2);
        return meet(*lease, 20) == 0 ? 0 : 5;
    });
    CHECK(status == 0, "status " << status);
}

}  // namespace

TEST_MAIN
