// Threads that work together: a team runs one function on all its threads, which meet at barriers.
//
// Teams are kept between calls, as making threads costs more than a small epoch. A call borrows one, so that two threads
// of the program train two networks side by side, each with a team of its own. After fork the child has none of the
// parent's threads, so it forgets their teams and makes new ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace chainrule {

class Team {
public:
    explicit Team(int threads);  // throws std::runtime_error when the system doesn't start so many
    ~Team();
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    [[nodiscard]] int threads() const { return threads_; }

    // Call work(thread), which must not throw, for thread = 0..threads − 1, 0 on the calling thread; return when all have.
    template <class Work>
    void run(Work& work) {
        static_assert(std::is_nothrow_invocable_v<Work&, int>);
        run_erased([](void* context, int thread) noexcept { (*static_cast<Work*>(context))(thread); }, &work);
    }

    // Inside run: nobody goes on before all have come. What anyone wrote before is seen by all behind it.
    void barrier();

private:
    using Job = void (*)(void*, int) noexcept;
    struct Shared;
    void run_erased(Job job, void* context);
    void serve(int thread);
    void end();

    int threads_;
    std::unique_ptr<Shared> shared_;
};

// While it lasts, this thread's numbers too small to be normal are 0. The running means of a unit that is dead sink among
// them sooner or later, and there a processor takes many times longer for each operation.
class FlushSubnormals {
public:
    FlushSubnormals();
    ~FlushSubnormals();
    FlushSubnormals(const FlushSubnormals&) = delete;
    FlushSubnormals& operator=(const FlushSubnormals&) = delete;

private:
    std::uint64_t before_;
};

// A team of this size for as long as the lease lasts.
class Lease {
public:
    explicit Lease(int threads);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Team& operator*() const { return *team_; }
    Team* operator->() const { return team_; }

private:
    Team* team_;
};

}  // namespace chainrule
