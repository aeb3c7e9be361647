"""Data sets of the plane: by name, the same each time, what their docstrings say."""

import numpy as np
import pytest

from chainrule.data import plane
from chainrule.data.labelled import choose_task
from chainrule.data.readers import NAMES, read


@pytest.mark.parametrize("name", plane.NAMES)
def test_each_has_two_columns_and_two_classes_of_equal_size(name):
    data = read(name)
    assert data.X.shape == (400, 2)
    assert data.feature_names == ("x1", "x2")
    assert np.bincount(data.labels).tolist() == [200, 200]
    assert choose_task(data, None)[0] == "classification"
    assert np.abs(data.X).max() < 2  # a network's inputs as they are


@pytest.mark.parametrize("name", plane.NAMES)
def test_each_is_the_same_every_time(name):
    np.testing.assert_array_equal(read(name).X, read(name).X)
    assert read(name).fingerprint() == read(name).fingerprint()


def test_no_line_parts_the_classes():
    from sklearn.linear_model import LogisticRegression

    for name in plane.NAMES:
        data = read(name)
        assert LogisticRegression().fit(data.X, data.labels).score(data.X, data.labels) < 0.95, name


def test_they_stand_beside_the_embedded_names():
    assert NAMES == ("breast_cancer", "diabetes", "digits", "iris", "wine", "moons", "circles", "spiral", "xor")
