// Arrays of a whole network's numbers against the naive one's.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "check.hpp"

namespace check {

// Of an array's largest entry: a hundred roundings, one in each step through layers of up to 130 summands that mostly
// cancel each other's, as they would in any order.
template <class T>
constexpr double tolerance = 100 * static_cast<double>(std::numeric_limits<T>::epsilon());

template <class T, class R>
void compare(const std::vector<T>& got, const std::vector<R>& expected, const std::string& what) {
    R largest = 0, worst = 0;
    for (const R e : expected) largest = std::max(largest, std::fabs(e));
    bool numbers = got.size() == expected.size();
    for (std::size_t e = 0; e < std::min(got.size(), expected.size()); ++e) {
        worst = std::max(worst, std::fabs(static_cast<R>(got[e]) - expected[e]));
        numbers = numbers && !std::isnan(got[e]);
    }
    CHECK(numbers && worst <= static_cast<R>(tolerance<T>) * largest,
          what << ' ' << name_of<T>() << ": off by " << worst << " where the largest entry is " << largest);
}

}  // namespace check
