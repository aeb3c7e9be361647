"""What steps do besides the plain one (E51 to E58): the compiled core against the readable step, and against itself."""

from itertools import pairwise

import numpy as np
import pytest

import chainrule as cr
from cases import HAS_NATIVE
from chainrule.engine.step_options import StepOptions
from chainrule.engine.threads import exactly
from chainrule.maths import masks
from chainrule.maths.updates import Rprop
from chainrule.training.minibatches.step_gradient import apply_update, step_gradient

if not HAS_NATIVE:
    pytest.skip("the compiled core is not built", allow_module_level=True)

from chainrule.engine import native

SEED = 2**40 + 12345
NETWORKS = {  # odd sizes, an edge, every way in which a derivative is kept, classes; many inputs, which are halved
    "relu": ((13, 29, 70, 3), ("relu", "relu", "softmax"), "cross_entropy", True),
    "tanh": ((7, 18, 5), ("tanh", "logistic"), "binary_cross_entropy", (True, False)),
    "leaky": ((9, 21, 33, 1), ("leaky_relu(0.1)", "identity", "logistic"), "binary_cross_entropy", False),
    "softmax": ((6, 20, 17, 4), ("softmax", "gelu", "softmax"), "cross_entropy", True),
    "one layer": ((11, 3), ("softmax",), "cross_entropy", True),
    "many inputs": ((273, 66, 2), ("relu", "softmax"), "cross_entropy", True),
}
OPTIONS = {
    "plain": {},
    "dropout": {"dropout": (0.2, 0.5, 0.3)},
    "noise": {"noise": 0.3},
    "smoothing": {"smoothing": 0.1},
    "clip_example_norm": {"clip_example_norm": 0.5},
    "clip_norm": {"clip_norm": 0.1},
    "layer_rates": {"layer_rates": (0.5, 2.0, 1.0)},
    "frozen below": {"layer_rates": (0.0, 1.0, 0.5), "clip_example_norm": 0.2},
    "frozen within": {"layer_rates": (1.0, 0.0, 1.0), "clip_norm": 0.1, "weight_decay": 0.1},
    "weight_decay": {"weight_decay": 0.3},
    "max_norm": {"max_norm": 0.8},
    "all": {
        "noise": 0.1, "dropout": (0.1, 0.4, 0.2), "smoothing": 0.2, "clip_example_norm": 0.7, "clip_norm": 0.2,
        "layer_rates": (1.0, 0.5, 2.0), "weight_decay": 0.05, "max_norm": 0.9,
    },
}  # fmt: skip
BATCH, STEPS = 21, 4


def options_for(plan, what):
    """Options of three layers cut to a network's."""
    given = {key: x[: plan.L] if isinstance(x, tuple) else x for key, x in OPTIONS[what].items()}
    return StepOptions(seed=SEED, **given)


def made(name, dtype, backend="native"):
    """A network of NETWORKS, and data with weights."""
    sizes, activations, cost, bias = NETWORKS[name]
    net = cr.Network(sizes, activations, cost, bias=bias, dtype=dtype, backend=backend, seed=1)
    net.parameters[:] += np.random.default_rng(2).normal(0, 0.1, net.plan.n_parameters).astype(dtype)
    rng = np.random.default_rng(3)
    X = rng.standard_normal((BATCH * STEPS - 5, sizes[0])).astype(dtype)
    classes = rng.integers(max(2, sizes[-1]), size=len(X))
    Y = (np.eye(sizes[-1])[classes] if sizes[-1] > 1 else classes[:, np.newaxis]).astype(dtype)
    return net, X, Y, rng.uniform(0.2, 2, len(X)).astype(dtype)


class Course:
    """What the steps of a test are to be, rows in another order than they lie."""

    def __init__(self, m):
        self.rows = np.random.default_rng(4).permutation(m)
        self.bounds = np.array([*range(0, m, BATCH), m])
        n = len(self.bounds) - 1
        self.rates, self.penalties = np.linspace(0.05, 0.03, n), np.full(n, 0.02)
        self.l1, self.factors = np.linspace(0.01, 0, n), np.linspace(1, 0.5, n)
        self.first = 2**32 - 2  # of whose 32 bits there are no more

    def run(self, trainer, steps=slice(None)):
        """Costs, norms and squares of steps that the core takes."""
        first, last, _ = steps.indices(len(self.rates))
        figures = np.full((3, last - first), np.nan)
        bounds = self.bounds[first : last + 1]
        done, ending = trainer.run(
            self.rows[bounds[0] : bounds[-1]], bounds - bounds[0], *(one[steps] for one in (self.rates, self.penalties)),
            self.l1[steps], self.factors[steps], self.first + first, *figures, bool,
        )  # fmt: skip
        assert (done, ending) == (last - first, "")
        return figures


def readably(net, X, Y, weights, rule, options, course):
    """θ, state, costs and norms of the same steps by the reference."""
    theta, state = net.parameters.copy(), rule.initial(net.parameters, net.plan.is_weight)
    costs, norms = [], []
    for j, (begin, end) in enumerate(pairwise(course.bounds)):
        rows = course.rows[begin:end]
        found = step_gradient(
            net, theta, (X[rows], Y[rows], weights[rows]), options, course.first + j,
            factor=course.factors[j], penalty=course.penalties[j], l1=course.l1[j],
        )  # fmt: skip
        costs.append(found.cost)
        norms.append(found.norm)
        state, theta = apply_update(rule, state, theta, found.flat, course.rates[j], options, net.plan)
    return theta, state, costs, norms


def trained(net, X, Y, weights, rule, options, course, n_threads=1):
    """The same by the core."""
    with exactly(n_threads):
        trainer = native.trainer(net.plan, rule, X, Y, weights, BATCH, options)
        trainer.load(net.parameters, rule.initial(net.parameters, net.plan.is_weight))
        figures = course.run(trainer)
    return trainer, figures


def close(got, expected, dtype):
    # a hundred roundings through layers of up to 273 summands, in each of four steps
    largest = np.abs(expected).max() if np.size(expected) else 0
    np.testing.assert_allclose(got, expected, rtol=0, atol=400 * np.finfo(dtype).eps * max(1, largest))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("what", OPTIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_steps_equal_the_readable_ones(name, what, dtype):
    """(E51) to (E58), with weights, L1 and L2."""
    net, X, Y, weights = made(name, dtype)
    options, course = options_for(net.plan, what), Course(len(X))
    rule = cr.Momentum(0.5)
    trainer, (costs, norms, _) = trained(net, X, Y, weights, rule, options, course, 2)
    reference = made(name, dtype, "reference")[0]
    theta, state, expected_costs, expected_norms = readably(reference, X, Y, weights, rule, options, course)
    close(costs, expected_costs, dtype)
    close(norms, expected_norms, dtype)
    close(trainer.parameters(), theta, dtype)
    close(trainer.state().velocity, state.velocity, dtype)


@pytest.mark.parametrize("rule", [cr.Adam(), cr.AdamW(weight_decay=0.1), Rprop()], ids=lambda rule: rule.name)
@pytest.mark.parametrize("what", ["layer_rates", "frozen within", "all"])
def test_rates_of_layers_with_rules_that_remember(what, rule):
    """θ and state by one rate for each parameter; a frozen layer's part of the state stays as it was."""
    net, X, Y, weights = made("relu", "float64")
    options, course = options_for(net.plan, what), Course(len(X))
    trainer, _ = trained(net, X, Y, weights, rule, options, course)
    reference = made("relu", "float64", "reference")[0]
    theta, state, *_ = readably(reference, X, Y, weights, rule, options, course)
    # promise 4 after steps whose rule divides by the size of gradients, small ones too
    np.testing.assert_allclose(trainer.parameters(), theta, rtol=0, atol=1e-9)
    for got, expected in zip(vectors_of(trainer.state()), vectors_of(state), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


def vectors_of(state):
    """Every array of a rule's state."""
    if isinstance(state, tuple):
        return [vector for part in state for vector in vectors_of(part)]
    return [np.asarray(state)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["relu", "many inputs"])
def test_any_number_of_threads_and_any_cut_give_the_same_bits(name, dtype):
    net, X, Y, weights = made(name, dtype)
    options, course, rule = options_for(net.plan, "all"), Course(len(X)), cr.Adam()
    seen = set()
    for n_threads in (1, 2, 3, 4, 7):
        with exactly(n_threads):
            trainer = native.trainer(net.plan, rule, X, Y, weights, BATCH, options)
            trainer.load(net.parameters, rule.initial(net.parameters, net.plan.is_weight))
        cut = n_threads % STEPS
        figures = np.hstack([course.run(trainer, slice(0, cut)), course.run(trainer, slice(cut, STEPS))])
        seen.add(b"".join(part.tobytes() for part in (figures, trainer.parameters(), *vectors_of(trainer.state()))))
    assert len(seen) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("what", ["plain", "clip_norm", "frozen below", "all"])
def test_the_gradient_of_a_step_without_the_step(what, dtype):
    """What the readable step's rule is given, for the θ that was loaded, which stays."""
    net, X, Y, weights = made("relu", dtype)
    options = options_for(net.plan, what)
    with exactly(2):
        trainer = native.trainer(net.plan, cr.SGD(), X, Y, weights, BATCH, options)
    reference = made("relu", dtype, "reference")[0]
    rows = np.arange(BATCH)[::-1].copy()
    for theta in (net.parameters, 0.5 * net.parameters):
        trainer.load(theta, ())
        cost, norm, flat = trainer.gradient(rows, 0.02, 0.01, 0.5, 17)
        found = step_gradient(
            reference, theta, (X[rows], Y[rows], weights[rows]), options, 17, factor=0.5, penalty=0.02, l1=0.01
        )
        close(cost, found.cost, dtype)
        close(norm, found.norm, dtype)
        close(flat, found.flat, dtype)
        assert trainer.parameters().tobytes() == theta.tobytes()


def test_masks_are_the_reference_s_bit_for_bit():
    """A network that adds up what dropout leaves of its inputs gives each batch's mask away: C = Σ_k 2ᵏ M_k."""
    p, units, m = 0.5, 45, 7
    net = cr.Network(
        [units, 1], "identity", "absolute_error", bias=False, dtype="float64", reduction="sum", backend="native"
    )
    net.parameters[:] = 2.0 ** np.arange(units)
    X, Y = np.ones((m, units)), np.zeros((m, 1))
    trainer = native.trainer(net.plan, cr.SGD(), X, Y, None, m, StepOptions(dropout=(p,), seed=SEED))
    trainer.load(net.parameters, ())
    for step in (0, 5, 2**32 + 1):
        expected = masks.mask(p, (m, units), SEED, step, 0, "float64") @ net.parameters
        assert trainer.gradient(np.arange(m), 0.0, 0.0, 1.0, step)[0] == expected.sum()
    assert len(set(expected)) == m


def test_options_that_no_step_has_are_refused():
    """The core looks at them once more."""
    net, X, Y, _ = made("tanh", "float64")
    for given, text in (
        ({"dropout": (0.5,)}, r"^dropout: expected 2 numbers or none, got 1$"),
        ({"dropout": (0.5, 1.0)}, r"^dropout: expected 0 to below 1, got 1\.0"),
        ({"clip_norm": -1.0}, r"^clip_norm: expected a number above 0, got -1\.0"),
    ):
        with pytest.raises(ValueError, match=text):
            native.trainer(net.plan, cr.SGD(), X, Y, None, BATCH, StepOptions(**given))
