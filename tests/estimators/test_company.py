"""In the company of scikit-learn's tools, and of pandas and polars: the answers that its own estimators give there."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, learning_curve
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import chainrule as cr
from problems import OURS, THEIRS, problem

CLOSE = {"rtol": 1e-6, "atol": 1e-6}  # as the coefficients
SMALL = {"hidden_layer_sizes": 8, "solver": "lbfgs", "max_iter": 15, "random_state": 1}

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)  # 15 iterations are enough here


def _estimators(kind):
    return THEIRS[kind](**SMALL), OURS[kind](**SMALL)


def _same(compute, kind):
    """Compare what `compute` makes of scikit-learn's estimator and of chainrule's."""
    theirs, ours = (compute(estimator) for estimator in _estimators(kind))
    np.testing.assert_allclose(ours, theirs, **CLOSE)


def _frame(module, name="breast_cancer", columns=6):
    _, X, y = problem(name)
    names = [f"feature {j}" for j in range(columns)]
    return module.DataFrame({name: X[:, j] for j, name in enumerate(names)}), y


def test_pipeline_and_cross_val_predict():
    _, X, y = problem("breast_cancer")
    _same(
        lambda e: cross_val_predict(make_pipeline(StandardScaler(), e), X, y, cv=3, method="predict_proba"),
        "classifier",
    )
    _, X, y = problem("diabetes")
    _same(lambda e: cross_val_predict(make_pipeline(StandardScaler(), e), X, y, cv=3), "regressor")


def test_grid_search_finds_the_same_settings():
    _, X, y = problem("breast_cancer")
    grid = {"alpha": [1e-4, 10.0], "hidden_layer_sizes": [(3,), (8, 4)], "activation": ["tanh", "relu"]}
    theirs, ours = (GridSearchCV(e, grid, cv=3).fit(X, y) for e in _estimators("classifier"))
    assert ours.best_params_ == theirs.best_params_
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_grid_search_in_two_processes_over_what_scikit_learn_has_not():
    _, X, y = problem("breast_cancer")
    ours = OURS["classifier"](**SMALL)
    grid = {"activation": ["gelu", ["leaky_relu(0.2)"]], "class_weight": [None, "balanced"]}
    found = GridSearchCV(ours, grid, cv=3, n_jobs=2).fit(X, y)
    assert found.best_score_ > 0.95


def test_calibration_voting_stacking_bagging():
    _, X, y = problem("breast_cancer")
    _same(lambda e: CalibratedClassifierCV(e, cv=3).fit(X, y).predict_proba(X), "classifier")
    _same(
        lambda e: (
            VotingClassifier([("mlp", e), ("line", LogisticRegression())], voting="soft").fit(X, y).predict_proba(X)
        ),
        "classifier",
    )
    _, X, y = problem("diabetes")
    _same(lambda e: VotingRegressor([("mlp", e), ("line", LinearRegression())]).fit(X, y).predict(X), "regressor")
    _same(lambda e: StackingRegressor([("mlp", e)], cv=3).fit(X, y).predict(X), "regressor")
    _same(lambda e: BaggingRegressor(e, n_estimators=3, random_state=0).fit(X, y).predict(X), "regressor")
    _same(
        lambda e: TransformedTargetRegressor(e, func=np.cbrt, inverse_func=lambda z: z**3).fit(X, y).predict(X),
        "regressor",
    )
    _, X, y = problem("linnerud")
    _same(lambda e: MultiOutputRegressor(e).fit(X, y).predict(X), "regressor")


def test_permutation_importance_learning_curve_partial_dependence():
    _, X, y = problem("diabetes")
    _same(lambda e: permutation_importance(e.fit(X, y), X, y, random_state=0).importances, "regressor")
    _same(lambda e: learning_curve(e, X, y, cv=3, train_sizes=[0.5, 1.0])[2], "regressor")
    _same(lambda e: partial_dependence(e.fit(X, y), X, [2])["average"], "regressor")
    _same(lambda e: cross_val_score(e, X, y, scoring="neg_mean_absolute_error", cv=3), "regressor")


@pytest.mark.parametrize("module", [pd, pl], ids=["pandas", "polars"])
def test_frames_give_names_and_the_numbers_of_arrays(module):
    frame, y = _frame(module)
    theirs, ours = _estimators("classifier")
    theirs.fit(frame, y)
    ours.fit(frame, y)
    assert ours.feature_names_in_.tolist() == theirs.feature_names_in_.tolist() == [f"feature {j}" for j in range(6)]
    np.testing.assert_allclose(ours.predict_proba(frame), theirs.predict_proba(frame), **CLOSE)
    unnamed = _estimators("classifier")[1].fit(frame.to_numpy(), y)
    np.testing.assert_allclose(ours.input_gradient(frame), unnamed.input_gradient(frame.to_numpy()))
    reg = _estimators("regressor")[1].fit(frame, frame.to_numpy()[:, :2])
    np.testing.assert_array_equal(reg.jacobian(frame), cr.derivatives.jacobian(reg.network_, frame.to_numpy()))
    turned = frame[list(reversed(list(frame.columns)))]
    with pytest.raises(ValueError, match="Feature names must be in the same order as they were in fit"):
        ours.predict(turned)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_under_set_output(output):
    frame, y = _frame(pd if output == "pandas" else pl)
    theirs, ours = (
        make_pipeline(StandardScaler(), e).set_output(transform=output).fit(frame, y) for e in _estimators("classifier")
    )
    assert ours[-1].feature_names_in_.tolist() == theirs[-1].feature_names_in_.tolist()
    np.testing.assert_allclose(ours.predict_proba(frame), theirs.predict_proba(frame), **CLOSE)
    with sklearn.config_context(transform_output=output):
        again = make_pipeline(StandardScaler(), clone(ours[-1])).fit(frame, y)
        np.testing.assert_allclose(again.predict_proba(frame), ours.predict_proba(frame))


def test_mixed_columns_behind_a_column_transformer():
    _, X, _ = problem("diabetes")
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": np.where(X[:, 2] > 0, "high", "low")})
    target = X[:, 3]

    def predicted(estimator):
        columns = ColumnTransformer([("numbers", StandardScaler(), ["a", "b"]), ("text", OneHotEncoder(), ["c"])])
        return make_pipeline(columns, estimator).fit(frame, target).predict(frame)

    _same(predicted, "regressor")


def test_series_and_column_targets():
    frame, y = _frame(pd)
    ours = OURS["classifier"](**SMALL).fit(frame, pd.Series(y, name="diagnosis"))
    assert ours.classes_.tolist() == ["benign", "malignant"]
    with pytest.warns(sklearn.exceptions.DataConversionWarning, match="A column-vector y was passed"):
        OURS["classifier"](**SMALL).fit(frame, np.asarray(y).reshape(-1, 1))


def test_metadata_routing_hands_sample_weights_on():
    _, X, y = problem("breast_cancer")
    weights = np.random.default_rng(0).gamma(2.0, size=len(y))
    with sklearn.config_context(enable_metadata_routing=True):

        def scores(estimator):
            weighted = estimator.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            return cross_val_score(weighted, X, y, cv=3, params={"sample_weight": weights})

        _same(scores, "classifier")
