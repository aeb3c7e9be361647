// θ in units of work: blocks of 𝒲 whose gradient is made, and used, by one thread; and which thread does which.
#pragma once

#include <vector>

#include "chainrule/plan.hpp"

namespace chainrule {

struct Unit {
    std::size_t layer;
    Index p, i0, i1;  // panel of 𝒲's columns, rows of 𝒲
};

// Part of θ in panels that a unit has.
struct Stretch {
    Index from, count;
    bool weights;
};

class Units {
public:
    Units(const Plan& plan, const Packing& packing, int threads);

    [[nodiscard]] std::size_t count() const { return units_.size(); }
    [[nodiscard]] const Unit& operator[](std::size_t unit) const { return units_[unit]; }
    [[nodiscard]] const std::vector<std::size_t>& of(int thread) const {
        return shares_[static_cast<std::size_t>(thread)];
    }
    // Elements of the largest one's weights.
    [[nodiscard]] Index largest() const { return rows_ * packing_.grid.panel(); }
    [[nodiscard]] Stretch weights(const Unit& unit) const;
    // A layer's bias belongs to the units that have its first rows.
    [[nodiscard]] bool has_bias(const Unit& unit) const { return unit.i0 == 0 && plan_.layers[unit.layer].bias; }
    [[nodiscard]] Stretch bias(const Unit& unit) const;

private:
    void share_out(std::size_t threads);

    const Plan& plan_;
    const Packing& packing_;
    Index rows_;  // of 𝒲 in a unit, at most
    std::vector<Unit> units_;
    std::vector<std::vector<std::size_t>> shares_;  // which units a thread does
};

}  // namespace chainrule
