"""Which backend a network gets, and what is said where there is none."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr
from cases import HAS_NATIVE
from chainrule.engine import backend
from chainrule.errors import InputError, NativeError, NativeMissingWarning
from chainrule.maths import activations, costs

needs_core = pytest.mark.skipif(not HAS_NATIVE, reason="the compiled core is not built")

CUBE = cr.Activation("cube", lambda z: z**3, lambda z: 3 * z**2)
FOURTH = cr.Cost("fourth", lambda a, y: ((a - y) ** 4).sum(axis=1), lambda a, y: 4 * (a - y) ** 3)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    monkeypatch.delenv("CHAINRULE_BACKEND", raising=False)
    monkeypatch.delenv("CHAINRULE_REQUIRE_NATIVE", raising=False)


@pytest.fixture
def without_core(monkeypatch):
    monkeypatch.setattr(backend, "core_is_built", lambda: False)
    monkeypatch.setattr(backend, "_said_missing", False)


@pytest.fixture
def broken_core(monkeypatch):
    """The core is there, and the import system says that it does not load."""
    monkeypatch.setattr(backend, "core_is_built", lambda: True)
    monkeypatch.delitem(sys.modules, "chainrule.engine.native", raising=False)
    monkeypatch.delattr("chainrule._core", raising=False)
    monkeypatch.setitem(sys.modules, "chainrule._core", None)


@needs_core
def test_the_native_backend_is_the_default_and_both_can_be_named(monkeypatch):
    assert cr.Network([3, 2]).backend == "native"
    assert cr.Network([3, 2], backend="reference").backend == "reference"
    monkeypatch.setenv("CHAINRULE_BACKEND", "reference")
    assert cr.Network([3, 2]).backend == "reference"
    assert cr.Network([3, 2], backend="native").backend == "native"
    monkeypatch.setenv("CHAINRULE_BACKEND", "")
    assert cr.Network([3, 2]).backend == "native"


def test_an_unknown_name_is_refused_with_the_place_where_it_was_written(monkeypatch):
    with pytest.raises(InputError, match=r"^unknown backend: expected one of native, reference, got 'nativ'\. Did you"):
        cr.Network([3, 2], backend="nativ")
    monkeypatch.setenv("CHAINRULE_BACKEND", "gpu")
    with pytest.raises(
        InputError, match=r"^unknown backend in CHAINRULE_BACKEND: expected one of native, reference, got 'gpu'"
    ):
        cr.Network([3, 2])


@pytest.mark.parametrize(
    ("functions", "named"),
    [
        ({"activations": ["tanh", CUBE, "identity"]}, "activation cube of layer 2"),
        ({"activations": ["tanh", "tanh", "identity"], "cost": FOURTH}, "cost fourth"),
    ],
)
def test_functions_of_the_user_s_own_go_to_the_reference_and_are_refused_where_native_is_asked_for(
    functions, named, monkeypatch
):
    net = cr.Network([3, 4, 4, 2], **functions)
    assert net.backend == "reference"
    assert cr.train(net, np.eye(3), np.eye(3)[:, :2], epochs=2, verbose=0).epochs == 2
    with pytest.raises(InputError) as error:
        cr.Network([3, 4, 4, 2], **functions, backend="native")
    assert str(error.value) == (
        f"backend: native: expected activations and a cost that come with chainrule, got {named}, which is yours. "
        "Leave backend out: the reference backend computes with functions of your own."
    )
    monkeypatch.setenv("CHAINRULE_BACKEND", "native")
    with pytest.raises(InputError) as error:
        cr.Network([3, 4, 4, 2], **functions)
    assert str(error.value).startswith("backend in CHAINRULE_BACKEND: native: expected activations")
    assert "Unset CHAINRULE_BACKEND: the reference backend computes" in str(error.value)


def test_it_is_the_object_that_counts_and_not_its_name():
    assert activations.family(activations.activation("elu(0.5)")) == ("elu", 0.5)
    assert activations.family(activations.activation("sigmoid")) == ("logistic", None)
    assert activations.family(activations.make_elu(0.5)) is None  # of the same name, but not known by it
    assert costs.family(costs.cost("huber(2)")) == ("huber", 2.0)
    assert costs.family(FOURTH) is None


@needs_core
@pytest.mark.parametrize("name", [*activations.BUILT_IN, "leaky_relu(0.2)", "elu(2)"])
def test_the_core_knows_every_activation_of_maths(name):
    assert cr.Network([2, 3, 2], [name, "identity"], backend="native").predict([[0.5, -1.0]]).shape == (1, 2)


@needs_core
@pytest.mark.parametrize("name", [*costs.BUILT_IN, "huber(2)", "quantile(0.9)"])
def test_the_core_knows_every_cost_of_maths(name):
    cr.Network([2, 3, 2], ["tanh", "softmax"], name, backend="native").cost([[0.5, -1.0]], [1])


def test_without_a_core_networks_compute_by_the_reference_and_that_is_said_once(without_core):
    with pytest.warns(NativeMissingWarning) as caught:
        net = cr.Network([3, 2])
    assert net.backend == "reference"
    assert str(caught[0].message) == (
        "the compiled core: expected chainrule._core, which computes many times faster, got an installation without "
        "it. Reinstall chainrule on a machine with a C++ compiler; pip install -v says what is wrong. "
        "CHAINRULE_BACKEND=reference silences this."
    )
    assert caught[0].filename == __file__
    assert cr.Network([3, 2]).backend == "reference"


def test_without_a_core_nothing_is_said_to_those_who_chose_the_reference(without_core, monkeypatch):
    assert cr.Network([3, 2], backend="reference").backend == "reference"
    assert cr.Network([3, 2], CUBE).backend == "reference"
    monkeypatch.setenv("CHAINRULE_BACKEND", "reference")
    assert cr.Network([3, 2]).backend == "reference"


def test_without_a_core_it_can_be_required_and_asked_for_in_vain(without_core, monkeypatch):
    with pytest.raises(NativeError, match=r"^the compiled core: expected .* Leave backend out to compute by the ref"):
        cr.Network([3, 2], backend="native")
    monkeypatch.setenv("CHAINRULE_REQUIRE_NATIVE", "1")
    with pytest.raises(ImportError, match=r"CHAINRULE_REQUIRE_NATIVE makes this an error; unset it"):
        cr.Network([3, 2])
    monkeypatch.setenv("CHAINRULE_REQUIRE_NATIVE", "0")
    with pytest.warns(NativeMissingWarning):
        cr.Network([3, 2])


def test_a_core_that_does_not_load_is_an_error_with_its_cause_and_never_a_fallback(broken_core):
    for chosen in (None, "native"):
        with pytest.raises(NativeError) as error:
            cr.Network([3, 2], backend=chosen)
        assert isinstance(error.value.__cause__, ImportError)
        assert str(error.value) == (
            f"the compiled core: expected a module that loads, got {type(error.value.__cause__).__name__}: "
            f"{error.value.__cause__}. Reinstall chainrule for this Python and this machine, or set "
            "CHAINRULE_BACKEND=reference."
        )
    assert cr.Network([3, 2], backend="reference").backend == "reference"


@needs_core
def test_a_pickle_remembers_what_was_asked_for_and_not_what_was_there(without_core, monkeypatch):
    chosen, asked = pickle.dumps(cr.Network([3, 2], backend="reference")), None
    monkeypatch.undo()
    for variable in ("CHAINRULE_BACKEND", "CHAINRULE_REQUIRE_NATIVE"):
        monkeypatch.delenv(variable, raising=False)
    asked = pickle.dumps(cr.Network([3, 2], backend="native"))
    default = cr.Network([3, 2])
    pickled = pickle.dumps(default)
    assert [pickle.loads(one).backend for one in (chosen, asked, pickled)] == ["reference", "native", "native"]
    monkeypatch.setattr(backend, "core_is_built", lambda: False)
    monkeypatch.setattr(backend, "_said_missing", True)
    twin = pickle.loads(pickled)
    assert twin.backend == "reference"
    np.testing.assert_allclose(twin.predict(np.eye(3)), default.predict(np.eye(3)), rtol=1e-6)
    with pytest.raises(NativeError):
        pickle.loads(asked)
    assert copy.deepcopy(default).backend == default.copy().backend == "native"


@needs_core
def test_estimators_hand_backend_on():
    X, y = np.random.default_rng(0).standard_normal((30, 2)), np.arange(30) % 2
    for chosen, got in ((None, "native"), ("native", "native"), ("reference", "reference")):
        clf = cr.MLPClassifier(5, backend=chosen, max_iter=2, tol=0, solver="lbfgs")
        with pytest.warns(UserWarning, match="lbfgs failed to converge"):
            clf.fit(X, y)
        assert clf.network_.backend == got
        assert pickle.loads(pickle.dumps(clf)).network_.backend == got


def test_importing_chainrule_loads_no_core():
    script = "import sys, chainrule; chainrule.Network; print('chainrule._core' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
