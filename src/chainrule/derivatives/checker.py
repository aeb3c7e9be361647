"""Whether derivatives are right: backpropagation held against central differences of C, and against forward mode."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from chainrule.derivatives.examples import MAX_MEMORY
from chainrule.derivatives.network_check import NetworkCheck
from chainrule.derivatives.tally import Tally
from chainrule.engine.gradient_report import GradientReport
from chainrule.engine.network import Network
from chainrule.errors import InputError, is_count, text
from chainrule.maths import claims
from chainrule.maths.activations import Activation, AnyActivation, CoupledActivation
from chainrule.maths.costs import Cost
from chainrule.maths.finite_differences import TOLERANCE, Comparison, compare
from chainrule.maths.settings import real_number


def check_gradients(
    target: Network | AnyActivation | Cost,
    X: ArrayLike | None = None,
    Y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    max_parameters: int = 1000,
    directions: int = 2,
    tolerance: float | None = None,
    seed: int = 0,
    max_memory: int = MAX_MEMORY,
) -> GradientReport:
    """Hold derivatives against central differences (E49), in float64, and Jᵀ against J.

    Of a network: ∂C/∂θ (E10), entry by entry, each array of it along random directions, and ∂C_i/∂x (E9) along random
    directions; then ⟨u, Jv⟩ = ⟨Jᵀu, v⟩ with J = ∂a^L/∂x and random u, v. What is checked is what the network's own
    backend gives in its own dtype; the differences are of C in float64 by the reference backend. Where a direction is
    wrong and no compared parameter is, the wrong parameter is searched for.

    Steps keep off the kinks that activations and costs declare. A derivative whose difference can't but straddle a
    kink, declared or not, is reported, and not failed, if it lies between the slopes on both sides.

    Parameters
    ----------
    target : Network, Activation, CoupledActivation or Cost
        Of an activation or a cost, what it says of its derivatives is checked at points within its domain.
    X, Y : arrays
        Of a network: as in `Network.backward`. Some tens of rows are enough. The time is that of about
        20 · `max_parameters` forward passes of these rows, at most.
    sample_weight : array (m,), optional
    max_parameters : int
        Parameters compared one by one. Of a network with more, each 𝒲^ℓ and b^ℓ has an equal share, drawn by `seed`.
    directions : int
        Random directions for each 𝒲^ℓ, each b^ℓ and X, every parameter moving by +t or −t in each.
    tolerance : float, optional
        Of the largest entry of each array of ∂C/∂θ, as large as it were if examples did not cancel,
        Σ_i |c_i δ_ij a_ik|; 1e-7 without it. Added to it is what rounding may do in the network's dtype: 8√n times
        what nudging every number by half a unit in the last place changes, n being the longest sum. Of an activation
        or a cost: of max(1, the derivative); 1e-6 without it.
    seed : int
    max_memory : int
        Bytes of workspace at most, beside some vectors like θ in float64. It and the four above, but for `tolerance`,
        are about networks.

    Returns
    -------
    GradientReport
        `passed`, `worst`, `kinks`, …; `print(report)` says it in a few lines.

    Raises
    ------
    InputError
        For another target, a bad X, Y, weight or setting, rows that don't fit in `max_memory`, and a C that is not
        finite. DerivativeError for functions that don't give finite numbers of the right shape.

    Examples
    --------
    >>> import numpy as np, chainrule as cr
    >>> X, Y = np.random.default_rng(0).standard_normal((20, 3)), [0, 1] * 10
    >>> net = cr.Network([3, 5, 2], ["tanh", "softmax"], "cross_entropy", dtype="float64")
    >>> report = cr.check_gradients(net, X, Y)
    >>> report.passed, report.compared, report.n_kinks
    (True, 32, 0)
    >>> cr.check_gradients(cr.Cost("slip", lambda a, y: ((a - y) ** 2).sum(axis=1), lambda a, y: a - y)).passed
    False
    """
    for name, given in (("max_parameters", max_parameters), ("directions", directions), ("max_memory", max_memory)):
        if not is_count(given):
            hint = f"Leave {name} out."
            raise InputError(text(name, expected="a whole number ≥ 1", got=repr(given), hint=hint))
    if tolerance is not None:
        number = real_number(tolerance)
        if number is None or not 0 < number < 1:
            hint = "Leave it out for the default."
            raise InputError(text("tolerance", expected="a number 0 < τ < 1", got=repr(tolerance), hint=hint))
        tolerance = number
    if isinstance(target, Network):
        check = NetworkCheck(target, X, Y, sample_weight, tolerance, seed, max_memory)
        return check.report(max_parameters, directions)
    for name, unwanted in (("X", X), ("Y", Y), ("sample_weight", sample_weight)):
        if unwanted is not None:
            hint = "It is checked at points of its domain; to check it at your data, give a network that has it."
            got = f"{name} with {type(target).__name__}"
            raise InputError(text(name, expected="none, but for a network", got=got, hint=hint))
    if isinstance(target, Cost):
        return _of_claims(f"cost {target.name!r}", claims.of_cost(target), tolerance)
    if isinstance(target, Activation | CoupledActivation):
        return _of_claims(f"activation {target.name!r}", claims.of_activation(target), tolerance)
    hint = "Write cr.check_gradients(net, X, Y)."
    expected = "a network, an activation or a cost"
    raise InputError(text("target", expected=expected, got=f"{target!r:.40}", hint=hint))


def _of_claims(checked: str, all_claims: Iterator[claims.Claim], given: float | None) -> GradientReport:
    """Compare what an activation or a cost says of its derivatives."""
    tally, points, tolerance = Tally(), 0, given or TOLERANCE
    for claim in all_claims:
        points = max(points, len(claim.got))
        zero = np.zeros(())
        if claim.is_difference:
            noise = np.finfo(np.float64).eps * (np.abs(claim.phi(zero)) + np.abs(claim.got))
            # at a kink, or right beside it, no step keeps off it
            start = np.where(claim.room > 1e-6, np.minimum(0.05, 0.9 * claim.room), 0.05)
            allowed = tolerance * np.maximum(1.0, np.abs(claim.got))
            found = compare(claim.phi, claim.got, allowed, start, noise)
        else:
            expected = claim.phi(zero)
            allowed = tolerance * np.maximum(1.0, np.abs(expected))
            wrong = ~(np.abs(claim.got - expected) <= allowed)
            never = np.zeros_like(wrong)
            found = Comparison(claim.got, expected, np.zeros_like(expected), allowed, wrong, never, never)
        tally.add(found, partial(_entry, claim), lambda: "its slope jumps there")
    reason = "max(1, the derivative)"
    return tally.report(checked, points, f"at {points:,} points", tolerance, reason)


def _entry(claim: claims.Claim, index: tuple[int, ...]) -> str:
    return f"{claim.what} at {claim.entry(index)}"
