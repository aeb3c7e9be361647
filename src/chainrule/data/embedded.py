"""The small data sets that scikit-learn carries with it."""

from __future__ import annotations

import numpy as np

from chainrule.data.labelled import LabelledData

NAMES = ("breast_cancer", "diabetes", "digits", "iris", "wine")


def load(name: str) -> LabelledData:
    """Load one of NAMES; nothing is downloaded."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    return LabelledData(
        name=name,
        X=np.asarray(bunch.data),
        labels=np.asarray(bunch.target),
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
        class_names=tuple(str(c) for c in bunch.target_names) if "target_names" in bunch else (),
    )
