// The inverse of a symmetric positive definite matrix, by the core's own products and by threads: K-FAC's factors.
//
// The matrix is swept panel by panel (Goodnight 1979, by blocks): with K the rows of a panel, D = M_KK, N = −D⁻¹ and R = N M_K,
// M ← M + M_Kᵀ R elsewhere, M_K ← −R, M_KK ← N, after which M is −A⁻¹. It stays symmetric, so that what lies on and above the
// diagonal, panel by panel, is all that is worked. No sum depends on who does what: the same bits for any number of threads.
#pragma once

#include "chainrule/kernels.hpp"
#include "chainrule/team.hpp"

namespace chainrule {

// `out` ← A⁻¹; both are row-major (n, n), and may be one. Gives whether A is positive definite to rounding: no pivot is less
// than (n + 10) ε of its diagonal entry; else `out` is anything. Throws TooLarge.
template <class T>
bool inverse(const Kernels<T>& kernels, const T* matrix, Index n, int threads, T* out);

}  // namespace chainrule
