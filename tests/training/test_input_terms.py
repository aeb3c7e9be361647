"""Input derivatives in the objective (E59 to E61): values written out, gradients in θ against central differences."""

from itertools import product

import numpy as np
import pytest

import chainrule as cr
from cases import BACKENDS, COSTS, fits, targets
from chainrule import derivatives
from chainrule.engine import reference, regularized
from chainrule.engine.step_options import StepOptions
from chainrule.errors import DerivativeError, InputError
from chainrule.maths.activations import BUILT_IN, activation
from chainrule.maths.finite_differences import derivative_along
from chainrule.training.minibatches import input_terms
from chainrule.training.minibatches.input_terms import InputGradientPenalty, Monotone, SobolevTargets, read_input_terms
from chainrule.training.minibatches.step_gradient import step_gradient

SMOOTH = [name for name in BUILT_IN if not getattr(activation(name), "kinks", ())]
RNG = np.random.default_rng(0)
M, N_IN, N_OUT = 6, 3, 2
SIGNS = np.array([1.0, 0.0, -1.0])
PLAIN = StepOptions()
PERTURBED = StepOptions(dropout=(0.3, 0.4, 0.4), noise=0.2, seed=9)


def network(hidden="tanh", output="identity", cost="squared_error", **changes):
    net = cr.Network(
        [N_IN, 5, 4, N_OUT], [hidden, hidden, output], cost,
        **({"dtype": "float64", "seed": 4, "initializer": "lecun_normal"} | changes),
    )  # fmt: skip
    for b in net.b.values():
        b[...] = np.linspace(-0.3, 0.4, len(b))
    if "exp" in (hidden, output):
        net.parameters *= 0.4  # so that e^(e^…) stays of size 1
    return net


def batch_of(net, weighted=True):
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((M, N_IN)), targets(net.plan.cost.name, (M, N_OUT), rng)
    weights = rng.uniform(0.2, 2, M) if weighted else None
    return tuple(None if part is None else part.astype(net.dtype) for part in (X, Y, weights))


def wanted():
    """dY/dX with entries that nobody knows; nothing at all is known of the third row."""
    T = np.random.default_rng(6).standard_normal((M, N_OUT, N_IN))
    T[0, 1, 2] = T[4, 0, 0] = np.nan
    T[2] = np.nan
    return T


TERMS = {
    "E59 Sobolev": SobolevTargets(wanted(), 0.7),
    "E60 monotone": Monotone(SIGNS, 1.3),
    "E61 input gradient": InputGradientPenalty(0.6),
}


def written_out(name, net, batch, options=PLAIN, step=3):
    """The term, example by example and entry by entry, of derivatives that are tested elsewhere (E9, E11)."""
    X, Y, weights = batch
    w = np.ones(M) if weights is None else weights.astype(float)
    c = w / w.sum() if net.plan.reduction == "mean" else w
    J = derivatives.jacobian(net, X)
    g = derivatives.cost_input_gradient(net, X, Y)
    total = 0.0
    for i in range(M):
        if name == "E61 input gradient":
            total += c[i] * 0.6 / 2 * sum(g[i] ** 2)
            continue
        for o, j in product(range(N_OUT), range(N_IN)):
            if name == "E59 Sobolev":
                known = not np.isnan(wanted()[i, o, j])
                total += c[i] * 0.7 * (J[i, o, j] - wanted()[i, o, j]) ** 2 if known else 0
            elif SIGNS[j] * J[i, o, j] < 0:
                total += c[i] * 1.3 * J[i, o, j] ** 2
    return total


def of_term(name, net, theta, batch, options=PLAIN, step=3, rows=None):
    """R and ∂R/∂θ."""
    X, Y, weights = batch
    seen = regularized.see(net.plan, X, Y, options, step)
    c = reference.coefficients(net.plan, M, weights)
    return TERMS[name].value_and_gradient(seen, seen.linearized(theta), c, np.arange(M) if rows is None else rows)


def check_gradient(name, net, batch, options=PLAIN):
    value, gradient = of_term(name, net, net.parameters, batch, options)
    for _ in range(2):
        v = RNG.standard_normal(len(gradient))
        slope = derivative_along(
            lambda theta: np.array(of_term(name, net, theta, batch, options)[0]), net.parameters, v / np.linalg.norm(v)
        )
        # differences leave some 1e-10 of what they are of, and of its fifth derivative
        assert gradient @ v / np.linalg.norm(v) == pytest.approx(float(slope), rel=1e-7, abs=1e-8 * (1 + abs(value)))


@pytest.mark.parametrize("output", SMOOTH)
@pytest.mark.parametrize("hidden", SMOOTH)
@pytest.mark.parametrize("name", ["E59 Sobolev", "E60 monotone"])
def test_terms_of_outputs(name, hidden, output):
    cost = next(cost for cost in COSTS if fits(output, cost))
    net = network(hidden, output, cost, bias=hidden != output)
    batch = batch_of(net)
    value = of_term(name, net, net.parameters, batch)[0]
    assert value == pytest.approx(written_out(name, net, batch), rel=1e-12)  # sums in another order
    check_gradient(name, net, batch)


@pytest.mark.parametrize(("output", "cost"), [pair for pair in product(SMOOTH, COSTS) if fits(*pair)])
def test_the_term_of_the_cost(output, cost):
    name, net = "E61 input gradient", network("tanh", output, cost)
    batch = batch_of(net)
    value = of_term(name, net, net.parameters, batch)[0]
    assert value == pytest.approx(written_out(name, net, batch), rel=1e-12)  # sums in another order
    check_gradient(name, net, batch)


@pytest.mark.parametrize("hidden", SMOOTH)
def test_the_term_of_the_cost_through_each_activation(hidden):
    net = network(hidden)
    check_gradient("E61 input gradient", net, batch_of(net))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", TERMS)
def test_a_step_adds_its_terms(name, bias, weighted, reduction, backend, dtype):
    net = network(bias=bias, reduction=reduction, backend=backend, dtype=dtype)
    wide = network(bias=bias, reduction=reduction, backend="reference")
    wide.parameters = net.parameters
    batch = batch_of(net, weighted)
    numbers = {"factor": 1.7, "penalty": 0.2, "l1": 0.1}
    plain = step_gradient(net, net.parameters, batch, PLAIN, 3, **numbers)
    found = step_gradient(net, net.parameters, batch, PLAIN, 3, terms=(TERMS[name],), rows=np.arange(M), **numbers)
    doubled = tuple(None if part is None else part.astype(float) for part in batch)
    value, gradient = of_term(name, wide, wide.parameters, doubled)
    tolerance = 1e-12 if dtype == "float64" else 2e-6  # some ten roundings of sums of size 1
    assert found.cost == plain.cost
    assert found.flat.dtype == dtype
    assert found.terms == pytest.approx(value, rel=tolerance)
    size = max(1.0, np.abs(gradient).max())
    np.testing.assert_allclose(found.flat, plain.flat + 1.7 * gradient, atol=tolerance * 10 * size)
    assert found.norm == pytest.approx(float(np.linalg.norm(found.flat)), rel=1e-6)  # float32's sum of squares


@pytest.mark.parametrize("hidden", ["tanh", "softmax"])
@pytest.mark.parametrize("name", TERMS)
def test_terms_are_of_the_network_with_the_step_s_masks_at_the_noisy_input(name, hidden):
    net = network(hidden)
    X, Y, weights = batch = batch_of(net)
    check_gradient(name, net, batch, PERTURBED)

    def outputs(x):
        """a^L of the step's network, the noise and the masks being the step's: a function of x."""
        seen = regularized.see(net.plan, x, Y, PERTURBED, 3)
        return seen.linearized(net.parameters).a

    J = np.stack([derivative_along(outputs, X, np.ones((M, 1)) * unit) for unit in np.eye(N_IN)], axis=2)
    c = weights / weights.sum()
    expected = {
        "E59 Sobolev": 0.7 * c @ np.nansum((J - wanted()) ** 2, axis=(1, 2)),
        "E60 monotone": 1.3 * c @ (np.maximum(0, -SIGNS * J) ** 2).sum(axis=(1, 2)),
        "E61 input gradient": 0.3 * c @ (np.einsum("io,ioj->ij", 2 * (outputs(X) - Y), J) ** 2).sum(axis=1),
    }[name]
    # differences leave some 1e-10
    assert of_term(name, net, net.parameters, batch, PERTURBED)[0] == pytest.approx(expected, rel=1e-7)


def test_targets_are_those_of_the_batch_s_rows():
    net = network()
    batch = batch_of(net)
    rows = np.array([5, 0, 2, 4, 3, 1])
    there = tuple(part[rows] for part in batch)
    one, other = (
        of_term("E59 Sobolev", net, net.parameters, batch),
        of_term("E59 Sobolev", net, net.parameters, there, rows=rows),
    )
    assert one[0] == pytest.approx(other[0], rel=1e-13)  # sums in another order
    np.testing.assert_allclose(one[1], other[1], atol=1e-13)


def test_nothing_is_added_where_nothing_is_known_or_all_is_monotone():
    net = network(output="identity")
    batch = batch_of(net)
    seen = regularized.see(net.plan, *batch[:2], PLAIN, 0)
    at = seen.linearized(net.parameters)
    for term in (SobolevTargets(np.full((M, N_OUT, N_IN), np.nan)), Monotone(np.zeros(N_IN))):
        value, gradient = term.value_and_gradient(seen, at, 1 / M, np.arange(M))
        assert value == 0
        assert not gradient.any()


# --- through cr.train -------------------------------------------------------------------------------------------------
def slopes(net, X):
    return derivatives.input_gradient(net, X)


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_on_derivatives_brings_them_near(backend):
    X = np.linspace(-2, 2, 16)[:, np.newaxis]
    T = 2 * np.cos(2 * X)
    T[3] = np.nan
    found = {}
    for weight in (0.0, 1.0):
        net = cr.Network([1, 12, 1], ["tanh", "identity"], dtype="float64", seed=1, backend=backend)
        cr.train(
            net, X, np.sin(2 * X), epochs=400, batch_size=None, learning_rate=0.02, verbose=0,
            derivative_targets=T, derivative_weight=weight,
        )  # fmt: skip
        found[weight] = float(np.abs(slopes(net, X) - 2 * np.cos(2 * X)).mean())
    assert found[1.0] < 0.3 * found[0.0]


def test_training_with_monotone_columns_and_a_flat_cost():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 2))
    y = X[:, 0] + 1.5 * np.sin(3 * X[:, 0]) + 0.1 * rng.standard_normal(40)
    settings = {"epochs": 200, "batch_size": None, "learning_rate": 0.05, "verbose": 0}
    nets = {}
    for name, options in {
        "plain": {}, "monotone": {"monotone": {0: 1}, "monotone_weight": 30}, "flat": {"input_gradient_penalty": 1.0},
    }.items():  # fmt: skip
        nets[name] = cr.Network([2, 10, 1], ["tanh", "identity"], dtype="float64", seed=1)
        cr.train(nets[name], X, y, **settings, **options)
    assert slopes(nets["plain"], X)[:, 0].min() < -1
    assert slopes(nets["monotone"], X)[:, 0].min() > -0.1  # a penalty, not a bound
    at_cost = {name: np.abs(derivatives.cost_input_gradient(net, X, y)).mean() for name, net in nets.items()}
    assert at_cost["flat"] < 0.8 * at_cost["plain"]


def test_rows_that_are_held_out_keep_their_targets_to_themselves(monkeypatch):
    """A split shuffles rows: each has its own targets all the same."""
    X = np.linspace(-1, 1, 20)[:, np.newaxis]
    T = 3 * X**2
    T[::2] *= -1  # rows whose targets contradict those of their neighbours, but for which no row is exchanged
    net = cr.Network([1, 4, 1], ["tanh", "identity"], dtype="float64", seed=1)
    seen = []

    class Recorded(SobolevTargets):
        def value_and_gradient(self, seen_batch, at, c, rows):
            seen.append((seen_batch.X.copy(), self.targets[rows].copy()))
            return super().value_and_gradient(seen_batch, at, c, rows)

    monkeypatch.setattr(input_terms, "SobolevTargets", Recorded)
    cr.train(net, X, X**3, epochs=1, batch_size=4, validation=0.3, derivative_targets=T, verbose=0)
    rows = np.concatenate([x for x, _ in seen])[:, 0]
    np.testing.assert_array_equal(np.concatenate([t for _, t in seen])[:, 0, 0], np.interp(rows, X[:, 0], T[:, 0]))
    assert len(np.unique(rows)) == 14


# --- bad input --------------------------------------------------------------------------------------------------------
BENT = cr.Activation("bent", value=np.sinh, derivative=np.cosh)
SOFT = cr.CoupledActivation("soft", **{name: getattr(activation("softmax"), name) for name in ("value", "vjp", "jvp")})
FOURTH = cr.Cost("fourth", value=lambda a, y: ((a - y) ** 4).sum(axis=1), derivative=lambda a, y: 4 * (a - y) ** 3)
INFINITE = np.zeros((M, N_OUT, N_IN))
INFINITE[2, 1, 0] = np.inf
LARGE = np.zeros((M, N_OUT, N_IN))
LARGE[2, 1, 0] = 1e200
SHAPE = "shape (6, 2, 3), the derivative of each output in each column for each row of X"
REFUSED = [
    ({"derivative_targets": np.zeros((M, N_IN))}, {}, InputError,
     f"derivative_targets: expected {SHAPE}, got shape (6, 3). NaN stands for an entry that nobody knows."),
    ({"derivative_targets": np.zeros((M, N_IN, N_OUT))}, {}, InputError,
     f"derivative_targets: expected {SHAPE}, got shape (6, 3, 2). NaN stands for an entry that nobody knows."),
    ({"derivative_targets": np.zeros((M, N_OUT, N_IN), dtype=complex)}, {}, InputError,
     "derivative_targets: expected real numbers, got dtype complex128. Split a complex number into two columns, real "
     "and imaginary part."),
    ({"derivative_targets": INFINITE}, {}, InputError,
     "derivative_targets[2, 1, 0]: expected a number finite in float64, or NaN, got inf. NaN stands for a missing entry."),
    ({"derivative_targets": LARGE}, {"dtype": "float32"}, InputError,
     "derivative_targets[2, 1, 0]: expected a number finite in float32, or NaN, got 1e+200. NaN stands for a missing "
     "entry."),
    ({"derivative_targets": np.full((M, N_OUT, N_IN), np.nan)}, {}, InputError,
     "derivative_targets: expected at least one number, got NaN everywhere. Leave derivative_targets out if no "
     "derivative is known."),
    ({"derivative_weight": 2}, {}, InputError,
     "derivative_weight: expected derivative_targets beside it, got 2 alone. It weighs the term of derivative_targets: "
     "give these, too."),
    ({"derivative_targets": wanted(), "derivative_weight": -1}, {}, InputError,
     "derivative_weight: expected a finite number ≥ 0, got -1. 0 leaves the term out."),
    ({"derivative_targets": wanted()}, {"hidden": BENT}, DerivativeError,
     "derivative_targets: activation bent of layer 1: expected a second_derivative, got none. Give cr.Activation(…, "
     "second_derivative=…), or leave derivative_targets out."),
    ({"monotone": {0: 1}}, {"output": SOFT}, DerivativeError,
     "monotone: activation soft of layer 3: expected a second_vjp, got none. Give cr.CoupledActivation(…, "
     "second_vjp=…), or leave monotone out."),
    ({"monotone": [1, 0, -1]}, {}, InputError,
     "monotone: expected columns and their signs, such as {3: 1}, got [1, 0, -1]. Write monotone={3: 1} for outputs "
     "that rise with column 3, {3: -1} for outputs that fall."),
    ({"monotone": {3: 1}}, {}, InputError,
     "monotone: expected a column of X, 0 to 2, got 3. Write monotone={3: 1} for outputs that rise with column 3, "
     "{3: -1} for outputs that fall."),
    ({"monotone": {"age": 1}}, {}, InputError,
     "monotone: expected a column of X, 0 to 2, got 'age'. Write monotone={3: 1} for outputs that rise with column 3, "
     "{3: -1} for outputs that fall."),
    ({"monotone": {1: 2}}, {}, InputError,
     "monotone[1]: expected 1 or -1, got 2. Write monotone={3: 1} for outputs that rise with column 3, {3: -1} for "
     "outputs that fall."),
    ({"monotone": {1: 1}}, {"output": "softmax", "cost": "cross_entropy"}, InputError,
     "monotone: expected outputs that can rise together, got softmax, whose outputs sum to 1. Two classes can be one "
     "logistic output."),
    ({"monotone_weight": 0.5}, {}, InputError,
     "monotone_weight: expected monotone beside it, got 0.5 alone. It weighs the term of monotone: give these, too."),
    ({"input_gradient_penalty": "much"}, {}, InputError,
     "input_gradient_penalty: expected a finite number ≥ 0, got 'much'. 0 leaves the term out."),
    ({"input_gradient_penalty": 0.1}, {"cost": FOURTH}, DerivativeError,
     "input_gradient_penalty: cost fourth: expected a hessian_product, got none. Give cr.Cost(…, hessian_product=…), "
     "or leave input_gradient_penalty out."),
    ({"input_gradient_penalty": 0.1}, {"output": BENT}, DerivativeError,
     "input_gradient_penalty: activation bent of layer 3: expected a second_derivative, got none. Give cr.Activation(…, "
     "second_derivative=…), or leave input_gradient_penalty out."),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "changes", "kind", "message"), REFUSED)
def test_bad_input_is_refused_before_anything_changes(arguments, changes, kind, message):
    net = network(**changes)
    before = net.parameters.copy()
    X, Y = np.zeros((M, N_IN)), np.full((M, N_OUT), 0.5)
    with pytest.raises(kind) as caught:
        cr.train(net, X, Y, epochs=1, verbose=0, **arguments)
    assert str(caught.value) == message
    np.testing.assert_array_equal(net.parameters, before)


def test_lbfgs_refuses_terms():
    net = network()
    with pytest.raises(InputError, match="derivative_targets: expected the default None under lbfgs"):
        cr.train(net, np.zeros((M, N_IN)), np.zeros((M, N_OUT)), optimizer="lbfgs", derivative_targets=wanted())


def test_what_is_read():
    net = cr.Network([N_IN, 2, 1], "tanh", dtype="float32")
    T = np.zeros((M, N_IN))
    sobolev, monotone, flat = read_input_terms(
        net, M, derivative_targets=T, derivative_weight=2, monotone={2: -1, 0: 1}, input_gradient_penalty=0.5
    )
    assert sobolev.targets.shape == (M, 1, N_IN)
    assert np.shares_memory(sobolev.targets, T)
    assert sobolev.weight == 2
    assert monotone.signs.tolist() == [1, 0, -1]
    assert flat.strength == 0.5
    assert read_input_terms(net, M, derivative_targets=T, derivative_weight=0, monotone={0: 1}, monotone_weight=0) == ()
