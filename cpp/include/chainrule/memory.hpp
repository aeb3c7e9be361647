// Arrays that are aligned to cache lines, zero at first, and counted before they are asked for.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "chainrule/plan.hpp"

namespace chainrule {

// Bytes of memory that the machine has.
Index physical_memory();

// Throws TooLarge, naming `what` needs them and the remedy, when so many bytes are more than the machine has.
void check_fits(Index bytes, const std::string& what, const std::string& remedy);

template <class T>
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(Index count) : count_(count), data_(allocate(count)) {}

    [[nodiscard]] T* data() const { return data_.get(); }
    [[nodiscard]] Index size() const { return count_; }
    T& operator[](Index at) const { return data_.get()[at]; }

private:
    struct Free {
        void operator()(T* at) const { std::free(at); }
    };
    static T* allocate(Index count) {
        const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(T) + 127) / 64 * 64;
        void* at = std::aligned_alloc(64, bytes);
        if (at == nullptr)
            throw TooLarge("expected arrays that fit in memory, got one of " + std::to_string(bytes) + " bytes");
        std::memset(at, 0, bytes);
        return static_cast<T*>(at);
    }
    Index count_ = 0;
    std::unique_ptr<T, Free> data_;
};

}  // namespace chainrule
