#include "chainrule/memory.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>

#include <sys/mman.h>
#include <unistd.h>

namespace chainrule {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20U, large = 2 * huge_page;

std::size_t in_huge_pages(std::size_t bytes) {
    return (bytes + huge_page - 1) / huge_page * huge_page;
}

// Zeroed pages from a multiple of a huge one on; none when there are no more.
void* map_pages(std::size_t bytes) {
    const std::size_t room = in_huge_pages(bytes) + huge_page;
    void* mapped = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    auto* begin = static_cast<std::byte*>(mapped);
    const std::size_t ahead = (huge_page - reinterpret_cast<std::uintptr_t>(begin) % huge_page) % huge_page;
    if (ahead > 0) munmap(begin, ahead);
    munmap(begin + ahead + in_huge_pages(bytes), huge_page - ahead);
#if defined(MADV_HUGEPAGE)
    madvise(begin + ahead, in_huge_pages(bytes), MADV_HUGEPAGE);
#endif
    return begin + ahead;
}

std::atomic<Index> held_now{0}, held_most{0};

}  // namespace

Held bytes_held() {
    const Index now = held_now;
    return {now, std::max(now, held_most.exchange(now))};
}

Index physical_memory() {
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? static_cast<Index>(pages) * size : std::numeric_limits<Index>::max();
}

void check_fits(Index bytes, const std::string& what, const std::string& remedy) {
    if (bytes > physical_memory())
        throw TooLarge(what + ": expected arrays that fit in memory, got " + std::to_string(bytes) + " bytes. " +
                       remedy);
}

void* allocate(std::size_t bytes, bool cleared) {
    void* at = bytes >= large ? map_pages(bytes) : std::aligned_alloc(64, bytes);
    if (at == nullptr)
        throw TooLarge("expected arrays that fit in memory, got one of " + std::to_string(bytes) + " bytes");
    if (bytes < large && cleared) std::memset(at, 0, bytes);
    const Index now = held_now += static_cast<Index>(bytes);
    for (Index most = held_most; most < now && !held_most.compare_exchange_weak(most, now);) {
    }
    return at;
}

void release(void* at, std::size_t bytes) {
    held_now -= static_cast<Index>(bytes);
    if (bytes >= large) munmap(at, in_huge_pages(bytes));
    else std::free(at);
}

}  // namespace chainrule
