#include "chainrule/inverse.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "chainrule/memory.hpp"
#include "chainrule/panels.hpp"

namespace chainrule {
namespace {

constexpr Index unit_rows = 96;  // of a panel in a unit of work, about

// −D⁻¹ of a small matrix, the first b rows and columns of panels, in place: swept pivot by pivot, in double. Whether each pivot
// is above its least.
template <class T>
bool negative_inverse(Panels<T> d, Index width, const double* least, std::vector<double>& work) {
    const Index b = d.columns;
    const auto at = [&](Index i, Index j) -> double& { return work[static_cast<std::size_t>(i * b + j)]; };
    for (Index i = 0; i < b; ++i)
        for (Index j = 0; j < b; ++j) at(i, j) = static_cast<double>(d.data[std::min(i, j) * width + std::max(i, j)]);
    for (Index k = 0; k < b; ++k) {
        const double pivot = at(k, k);
        if (!(pivot > least[k]) || !std::isfinite(pivot)) return false;
        double* row = &at(k, 0);
        for (Index i = 0; i < b; ++i) {
            if (i == k) continue;
            double* to = &at(i, 0);
            const double share = to[k] / pivot;
            for (Index j = 0; j < b; ++j) to[j] -= share * row[j];
            to[k] = share;
        }
        for (Index j = 0; j < b; ++j) row[j] /= pivot;
        row[k] = -1 / pivot;
    }
    for (Index i = 0; i < b; ++i)
        for (Index j = 0; j < b; ++j) d.data[i * width + j] = static_cast<T>(at(std::min(i, j), std::max(i, j)));
    return true;
}

template <class T>
class Sweep {
public:
    Sweep(const Kernels<T>& kernels, Index n, int threads)
        : kernels_(kernels), grid_(kernels.grid), n_(n), threads_(threads) {
        const Index P = grid_.panel(), padded = grid_.padded(n);
        const Index numbers = sum_of_sizes(product_of_sizes(n + 2 * P, padded), P * P);
        check_fits(product_of_sizes(numbers, sizeof(T)), "the inverse of a factor", "Make the layers narrower.");
        matrix_ = Buffer<T>(n * padded);
        rows_ = Buffer<T>(P * padded);
        products_ = Buffer<T>(P * padded);
        pivot_ = Buffer<T>(P * P);
        work_.resize(static_cast<std::size_t>(P * P));
        least_.resize(static_cast<std::size_t>(n));
        const Index rows = std::max<Index>(1, unit_rows / P) * P;
        for (Index p = 0; p < grid_.count(n); ++p)
            for (Index i = 0; i < end_of(p); i += rows) units_.push_back({p, i, std::min(end_of(p), i + rows)});
    }

    bool run(const T* from, T* to) {
        const Lease team(threads_);
        team_ = &*team;
        auto all_threads = [&](int thread) noexcept { work(thread, from, to); };
        team->run(all_threads);
        return definite_;
    }

private:
    // Rows i0..i1 of panel p, on and above the diagonal but for what a panel has below it.
    struct Unit {
        Index p, i0, i1;
    };
    [[nodiscard]] Index end_of(Index p) const { return std::min(n_, (p + 1) * grid_.panel()); }
    [[nodiscard]] T* at(Index p, Index i) const {
        return matrix_.data() + p * grid_.panel() * n_ + i * grid_.width(n_, p);
    }
    template <class F>
    void share(Index count, int thread, F f) const {
        for (Index k = count * thread / threads_; k < count * (thread + 1) / threads_; ++k) f(k);
    }

    void work(int thread, const T* from, T* to) noexcept {
        const Index panels = grid_.count(n_);
        share(n_, thread, [&](Index i) {
            panels_from<T>(from + i * n_, i, i + 1, grid_, Panels<T>{matrix_.data(), n_, n_});
            const double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
            least_[static_cast<std::size_t>(i)] =
                std::max(0.0, static_cast<double>(n_ + 10) * epsilon * static_cast<double>(from[i * n_ + i]));
        });
        team_->barrier();
        for (Index p = 0; p < panels; ++p)
            if (!sweep(thread, p)) return;
        share(n_, thread, [&](Index i) {
            over_panels<T>(grid_, Panels<T>{matrix_.data(), n_, n_}, i, [&](PanelRow<T> row) {
                for (Index k = std::max<Index>(0, i - row.column); k < row.count; ++k)
                    to[i * n_ + row.column + k] = to[(row.column + k) * n_ + i] = -row.at[k];
            });
        });
    }

    bool sweep(int thread, Index p) noexcept {
        const Index P = grid_.panel(), k0 = p * P, k1 = end_of(p), b = k1 - k0, width = grid_.width(n_, p);
        const Panels<T> rows{rows_.data(), b, n_}, products{products_.data(), b, n_}, pivot{pivot_.data(), b, b};
        // M_K, from what lies in panel p above its own rows, and in the panels behind
        share(grid_.count(n_), thread, [&](Index q) {
            const Index j0 = q * P, j1 = end_of(q);
            if (q < p) kernels_.transpose({matrix_.data(), n_, n_, k0, k1, j0, j1, rows, k0});
            else std::copy_n(at(q, k0), b * grid_.width(n_, q), rows_.data() + j0 * b);
        });
        if (thread == 0) {
            for (Index i = 0; i < b; ++i) std::copy_n(at(p, k0 + i), width, pivot_.data() + i * width);
            definite_ = negative_inverse(pivot, width, least_.data() + k0, work_);
        }
        team_->barrier();
        if (!definite_) return false;
        const Index n0 = b * thread / threads_, n1 = b * (thread + 1) / threads_;
        if (n1 > n0) kernels_.sum({pivot, n0, n1, rows_.data(), nullptr, b, 0, products});
        team_->barrier();
        share(static_cast<Index>(units_.size()), thread, [&](Index u) {
            const auto [q, i0, i1] = units_[static_cast<std::size_t>(u)];
            if (q == p) return;
            for (const auto& [from, end] : {std::pair(i0, std::min(i1, k0)), std::pair(std::max(i0, k1), i1)})
                if (end > from) kernels_.gradient({rows, products, b, from, end, q, at(q, from), true});
        });
        team_->barrier();
        share(grid_.count(n_), thread, [&](Index q) {
            const Index j0 = q * P, j1 = end_of(q);
            if (q == p) {
                std::copy_n(pivot_.data(), b * width, at(p, k0));
                return;
            }
            T* from = products_.data() + j0 * b;
            const Index count = b * grid_.width(n_, q);
            for (Index e = 0; e < count; ++e) from[e] = -from[e];
            if (q < p) kernels_.transpose({products_.data(), b, n_, j0, j1, 0, b, {at(p, 0), n_, b}, 0});
            else std::copy_n(from, count, at(q, k0));
        });
        team_->barrier();
        return true;
    }

    const Kernels<T>& kernels_;
    Grid grid_;
    Index n_;
    int threads_;
    Buffer<T> matrix_, rows_, products_, pivot_;
    std::vector<double> work_, least_;  // of each row: what rounding alone may have left of a pivot
    std::vector<Unit> units_;
    Team* team_ = nullptr;
    bool definite_ = false;  // written by thread 0 before a barrier
};

}  // namespace

template <class T>
bool inverse(const Kernels<T>& kernels, const T* matrix, Index n, int threads, T* out) {
    return Sweep<T>(kernels, n, threads).run(matrix, out);
}

template bool inverse<float>(const Kernels<float>&, const float*, Index, int, float*);
template bool inverse<double>(const Kernels<double>&, const double*, Index, int, double*);

}  // namespace chainrule
