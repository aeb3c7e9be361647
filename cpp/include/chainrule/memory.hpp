// Arrays that are aligned to cache lines, zero at first, and counted before they are asked for.
#pragma once

#include <memory>
#include <string>

#include "chainrule/plan.hpp"

namespace chainrule {

// Bytes of memory that the machine has.
Index physical_memory();

// Throws TooLarge, naming `what` needs them and the remedy, when so many bytes are more than the machine has.
void check_fits(Index bytes, const std::string& what, const std::string& remedy);

// So many zeros, or bytes that nobody has `cleared`. Large arrays have pages of their own, which are made when they are first written to, and huge ones where the
// machine has them. Throws TooLarge.
void* allocate(std::size_t bytes, bool cleared);
void release(void* at, std::size_t bytes);

// Bytes in all arrays of the core: now, and the most since this was asked last.
struct Held {
    Index now, most;
};
Held bytes_held();

template <class T>
class Buffer {
public:
    Buffer() = default;
    // Only what is written as a whole before anyone reads it needn't be cleared: padding too.
    explicit Buffer(Index count, bool cleared = true)
        : count_(count), data_(static_cast<T*>(allocate(bytes_for(count), cleared)), Free{bytes_for(count)}) {}

    [[nodiscard]] T* data() const { return data_.get(); }
    [[nodiscard]] Index size() const { return count_; }
    T& operator[](Index at) const { return data_.get()[at]; }

private:
    struct Free {
        std::size_t bytes = 0;
        void operator()(T* at) const { release(at, bytes); }
    };
    static std::size_t bytes_for(Index count) { return (static_cast<std::size_t>(count) * sizeof(T) + 127) / 64 * 64; }
    Index count_ = 0;
    std::unique_ptr<T, Free> data_;
};

}  // namespace chainrule
