#include "chainrule/team.hpp"

#include <cstdint>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sched.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace chainrule {
namespace {

constexpr int spins = 200;  // some microseconds, longer than a thread of a small step is late
constexpr int yields =
    4000;  // then, for a millisecond or so, the processor is offered to others; at last the thread sleeps

inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Wait until `value` is no longer `old`.
void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old, bool spin) {
    for (int turn = 0; spin && turn < spins; ++turn) {
        if (value.load(std::memory_order_acquire) != old) return;
        pause();
    }
    for (int turn = 0; turn < yields; ++turn) {
        if (value.load(std::memory_order_acquire) != old) return;
        sched_yield();
    }
    while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

struct Team::Shared {
    alignas(64) std::atomic<std::uint32_t> calls{0};     // how many jobs there have been
    alignas(64) std::atomic<std::uint32_t> meetings{0};  // how many barriers have been passed
    alignas(64) std::atomic<int> arrived{0};
    Job job = nullptr;
    void* context = nullptr;
    bool ends = false;
    bool spin = true;
    std::vector<std::thread> workers;
};

Team::Team(int threads) : threads_(threads), shared_(std::make_unique<Shared>()) {
    // with more threads than processors, spinning keeps those from working that are waited for
    shared_->spin = threads <= static_cast<int>(std::thread::hardware_concurrency());
    try {
        for (int thread = 1; thread < threads; ++thread)
            shared_->workers.emplace_back([this, thread] { serve(thread); });
    } catch (const std::system_error&) {
        const std::size_t started = shared_->workers.size() + 1;
        end();
        throw std::runtime_error("n_threads: expected that the system starts " + std::to_string(threads) +
                                 " threads, got " + std::to_string(started) + ". Take fewer.");
    }
}

Team::~Team() {
    end();
}

void Team::end() {
    shared_->ends = true;
    shared_->calls.fetch_add(1, std::memory_order_release);
    shared_->calls.notify_all();
    for (std::thread& worker : shared_->workers) worker.join();
}

void Team::serve(int thread) {
    for (std::uint32_t done = 0;;) {
        wait_while(shared_->calls, done, shared_->spin);
        done = shared_->calls.load(std::memory_order_acquire);
        if (shared_->ends) return;
        shared_->job(shared_->context, thread);
        barrier();
    }
}

void Team::run_erased(Job job, void* context) {
    if (threads_ == 1) {
        job(context, 0);
        return;
    }
    shared_->job = job;
    shared_->context = context;
    shared_->calls.fetch_add(1, std::memory_order_release);
    shared_->calls.notify_all();
    job(context, 0);
    barrier();
}

void Team::barrier() {
    if (threads_ == 1) return;
    const std::uint32_t meeting = shared_->meetings.load(std::memory_order_acquire);
    if (shared_->arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
        shared_->arrived.store(0, std::memory_order_relaxed);
        shared_->meetings.store(meeting + 1, std::memory_order_release);
        shared_->meetings.notify_all();
    } else {
        wait_while(shared_->meetings, meeting, shared_->spin);
    }
}

namespace {

struct Idle {
    std::mutex lock;
    std::vector<Team*> teams;
};

Idle& idle() {  // never destroyed: the program may end while a team still waits
    static Idle* const the_idle = [] {
        auto* made = new Idle;
        // nobody may be inside while the process is copied; the child leaves the parent's teams alone
        pthread_atfork([] { idle().lock.lock(); }, [] { idle().lock.unlock(); },
                       [] {
                           new (&idle().teams)
                               std::vector<Team*>;  // the threads are gone, and so is all that is theirs
                           idle().lock.unlock();
                       });
        return made;
    }();
    return *the_idle;
}

}  // namespace

#if defined(__x86_64__)
FlushSubnormals::FlushSubnormals() : before_(_mm_getcsr()) {
    _mm_setcsr(static_cast<unsigned>(before_) | 0x8040U);  // results to 0, operands taken for 0
}
FlushSubnormals::~FlushSubnormals() {
    _mm_setcsr(static_cast<unsigned>(before_));
}
#elif defined(__aarch64__)
FlushSubnormals::FlushSubnormals() : before_(0) {
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" ::"r"(before_ | (std::uint64_t{1} << 24U)));
}
FlushSubnormals::~FlushSubnormals() {
    asm volatile("msr fpcr, %0" ::"r"(before_));
}
#else
FlushSubnormals::FlushSubnormals() : before_(0) {}
FlushSubnormals::~FlushSubnormals() = default;
#endif

Lease::Lease(int threads) : team_(nullptr) {
    {
        const std::scoped_lock lock(idle().lock);
        std::vector<Team*>& teams = idle().teams;
        for (std::size_t at = 0; at < teams.size(); ++at)
            if (teams[at]->threads() == threads) {
                team_ = teams[at];
                teams[at] = teams.back();
                teams.pop_back();
                break;
            }
    }
    if (team_ == nullptr) team_ = new Team(threads);
}

Lease::~Lease() {
    const std::scoped_lock lock(idle().lock);
    idle().teams.push_back(team_);
}

}  // namespace chainrule
