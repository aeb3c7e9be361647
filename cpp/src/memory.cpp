#include "chainrule/memory.hpp"

#include <limits>

#include <unistd.h>

namespace chainrule {

Index physical_memory() {
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? static_cast<Index>(pages) * size : std::numeric_limits<Index>::max();
}

void check_fits(Index bytes, const std::string& what, const std::string& remedy) {
    if (bytes > physical_memory())
        throw TooLarge(what + ": expected arrays that fit in memory, got " + std::to_string(bytes) + " bytes. " +
                       remedy);
}

}  // namespace chainrule
