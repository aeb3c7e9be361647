"""E11 through a whole pipeline: derivatives of its predictions in its own columns, against differences of them."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

import chainrule as cr
from cases import BACKENDS
from chainrule.cli import main
from chainrule.derivatives.inputs import least_memory_of_jacobian
from problems import OURS, THEIRS, problem

SMALL = {"hidden_layer_sizes": 5, "activation": "tanh", "solver": "lbfgs", "tol": 1e9, "random_state": 1}
UNITS = np.array([2.0, 0.5, 3.0, 1.0, 7.0, 0.1, 1.5, 4.0, 0.8, 2.5])


def table(name="diabetes"):
    """The kind of a problem, its X in ten different units, and y."""
    kind, X, y = problem(name)
    return kind, X[:, :10] * UNITS + 0.3 * UNITS, y


def network(kind="regressor", **settings):
    return OURS[kind](**SMALL | settings)


def differences(predict, X, units=UNITS):
    """Central differences of `predict` in each column, (m, outputs, n), with steps of 1e-5 of its unit."""
    found = []
    for j, unit in enumerate(units):
        shift = np.zeros(len(units))
        shift[j] = 1e-5 * unit
        change = predict(X + shift) - predict(X - shift)
        found.append(change.reshape(len(X), -1) / (2e-5 * unit))
    return np.stack(found, axis=2)


# in units of the columns, third derivatives are about 1: (1e-5)² of them and rounding, 1e-16/1e-5, are below 1e-9
CLOSE = {"rtol": 0, "atol": 1e-9}


def assert_differences(model, X, predict=None, units=UNITS, **tolerance):
    expected = differences(predict or model.predict, X, units)
    got = cr.pipeline_jacobian(model, X)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got * units, expected * units, **CLOSE | tolerance)
    assert np.abs(expected).max() > 1e-3  # it is not 0 alone that is compared
    return got


MASK = np.arange(10) == 8
STEPS = {
    "standard": [StandardScaler()],
    "standard, without mean": [StandardScaler(with_mean=False)],
    "standard, without scale": [StandardScaler(with_std=False)],
    "minmax": [MinMaxScaler((-1, 2))],
    "maxabs": [MaxAbsScaler()],
    "robust": [RobustScaler(quantile_range=(10, 90), unit_variance=True)],
    "robust, without scale": [RobustScaler(with_scaling=False), "passthrough"],
    "PCA": [StandardScaler(), PCA(4)],
    "PCA, whitened": [PCA(4, whiten=True), None, MinMaxScaler()],
    "columns": [
        ColumnTransformer(
            [
                ("some", StandardScaler(), [0, 2, 5]),
                ("turned", make_pipeline(RobustScaler(), PCA(2)), slice(3, 7)),  # 5 a second time
                ("one", "passthrough", MASK),
                ("none", "drop", [9]),
                ("empty", StandardScaler(), []),
                ("twice", MaxAbsScaler(), [-1, 2, 2]),
                ("called", MinMaxScaler(), lambda X: [X.shape[1] - 1]),
            ],
            transformer_weights={"some": 2.5, "one": 0.5},
            remainder=StandardScaler(),
        )
    ],
    "columns in columns": [
        make_pipeline(
            StandardScaler(),
            ColumnTransformer(
                [("inner", ColumnTransformer([("a", RobustScaler(), [1]), ("b", "drop", [0])]), [2, 3])],
                remainder="passthrough",
            ),
        ),
        PCA(3),
    ],
    "all dropped but one": [ColumnTransformer([("a", "passthrough", [1])])],
}


@pytest.mark.parametrize("name", STEPS)
def test_E11_through_the_steps(name):
    _, X, y = table()
    model = make_pipeline(*STEPS[name], network()).fit(X, y)
    assert_differences(model, X[:6])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("data", ["breast_cancer", "digits", "multilabel", "linnerud"])
def test_E11_of_each_class_and_each_target(data, backend):
    kind, X, y = problem(data)
    chosen = X.std(axis=0).argsort()[-3:]  # three columns, each in a unit of its own
    X = X[:, chosen] * UNITS[:3]
    model = make_pipeline(StandardScaler(), network(kind, backend=backend)).fit(X, y)
    predict = model.predict if kind == "regressor" else model.predict_proba
    got = assert_differences(model, X[:5], predict, UNITS[:3])
    assert got.shape == (5, {"breast_cancer": 2, "digits": 10, "multilabel": 4, "linnerud": 3}[data], 3)
    if kind == "classifier" and data != "multilabel":
        np.testing.assert_allclose(got.sum(axis=1), 0, atol=1e-14)  # as probabilities have the sum 1
    label = model.classes_[1] if kind == "classifier" else 1
    by_hand = model[-1].input_gradient(model[:-1].transform(X[:5]), label) / model[0].scale_
    np.testing.assert_allclose(got[:, 1], by_hand, rtol=1e-12, atol=1e-15)  # the same sums, divided


def test_E11_of_probabilities_that_are_shares_of_outputs():
    _, X, y = problem("digits")
    rows = X[:4, 20:23]
    model = network("classifier", activation=["tanh", "logistic"]).fit(X[:, 20:23], y)
    assert_differences(model, rows, model.predict_proba, np.ones(3))
    model.intercepts_[-1][...] = -1e4  # all outputs are 0, and shares are equal and stay so
    assert not cr.pipeline_jacobian(model, rows).any()


@pytest.mark.parametrize("data", ["breast_cancer", "linnerud"])
def test_before_the_output_activation(data):
    kind, X, y = problem(data)
    model = make_pipeline(StandardScaler(), network(kind)).fit(X, y)
    got = cr.pipeline_jacobian(model, X[:4], of="z")
    z = cr.derivatives.jacobian(model[-1].network_, model[0].transform(X[:4]), of="z")
    np.testing.assert_allclose(got, z / model[0].scale_, rtol=1e-15)  # it is multiplied by 1/scale
    assert got.shape[1] == (1 if kind == "classifier" else 3)


@pytest.mark.parametrize("transformer", [None, StandardScaler(), MinMaxScaler((-1, 1)), MaxAbsScaler(), RobustScaler()])
def test_targets_in_their_own_units(transformer):
    kind, X, y = problem("linnerud")
    Y = y * [10, 3, 0.5] + [100, 40, 60]
    for outside in (False, True):
        inner = make_pipeline(StandardScaler(), network(kind)) if outside else network(kind)
        whole = TransformedTargetRegressor(inner, transformer=transformer)
        model = (whole if outside else make_pipeline(StandardScaler(), whole)).fit(X, Y)
        # rounding of predictions of about 100, 1e-14/1e-5
        assert_differences(model, X[:5], units=np.ones(3), atol=1e-8)
    one = TransformedTargetRegressor(network(kind), transformer=transformer).fit(X, Y[:, 0])
    assert_differences(one, X[:5], units=np.ones(3), atol=1e-8)
    assert cr.pipeline_jacobian(one, X[:5]).shape == (5, 1, 3)
    np.testing.assert_array_equal(
        cr.pipeline_jacobian(one, X[:5], of="z"), cr.derivatives.jacobian(one.regressor_.network_, X[:5], of="z")
    )


def test_scikit_learn_s_own_perceptrons():
    for name in ("breast_cancer", "diabetes"):
        kind, X, y = table(name)
        model = make_pipeline(MinMaxScaler(), THEIRS[kind](**SMALL)).fit(X, y)
        assert_differences(model, X[:4], model.predict if kind == "regressor" else model.predict_proba)


# --- kinks and missing values ---------------------------------------------------------------------------------------------
SCALERS = [MinMaxScaler((1, 3), clip=True), MaxAbsScaler()]
if "clip" in MaxAbsScaler().get_params():  # from scikit-learn 1.8 on
    SCALERS.append(MaxAbsScaler(clip=True))


@pytest.mark.parametrize("scaler", SCALERS)
def test_where_a_scaler_clips_the_derivative_is_0(scaler):
    X = np.array([[-2.0, 1.0, 4.0], [2.0, -3.0, 4.0], [0.0, 2.0, 4.0]])
    model = make_pipeline(scaler, network(activation="identity")).fit(X, X[:, 0])
    slopes = cr.pipeline_jacobian(model, X)
    assert slopes.all()  # the rows of training are not clipped, though most of them are bounds
    np.testing.assert_allclose(slopes, slopes[[0, 0, 0]], rtol=1e-14)  # a linear model has one for all
    beyond = np.array([[5.0, 1.5, 3.5], [-1.0, 9.0, 9.0], [1.0, 1.0, -9.0]])
    np.testing.assert_allclose(
        cr.pipeline_jacobian(model, beyond), differences(model.predict, beyond, np.ones(3)), **CLOSE
    )


def test_missing_values_that_are_imputed_have_the_derivative_0():
    _, X, y = table()
    X = X[:100].copy()
    X[::3, 1] = X[1::3, 4] = np.nan
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    model = make_pipeline(MaxAbsScaler(), imputer, StandardScaler(), network()).fit(X, y[:100])
    got = assert_differences(model, X[:6])
    np.testing.assert_array_equal(got[:, 0] == 0, np.isnan(X[:6]))
    marked = np.where(np.isnan(X), -99.0, X)
    results = [
        cr.pipeline_jacobian(make_pipeline(SimpleImputer(missing_values=value), network()).fit(rows, y[:100]), rows)
        for value, rows in ((np.nan, X), (-99.0, marked))
    ]
    np.testing.assert_array_equal(*results)


def test_columns_that_an_imputer_leaves_out_have_the_derivative_0():
    _, X, y = table()
    X = np.where(np.arange(10) == 6, np.nan, X[:50])
    said = "Skipping features without any observed values"
    with pytest.warns(UserWarning, match=said):
        model = make_pipeline(SimpleImputer(), network()).fit(X, y[:50])
    with pytest.warns(UserWarning, match=said):
        got = cr.pipeline_jacobian(model, X[:3])
    np.testing.assert_array_equal(np.delete(got, 6, axis=2), model[-1].jacobian(np.delete(X[:3], 6, axis=1)))
    assert not got[:, :, 6].any()


# --- tables ---------------------------------------------------------------------------------------------------------------
def frame(m=60):
    """A table of two numbers and two categories, and a target."""
    rng = np.random.default_rng(0)
    columns = {
        "age": rng.uniform(20, 70, m).round(1),
        "colour": rng.choice(["red", "green", "blue"], m),
        "height": rng.normal(1.7, 0.1, m).round(3),
        "plan": rng.choice(["a", "b"], m),
    }
    return pd.DataFrame(columns), columns["age"] / 10 - 20 * columns["height"] + (columns["plan"] == "a")


def mixed(**settings):
    parts = [("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["height", "age"])]
    parts.append(("categories", OneHotEncoder(), ["plan", "colour"]))
    return make_pipeline(ColumnTransformer(parts, **settings), PCA(5), network())


@pytest.mark.parametrize("sparse_threshold", [0.0, 1.0])
def test_columns_without_derivatives_are_nan_where_that_is_asked_for(sparse_threshold):
    X, y = frame()
    model = mixed(sparse_threshold=sparse_threshold).fit(X, y)
    got = cr.pipeline_jacobian(model, X[:5], undefined="nan")
    assert np.isnan(got[:, :, [1, 3]]).all()
    for j, name in ((0, "age"), (2, "height")):
        step = 1e-5 * X[name].std()
        change = model.predict(X[:5].assign(**{name: X[name] + step})) - model.predict(
            X[:5].assign(**{name: X[name] - step})
        )
        np.testing.assert_allclose(
            got[:, 0, j], change / (2 * step), rtol=1e-7
        )  # truncation is (1e-5)², rounding 1e-16/1e-5


def test_a_column_with_and_without_a_derivative_has_none():
    _, X, y = table()
    parts = [("number", StandardScaler(), [0, 2]), ("bins", KBinsDiscretizer(3, strategy="uniform"), [2, 3])]
    model = make_pipeline(ColumnTransformer(parts), network()).fit(X, y)
    got = cr.pipeline_jacobian(model, X[:3], undefined="nan")[:, 0]
    np.testing.assert_array_equal(np.isnan(got), [[j in (2, 3) for j in range(10)]] * 3)
    assert got[:, 0].all()
    assert not got[:, [1, *range(4, 10)]].any()


def test_numbers_and_texts_in_one_list():
    X, y = frame()
    rows = X.to_numpy(dtype=object)
    parts = [("numbers", StandardScaler(), [0, 2]), ("categories", OneHotEncoder(), [1, 3])]
    model = make_pipeline(ColumnTransformer(parts), network()).fit(rows, y)
    expected = cr.pipeline_jacobian(model, rows, undefined="nan")
    np.testing.assert_array_equal(cr.pipeline_jacobian(model, rows.tolist(), undefined="nan"), expected)


def test_columns_are_those_of_the_frame_in_its_order():
    X, y = frame()
    kept = ColumnTransformer(
        [("scaled", StandardScaler(), ["height"]), ("none", "drop", ["colour"])], remainder="passthrough"
    )
    X = X.assign(plan=(X.plan == "a") * 1.0)
    model = make_pipeline(kept, network()).fit(X, y)
    usual = cr.pipeline_jacobian(model, X)
    turned = X[["plan", "height", "age"]].assign(more=1.0)
    np.testing.assert_array_equal(cr.pipeline_jacobian(model, turned)[:, :, :3], usual[:, :, [3, 2, 0]])
    assert not cr.pipeline_jacobian(model, turned)[:, :, 3].any()
    np.testing.assert_array_equal(cr.pipeline_jacobian(model, pl.DataFrame(X.to_dict("list"))), usual)
    one = make_pipeline(StandardScaler(), network()).set_output(transform="pandas").fit(X[["age", "height"]], y)
    array = make_pipeline(StandardScaler(), network()).fit(X[["age", "height"]].to_numpy(), y)
    np.testing.assert_array_equal(
        cr.pipeline_jacobian(one, X[["age", "height"]]), cr.pipeline_jacobian(array, X[["age", "height"]].to_numpy())
    )


@pytest.mark.parametrize("kind", [list, scipy.sparse.csr_array, scipy.sparse.coo_array, np.float32])
def test_rows_of_every_kind(kind):
    _, X, y = table()
    X = np.where(X > 2, X, 0)[:50]
    scaler, given = (
        StandardScaler(with_mean=False),
        X.tolist() if kind is list else X.astype(np.float32) if kind is np.float32 else kind(X),
    )
    model = make_pipeline(scaler, network()).fit(X, y[:50])
    same = {"rtol": 1e-5, "atol": 1e-6} if kind is np.float32 else {"rtol": 1e-12}  # that of the rows
    np.testing.assert_allclose(cr.pipeline_jacobian(model, given), cr.pipeline_jacobian(model, X), **same)
    alone = network().fit(X, y[:50])
    np.testing.assert_allclose(cr.pipeline_jacobian(alone, given), alone.jacobian(X), **same)


# --- what chainrule train saves -------------------------------------------------------------------------------------------
def exact(model):
    """The same model with a network of float64, whose differences are worth something."""
    net = model.net
    wide = cr.Network(net.sizes, list(net.activations), net.cost_function, dtype="float64")
    wide.parameters = net.parameters
    return replace(model, net=wide)


def trained(monkeypatch, tmp_path, X, y, *options):
    """Write a table, train on it from the command line, and read the model."""
    monkeypatch.chdir(tmp_path)
    X.assign(target=y).to_csv("t.csv", index=False)
    arguments = [
        "train",
        "t.csv",
        "--target",
        "target",
        "--epochs",
        "3",
        "--hidden",
        "4",
        "--out",
        "m.chainrule",
        *options,
    ]
    monkeypatch.setattr("sys.argv", ["chainrule", *arguments])
    with pytest.raises(SystemExit):
        main()
    return cr.load_pipeline("m.chainrule")


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("regression", []),
        ("classification", []),
        ("classification", ["--output", "logistic", "--cost", "binary_cross_entropy"]),  # divided by their sum
        ("classification", ["--output", "identity", "--cost", "squared_error"]),  # no probabilities
    ],
)
def test_a_loaded_model_of_a_table(monkeypatch, tmp_path, task, options):
    X, y = frame()
    X.loc[::7, "age"] = np.nan
    X.loc[1::9, "colour"] = None
    labels = y if task == "regression" else np.where(y > np.median(y), "high", "low")
    model = trained(monkeypatch, tmp_path, X, labels, *options)
    assert model.task == task
    assert model.feature_names == ("age", "colour", "height", "plan")
    single = cr.pipeline_jacobian(model, X[:9])
    wide = exact(model)
    got = cr.pipeline_jacobian(wide, X[:9])
    assert got.shape == (9, 1 if task == "regression" else 2, 4)
    np.testing.assert_allclose(single, got, rtol=1e-3, atol=1e-5)  # float32
    predict = wide.predict if task == "regression" else wide.probabilities if wide.has_probabilities else wide.outputs
    assert wide.has_probabilities == (task == "classification" and "identity" not in options)
    assert np.isnan(got[:, :, [1, 3]]).all()
    for j, name in ((0, "age"), (2, "height")):
        step = 1e-5 * X[name].std()
        change = predict(X[:9].assign(**{name: X[name] + step})) - predict(X[:9].assign(**{name: X[name] - step}))
        expected = change.reshape(9, -1) / (2 * step)
        # truncation is (1e-5)², rounding 1e-16/1e-5 of numbers of about 30
        np.testing.assert_allclose(
            got[:, :, j] * X[name].std(), np.where(np.isnan(X[[name]][:9]), 0, expected) * X[name].std(), atol=1e-8
        )
    assert (got[[0, 7], :, 0] == 0).all()
    turned = X[["plan", "height", "colour", "age"]]
    np.testing.assert_array_equal(cr.pipeline_jacobian(wide, turned[:9]), got)


def test_a_loaded_model_of_arrays(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    _, X, y = problem("linnerud")
    X = X * [10, 3, 0.5]
    np.savez("t.npz", X=X, y=y * [10, 3, 0.5])
    monkeypatch.setattr(
        "sys.argv", ["chainrule", "train", "t.npz", "--epochs", "3", "--hidden", "4", "--out", "m.chainrule"]
    )
    with pytest.raises(SystemExit):
        main()
    model = exact(cr.load_pipeline("m.chainrule"))
    assert_differences(model, X[:4], units=X.std(axis=0))
    np.testing.assert_array_equal(
        cr.pipeline_jacobian(model, X[:4], of="z"),
        cr.derivatives.jacobian(model.net, model.transform(X[:4]), of="z") / model.inputs.scale,
    )


def test_what_training_had_not_seen_is_warned_of_where_the_call_is(monkeypatch, tmp_path):
    X, y = frame()
    model = trained(monkeypatch, tmp_path, X, y)
    with pytest.warns(UserWarning, match="column 'age': 1 missing value, taken as the mean") as caught:
        cr.pipeline_jacobian(model, X[:2].assign(age=[np.nan, 30.0]))
    assert [warning.filename for warning in caught] == [__file__]


# --- memory ---------------------------------------------------------------------------------------------------------------
def test_workspace_stays_within_max_memory():
    _, X, y = problem("digits")
    model = make_pipeline(StandardScaler(), PCA(20), network("classifier")).fit(X, y)
    whole = cr.pipeline_jacobian(model, X)
    tracemalloc.start()
    got = cr.pipeline_jacobian(model, X, max_memory=2**20)
    peak = tracemalloc.get_traced_memory()[1] - got.nbytes
    tracemalloc.stop()
    assert got.nbytes == 600 * 10 * 64 * 8
    assert peak < 2**20
    np.testing.assert_allclose(got, whole, rtol=1e-12, atol=1e-14)  # products of other sizes add in another order


# --- errors ---------------------------------------------------------------------------------------------------------------
KINDS = "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, PCA, SimpleImputer, Pipeline, ColumnTransformer"
OUT = "Take it out of the pipeline, and give X as it leaves it."


def refused(message, model, X, error=cr.InputError, **settings):
    with pytest.raises(error) as caught:
        cr.pipeline_jacobian(model, X, **settings)
    assert str(caught.value).startswith(message)


def test_a_step_without_a_derivative_is_named():
    X, y = frame()
    refused(
        "step 'columntransformer__categories' of columns 'plan', 'colour' has no derivative: expected one of "
        f'{KINDS}, "passthrough", got OneHotEncoder. {OUT} For NaN in these columns write undefined="nan".',
        mixed().fit(X, y),
        X,
    )
    _, X, y = table()
    model = Pipeline([("power", PowerTransformer()), ("net", network())]).fit(X, y)
    for settings in ({}, {"undefined": "nan"}):
        message = (
            f"""step 'power' has no derivative: expected one of {KINDS}, "passthrough", got PowerTransformer. {OUT}"""
        )
        refused(message, model, X, **settings)

    class MyScaler(StandardScaler):
        def transform(self, X):
            return super().transform(X) ** 3

    inner = make_pipeline(MinMaxScaler(), MyScaler())
    model = make_pipeline(
        make_pipeline(ColumnTransformer([("cubes", inner, list(range(10))), ("more", PCA(1), [1])])), network()
    )
    refused("step 'pipeline__columntransformer__cubes__myscaler' of columns 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 has no derivative: exp",
            model.fit(X, y), X)  # fmt: skip
    one = make_pipeline(ColumnTransformer([("rooted", FunctionTransformer(np.cbrt), [3])]), network())
    refused("step 'columntransformer__rooted' of column 3 has no derivative: expected one", one.fit(X, y), X)


def test_another_model_at_the_end():
    _, X, y = table()
    expected = "pipeline: expected a fitted Pipeline that ends with an MLPClassifier or MLPRegressor, or what cr.load_pipeline gives, got "
    hint = ". Of a search give best_estimator_; of a Network cr.derivatives.jacobian(net, X) gives the derivatives."
    refused(f"{expected}PCA{hint}", make_pipeline(StandardScaler(), PCA(2)).fit(X), X)
    refused(f"{expected}Network{hint}", cr.Network([10, 1]), X)
    refused(f"{expected}GridSearchCV{hint}", GridSearchCV(network(), {}), X)
    refused(f"{expected}str{hint}", Pipeline([("last", "passthrough")]), X)


@pytest.mark.parametrize(
    ("transformer", "got"),
    [
        ({"transformer": PowerTransformer()}, "PowerTransformer"),
        ({"func": np.log, "inverse_func": np.exp}, "the function exp"),
    ],
)
def test_another_transformer_of_the_target(transformer, got):
    _, X, y = table()
    model = TransformedTargetRegressor(network(), **transformer).fit(X, y + 10)
    refused(
        "transformer of TransformedTargetRegressor: expected one of StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, "
        f'got {got}. Scale the target by one of these, or give the network an output activation: activation=["tanh", "exp"].',
        model,
        X,
    )


def test_what_is_not_fitted():
    _, X, y = table()
    for model, name in (
        (make_pipeline(StandardScaler(), network()), "MLPRegressor"),
        (make_pipeline(StandardScaler(), network().fit(X, y)), "StandardScaler"),
        (TransformedTargetRegressor(network()), "TransformedTargetRegressor"),
        (THEIRS["regressor"](), "MLPRegressor"),
    ):
        refused(f"This {name} instance is not fitted yet", model, X, NotFittedError)


def test_rows_that_do_not_fit():
    _, X, y = table()
    model = make_pipeline(StandardScaler(), network()).fit(X, y)
    refused("X has 9 features, but StandardScaler is expecting 10 features", model, X[:, :9], ValueError)
    refused("X has 9 features, but MLPRegressor is expecting 10 features", model[-1], X[:, :9], ValueError)
    refused(
        "X: expected shape (m, n_features), got shape (10,). One example is X[i:i + 1], one column X[:, [j]].",
        model,
        X[0],
    )
    refused("Found array with 0 sample(s)", model, X[:0], ValueError)
    refused("could not convert string to float: 'old'", model, [["old"] * 10], ValueError)
    refused("Input X contains NaN", model, np.where(X > 3, np.nan, X), ValueError)


def test_settings():
    _, X, y = table()
    model = make_pipeline(StandardScaler(), network()).fit(X, y)
    refused("unknown of: expected one of a, z, got 'b'.", model, X, of="b")
    refused("unknown undefined: expected one of nan, raise, got 'skip'.", model, X, undefined="skip")
    least = max(7296, 2 * least_memory_of_jacobian(model[-1].network_))
    for given in (100, 0.5, -1, least - 1):
        refused(f"max_memory: expected a whole number of bytes, at least {least:,}, which one example takes here, got {given}. Make "
                "it larger, or leave it out.", model, X, max_memory=given)  # fmt: skip
    by_rows, at_once = cr.pipeline_jacobian(model, X[:3], max_memory=least), cr.pipeline_jacobian(model, X[:3])
    # BLAS adds up one row and three in different orders: roundings of terms of 1, in entries that cancel, too
    np.testing.assert_allclose(by_rows, at_once, rtol=1e-12, atol=1e-15)
