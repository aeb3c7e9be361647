"""K-FAC (E68 to E70): its directions against explicit dense matrices, and what training makes of them."""

import copy
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import derivatives as d
from chainrule.engine import reference
from chainrule.engine.step_options import StepOptions
from chainrule.maths.schedules import rate_policy
from chainrule.training.arguments.settings import batch_sizes
from chainrule.training.examples.reading import read_data
from chainrule.training.minibatches import kfac
from chainrule.training.minibatches import loop as minibatch
from chainrule.training.minibatches.kfac import KFAC, Preconditioner
from chainrule.training.minibatches.loop import Recipe
from chainrule.training.progress.divergence import DivergenceError
from chainrule.training.progress.progressed import Progressed
from training_problem import LABELS, X, Y

FREE = 1e30  # κ that no step reaches
PLAIN = StepOptions()


def classifier(**changes):
    return cr.Network([4, 5, 3], ["tanh", "softmax"], "cross_entropy", **({"dtype": "float64", "seed": 1} | changes))


def batch(rows=slice(0, 20), weights=None, dtype="float64"):
    return X[rows].astype(dtype), np.eye(3, dtype=dtype)[LABELS[rows]], weights


def looked(net, rule, *batches, penalty=0.0, factor=1.0, options=PLAIN):
    """Give what has looked at some batches at the network's own θ, at steps 0, factors_every, 2 factors_every, …"""
    preconditioner = Preconditioner(net, rule, options)
    for k, one in enumerate(batches):
        preconditioner.look(k * rule.factors_every, net.parameters, lambda one=one: one, factor, penalty)
    return preconditioner


def dense(net, A, G, damping):
    """(A + π√λ I) ⊗ (G + √λ/π I) of every layer, as one matrix (E68, E69), in float64."""
    blocks = []
    for layer in net.plan.layers:
        a, g = np.asarray(A[layer], float), np.asarray(G[layer], float)
        pi = math.sqrt(a.trace() / len(a) / (g.trace() / len(g)))
        a, g = (f + add * np.eye(len(f)) for f, add in ((a, pi * math.sqrt(damping)), (g, math.sqrt(damping) / pi)))
        blocks.append(np.kron(a, g))
    whole = np.zeros((net.parameters.size, net.parameters.size))
    at = 0
    for block in blocks:
        whole[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return whole


# the condition of the damped matrices, below 1e5, times the rounding of each dtype
@pytest.mark.parametrize(("dtype", "within"), [("float64", 1e-11), ("float32", 1e-3)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_E68_E69_a_direction_solves_with_the_damped_kronecker_factors(dtype, within, bias, reduction):
    net = classifier(dtype=dtype, bias=bias, reduction=reduction)
    w = np.linspace(0.5, 2, 20).astype(dtype)
    preconditioner = looked(net, KFAC(damping=1e-2, kl_clip=FREE), batch(weights=w, dtype=dtype), penalty=1e-2)
    factors = d.kronecker_factors(net, *batch(weights=w, dtype=dtype))
    gradient = np.random.default_rng(0).standard_normal(net.parameters.size).astype(dtype)
    expected = np.linalg.solve(dense(net, factors.A, factors.G, 2e-2), gradient.astype(float))
    found = preconditioner.direction(gradient, 1.0)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=within * np.abs(expected).max())


def test_E68_factors_are_running_means_and_follow_the_share_of_a_weighted_batch():
    net, rule = classifier(), KFAC(damping=1e-2, kl_clip=FREE, factors_every=1, inverses_every=1, decay=0.6)
    batches = [batch(slice(k, k + 20)) for k in (0, 20, 40)]
    preconditioner = looked(net, rule, *batches, factor=1.5)
    each = [d.kronecker_factors(net, *one) for one in batches]
    # 1 − 1/k is 0, ½, ⅔, which 0.6 limits
    share = (0.6 * 0.5, 0.6 * 0.5, 0.4)
    A, G = (
        {layer: sum(s * getattr(f, name)[layer] for s, f in zip(share, each, strict=True)) for layer in (1, 2)}
        for name in ("A", "G")
    )
    gradient = np.arange(net.parameters.size, dtype=float)
    expected = np.linalg.solve(dense(net, A, {layer: 1.5 * G[layer] for layer in G}, 1e-2), gradient)
    # as above
    np.testing.assert_allclose(preconditioner.direction(gradient, 1.0), expected, rtol=1e-9)


def test_E70_a_step_is_as_long_as_kappa_allows_and_frozen_layers_take_no_part():
    net, gradient = classifier(), np.linspace(-1, 1, 43)
    free = looked(net, KFAC(kl_clip=FREE), batch()).direction(gradient, 0.5)
    whole = 0.25 * float(free @ gradient)
    for kappa in (whole / 9, whole / 2, whole * 2):
        found = looked(net, KFAC(kl_clip=kappa), batch()).direction(gradient, 0.5)
        # a product and a root more
        np.testing.assert_allclose(found, free * min(1, math.sqrt(kappa / whole)), rtol=1e-13)
    only = StepOptions(layer_rates=(0.0, 0.5))
    preconditioner = looked(net, KFAC(kl_clip=whole / 900), batch(), options=only)
    assert preconditioner.inverses[0] is None
    first = net.plan.bias_blocks[1].stop
    part = 0.0625 * float(free[first:] @ gradient[first:])
    expected = free[first:] * math.sqrt(whole / 900 / part)
    np.testing.assert_allclose(preconditioner.direction(gradient, 0.5)[first:], expected, rtol=1e-13)  # as above


def test_E68_of_many_outputs_targets_are_drawn_by_seed_and_step():
    net = cr.Network([4, 18], "softmax", "cross_entropy", dtype="float64", seed=1)
    of = X[:20], np.eye(18)[LABELS[:20]], None
    rule, options = KFAC(damping=1e-2, kl_clip=FREE, factors_every=1, inverses_every=1, decay=0.0), StepOptions(seed=7)
    preconditioner, gradient = Preconditioner(net, rule, options), np.linspace(-1, 1, 90)
    found = []
    for step in (3, 4, 3):
        preconditioner.look(step, net.parameters, lambda: of)
        rng = np.random.Generator(np.random.Philox(key=np.array([7, step], dtype=np.uint64)))
        factors = d.kronecker_factors(net, X[:20], None, kind="kfac", seed=rng)
        found.append(preconditioner.direction(gradient, 1.0))
        expected = np.linalg.solve(dense(net, factors.A, factors.G, 1e-2), gradient)
        np.testing.assert_allclose(found[-1], expected, rtol=1e-9)  # the condition of the matrices times rounding
    assert (found[0] == found[2]).all()
    assert (found[0] != found[1]).any()


def test_E68_masks_and_noise_are_in_the_factors_as_their_expectation():
    net, rng = classifier(), np.random.default_rng(0)
    options = StepOptions(noise=0.5, dropout=(0.2, 0.4))
    A, G = (looked(net, KFAC(), batch(), options=options).snapshot()[name] for name in ("A", "G"))
    plain = d.kronecker_factors(net, *batch())
    x, total, n = X[:20], np.zeros((5, 5)), 4000
    for _ in range(n):
        seen = (x + 0.5 * rng.standard_normal(x.shape)) * (rng.random(x.shape) >= 0.2) / 0.8
        rows = np.column_stack([seen, np.ones(20)])
        total += rows.T @ rows / 20 / n
    # six standard errors of these means, each below 0.007
    np.testing.assert_allclose(A[0], total, atol=0.04)
    for found, at, units in ((A[1], plain.A[2], 5), (G[0], plain.G[1], 5), (G[1], plain.G[2], 0)):
        expected = at.copy()
        expected[np.arange(units), np.arange(units)] /= 0.6
        np.testing.assert_allclose(found, expected, rtol=1e-14)  # a quotient


def test_E68_looks_only_when_it_is_time_to():
    net, rule = classifier(), KFAC(factors_every=3, inverses_every=12)
    preconditioner, seen, new = Preconditioner(net, rule, PLAIN), [], []

    def gather():
        seen.append(step)
        return batch()

    for step in range(26):
        before = preconditioner.until(step)
        new += [step] if preconditioner.look(step, net.parameters, gather) else []
        assert before == 3 - step % 3
    assert seen == [0, 3, 6, 9, 12, 15, 18, 21, 24]
    assert new == [0, 3, 6, 12, 24]  # of the 1st, 2nd, 3rd factors, and every twelfth step


def test_factors_that_are_larger_than_a_workspace_are_made(monkeypatch):
    monkeypatch.setattr(kfac, "MAX_MEMORY", 2**20)
    net = cr.Network([400, 3], "softmax", "cross_entropy", dtype="float64")  # 401² numbers of 8 bytes, and as many
    rows = np.random.default_rng(0).standard_normal((30, 400))
    preconditioner = looked(net, KFAC(damping=1.0), (rows, np.eye(3)[np.arange(30) % 3], None))
    assert preconditioner.inverses[0][0].shape == (401, 401)


def test_factors_without_an_inverse_end_training_by_name():
    net = classifier()
    with pytest.raises(DivergenceError, match=r"factor A of layer 1 \(E44\) has no inverse .* damping 1e-300"):
        looked(net, KFAC(damping=1e-300), (np.ones((3, 4)), np.eye(3), None))
    large = np.array([[1e200, 0, 0, 0]])
    with pytest.raises(DivergenceError, match="factor A of layer 1"), np.errstate(over="ignore"):
        looked(net, KFAC(), (large, np.eye(3)[:1], None))


@pytest.mark.parametrize("engine", [reference, cr.Network([1, 1]).engine])
@pytest.mark.parametrize(("dtype", "within"), [("float64", 1e-11), ("float32", 1e-2)])
def test_inverses_of_positive_definite_matrices_alone(engine, dtype, within):
    root = np.random.default_rng(0).standard_normal((150, 200))
    matrix = (root @ root.T).astype(dtype)
    found = engine.inverse(matrix)
    assert found.dtype == dtype
    np.testing.assert_allclose(found @ matrix, np.eye(150), atol=within)  # the condition, 200, times rounding and n
    assert (found == found.T).all()
    for wrong in (np.ones((2, 2)), -np.eye(3), np.full((1, 1), np.inf), np.diag([1.0, np.nan])):
        assert engine.inverse(wrong.astype(dtype)) is None


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"damping": 0}, r"KFAC: damping: expected a number in \(0, ∞\), got 0"),
        ({"kl_clip": -1.0}, r"KFAC: kl_clip: expected a number in \(0, ∞\), got -1.0"),
        ({"momentum": 1}, r"KFAC: momentum: expected a number in \[0, 1\), got 1"),
        ({"decay": "0.9"}, r"KFAC: decay: expected a number in \[0, 1\), got '0.9'"),
        ({"factors_every": 0}, "KFAC: factors_every: expected a whole number ≥ 1, got 0"),
        ({"inverses_every": 2.5}, "KFAC: inverses_every: expected a whole number ≥ 1, got 2.5"),
    ],
)
def test_settings_out_of_range_are_refused(settings, text):
    with pytest.raises(cr.InputError, match=text):
        KFAC(**settings)


@pytest.mark.parametrize("cost", ["absolute_error", "quantile(0.3)"])
def test_a_cost_without_curvature_is_refused(cost):
    net = cr.Network([4, 1], "identity", cost)
    text = (
        rf"optimizer: kfac: expected a cost with second derivatives.*got cost {cost.split('(')[0]}.*huber or log_cosh"
    )
    with pytest.raises(cr.InputError, match=text):
        Preconditioner(net, KFAC(), PLAIN)


def test_a_cost_of_ones_own_without_second_derivatives_is_refused():
    fourth = cr.Cost("fourth", lambda a, y: ((a - y) ** 4).sum(axis=1), lambda a, y: 4 * (a - y) ** 3)
    net = cr.Network([4, 1], "identity", fourth, dtype="float64")
    with pytest.raises(cr.DerivativeError, match="cost fourth: expected a hessian_product, got none"):
        looked(net, KFAC(), (X, Y[:, np.newaxis], None))


# --- training ---------------------------------------------------------------------------------------------------------
def trained(net, **options):
    settings = {"learning_rate": 0.05, "batch_size": 16, "epochs": 6, "verbose": 0}
    return cr.train(net, X, LABELS if net.sizes[-1] == 3 else Y, **(settings | {"optimizer": KFAC()} | options))


def test_E68_ridge_regression_is_solved():
    w = np.random.default_rng(1).uniform(0.2, 2, 60)
    net = cr.Network([4, 1], "identity", "half_squared_error", dtype="float64", seed=1)
    options = {"sample_weight": w, "penalty": 0.1, "batch_size": None, "learning_rate": 0.1, "epochs": 400}
    history = trained(net, optimizer=KFAC(decay=0.0), **options)
    design = np.column_stack([X, np.ones(60)])
    normal = (design.T * w) @ design / w.sum() + 0.1 * np.diag([1, 1, 1, 1, 0])
    # the promise of every solver
    np.testing.assert_allclose(net.parameters, np.linalg.solve(normal, (design.T * w) @ Y / w.sum()), atol=1e-6)
    assert history.gradient_norm[-1] < 1e-6


def test_E68_softmax_regression_reaches_the_optimum_by_mini_batches_with_a_decaying_step():
    nets = [cr.Network([4, 3], "softmax", "cross_entropy", dtype="float64", seed=1) for _ in range(2)]
    trained(nets[0], penalty=0.05, learning_rate=cr.schedules.Exponential(0.3, 0.93), batch_size=20, epochs=250)
    cr.train(nets[1], X, LABELS, optimizer=cr.LBFGS(gradient_tolerance=1e-10), penalty=0.05, epochs=300, verbose=0)
    costs = [net.cost(X, LABELS) + 0.025 * float((net.W[1] ** 2).sum()) for net in nets]
    assert costs[0] - costs[1] < 1e-6  # the promise of every solver


ALL = {
    "dropout": {0: 0.1, 1: 0.3}, "input_noise": 0.1, "label_smoothing": 0.1, "l1": 1e-3, "weight_decay": 0.01,
    "max_norm": 1.5, "clip_norm": 0.3, "clip_example_norm": 0.5, "sample_weight": np.linspace(0.5, 2, 60),
}  # fmt: skip


def test_the_same_bits_for_any_number_of_threads_and_the_reference_close_by():
    found = []
    for threads in (1, 2, 3):
        net = classifier(dtype="float32")
        trained(net, n_threads=threads)
        found.append(net.parameters.copy())
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()
    for options in (
        {},
        {"penalty": 0.01, "layer_rates": {1: 0.5}, "clip_norm": 0.5},
        {"dropout": 0.2, "frozen": [2]},
        ALL,
    ):
        one, two = classifier(), classifier(backend="reference")
        costs = [trained(net, **options).cost for net in (one, two)]
        np.testing.assert_allclose(one.parameters, two.parameters, rtol=0, atol=1e-9)  # the promise of both backends
        np.testing.assert_allclose(*costs, rtol=1e-9)  # likewise
        if "frozen" in options:
            assert (one.W[2] == classifier().W[2]).all()


@pytest.mark.parametrize("stop", [1, 7, 20, 23])
def test_a_run_that_was_broken_off_goes_on_to_the_same_bits(stop):
    net, data = classifier(), read_data(classifier(), X, LABELS, None)
    rule = KFAC(factors_every=4, inverses_every=8)

    def run(now, seconds=None):
        rng = np.random.default_rng(0)
        if seconds is not None:
            now.due, now.pause = (lambda: now.taken >= stop), seconds
        recipe = Recipe(
            rule, rate_policy(0.05), batch_sizes(8, 4, 60), rng, options=StepOptions(dropout=(0.1, 0.2), seed=3)
        )
        minibatch.run(net, data, recipe, now, lambda: 1.0)
        return now.parameters

    def seen():
        kept.append((now.parameters.copy(), copy.deepcopy(now.snapshot()), now.taken, now.epoch))
        raise KeyboardInterrupt

    whole, kept = run(Progressed(net.parameters.copy())), []
    now = Progressed(net.parameters.copy())
    with pytest.raises(KeyboardInterrupt):
        run(now, seen)
    parameters, snapshot, taken, _ = kept[0]
    assert taken >= stop
    again = run(Progressed(parameters, taken=taken, resumed=snapshot))
    assert (again == whole).all()


def test_factors_without_an_inverse_end_training_at_their_step():
    net = classifier()  # the G of softmax is singular: δ sums to 0
    before = net.parameters.copy()
    with pytest.warns(cr.DivergenceWarning, match=r"epoch 1, step 1: .* factor G of layer 2 \(E44\) has no inverse"):
        history = cr.train(net, X, LABELS, optimizer=KFAC(damping=1e-300), epochs=2, verbose=0)
    assert history.stopped == "divergence"
    assert (net.parameters == before).all()


def test_a_cost_without_curvature_is_refused_by_train():
    net = cr.Network([4, 1], "identity", "absolute_error")
    before = net.parameters.copy()
    with pytest.raises(cr.InputError, match="optimizer: kfac: expected a cost with second derivatives"):
        trained(net)
    assert (net.parameters == before).all()


def test_sparse_rows_and_several_kinds_of_networks_are_trained():
    from scipy.sparse import csr_array

    for sizes, activations, cost, bias, targets in (
        ([4, 6, 1], ["relu", "identity"], "huber", False, Y),
        ([4, 5, 4, 3], ["softmax", "silu", "logistic"], "binary_cross_entropy", True, np.eye(3)[LABELS]),
        ([4, 5, 1], ["tanh", "exp"], "poisson", [True, False], np.round(np.exp(Y))),
    ):
        net = cr.Network(sizes, activations, cost, bias=bias, seed=1)
        options = {"optimizer": KFAC(), "learning_rate": 0.03, "batch_size": 16, "verbose": 0, "epochs": 15}
        history = cr.train(net, csr_array(X), targets, **options)
        assert history.cost[-1] < history.cost[0]
