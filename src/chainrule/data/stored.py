"""Preprocessing in a model file: what a header and arrays say, checked before anything is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.columns import Column, LeftOut, Schema
from chainrule.data.encoding import Encoding
from chainrule.data.scaling import Scaling
from chainrule.errors import InputError, ModelFileError, text

_HINT = "The file is damaged, or was written by a program other than chainrule."
_ROUNDING = 1e-6
"""By how much a sum of shares may miss 1: far more than rounding does, in float32 too, and far less than a share."""


def describe(parts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Give header and arrays of all of a Pipeline but its network, whose `parts` are its fields by name."""
    schema, inputs, targets, baseline = (parts[name] for name in ("schema", "inputs", "targets", "baseline"))
    pipeline = {
        "task": parts["task"],
        "classes": parts["classes"].tolist(),
        "class_names": list(parts["class_names"]),
        "feature_names": list(parts["feature_names"]),
        "table": None if schema is None else _describe_table(schema, inputs),
    }
    scaling = inputs if schema is None else inputs.scaling
    arrays = {
        "inputs.mean": scaling.mean,
        "inputs.scale": scaling.scale,
        "targets.mean": targets.mean,
        "targets.scale": targets.scale,
    }
    if baseline is not None:
        arrays["baseline"] = baseline
    return {"pipeline": pipeline, "training": parts["training"]}, arrays


def parts(
    header: dict[str, Any], arrays: dict[str, NDArray[Any]], sizes: tuple[int, ...], where: str
) -> dict[str, Any]:
    """Give all of a Pipeline but its network, by name. Raises ModelFileError, naming `where`."""
    what, n_in, n_out = f"pipeline of {where}", sizes[0], sizes[-1]
    try:
        given = header["pipeline"]
        task = given["task"]
        scaling = Scaling(arrays["inputs.mean"], arrays["inputs.scale"])
        targets = Scaling(arrays["targets.mean"], arrays["targets.scale"])
        classes = np.array(given["classes"])
        names = _texts(given["class_names"]), _texts(given["feature_names"])
        for label in given["classes"]:
            if isinstance(label, str):
                _text(label)
        training = _training(header.get("training", {}))
        schema, encoding = (None, None) if given.get("table") is None else _table(given["table"], scaling)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, InputError) as error:
        got = f"{type(error).__name__} {error}"
        raise ModelFileError(text(what, expected="a whole one", got=got, hint=_HINT)) from None
    n_raw = n_in if schema is None else len(schema.columns)
    baseline = arrays.get("baseline")
    _check_fit(what, task, scaling, targets, classes, baseline, n_raw, n_out)
    if len(names[0]) not in (0, len(classes)):
        raise _misfit(f"{what}: class_names", f"{len(classes)} of them, or none", f"{len(names[0])}")
    if schema is not None and header.get("version") == 1:
        raise _misfit(what, "no table in a file of version 1", "one")
    levels = None if schema is None or task == "regression" else schema.target.levels
    if levels is not None and levels != tuple(classes.tolist()):
        got = ", ".join(map(str, classes[:3].tolist()))
        raise _misfit(f"{what}: classes", "the levels of the table's target", got)
    if encoding is not None and encoding.width != n_in:
        raise _misfit(f"{what}: columns", f"columns that make {n_in} inputs", f"{encoding.width}")
    return {
        "task": task,
        "inputs": encoding or scaling,
        "targets": targets,
        "classes": classes,
        "class_names": names[0],
        "feature_names": names[1],
        "training": training,
        "schema": schema,
        "baseline": baseline,
    }


def _check_fit(
    what: str,
    task: str,
    scaling: Scaling,
    targets: Scaling,
    classes: NDArray[Any],
    baseline: NDArray[Any] | None,
    n_raw: int,
    n_out: int,
) -> None:
    """See that the parts fit the network and one another. Raises ModelFileError."""
    if task not in ("classification", "regression"):
        raise _misfit(f"{what}: task", "classification or regression", f"{task!r:.40}")
    for name, given, n in (("inputs", scaling, n_raw), ("targets", targets, n_out)):
        for part, array in ((f"{name}.mean", given.mean), (f"{name}.scale", given.scale)):
            if array.shape != (n,):
                raise _misfit(f"{what}: {part}", f"shape ({n},)", f"shape {array.shape}")
        if not np.all(given.scale > 0):
            raise _misfit(f"{what}: {name}.scale", "numbers above 0", f"{given.scale.min():g}")
    n_classes = n_out if task == "classification" else 0
    if classes.shape != (n_classes,):
        got = f"shape {classes.shape}"
        raise _misfit(f"{what}: classes", f"{n_classes} of them, as the network has outputs for", got)
    if classes.dtype.kind not in "iufbU":
        raise _misfit(f"{what}: classes", "texts, numbers or booleans", f"dtype {classes.dtype}")
    if len(set(classes.tolist())) != n_classes:
        raise _misfit(f"{what}: classes", "different ones", "two alike")
    if baseline is not None and baseline.shape != (n_out,):
        raise _misfit(f"{what}: baseline", f"shape ({n_out},)", f"shape {baseline.shape}")
    if baseline is None or task == "regression":
        return
    if not (np.all(baseline >= 0) and abs(baseline.sum() - 1) < _ROUNDING):
        got = ", ".join(f"{share:g}" for share in baseline[:3]) + (", …" if n_out > 3 else "")
        raise _misfit(f"{what}: baseline", "shares ≥ 0 whose sum is 1", got)


def _misfit(what: str, expected: str, got: str) -> ModelFileError:
    return ModelFileError(text(what, expected=expected, got=got, hint=_HINT))


def _describe_table(schema: Schema, inputs: Encoding) -> dict[str, Any]:
    """Say in a JSON object what a table's columns are and how they are encoded."""
    columns = [
        {**column.describe(), "seen": seen.tolist(), "missing": bool(missing), "others": bool(others)}
        for column, seen, missing, others in zip(
            schema.columns, inputs.seen, inputs.missing, inputs.others, strict=True
        )
    ]
    left_out = [{"name": out.name, "reason": out.reason} for out in schema.left_out]
    return {"columns": columns, "target": schema.target.describe(), "left_out": left_out}


def _table(given: Any, scaling: Scaling) -> tuple[Schema, Encoding]:
    """Read a table's columns, and what the encoding knows of them. Raises TypeError, KeyError or ValueError."""
    columns = tuple(_column(one) for one in given["columns"])
    target = _column(given["target"])
    left_out = tuple(LeftOut(_text(one["name"]), _text(one["reason"])) for one in given["left_out"])
    names = [column.name for column in (*columns, target)]
    if not columns or len(set(names)) != len(names):
        raise ValueError("no columns, or two of one name")
    seen = tuple(_seen(one["seen"], column) for one, column in zip(given["columns"], columns, strict=True))
    flags = [[one[flag] for one in given["columns"]] for flag in ("missing", "others")]
    if not all(isinstance(flag, bool) for flag in (*flags[0], *flags[1])):
        raise TypeError("missing or others is neither true nor false")
    missing, others = (np.array(flag, dtype=np.bool_) for flag in flags)
    return Schema(columns, target, left_out), Encoding(columns, scaling, seen, missing, others)


def _column(given: Any) -> Column:
    levels = given["levels"]
    if levels is None:
        return Column(_text(given["name"]))
    if not isinstance(levels, list) or not levels or len(set(map(_text, levels))) != len(levels):
        raise ValueError("levels are no list of different texts")
    return Column(_text(given["name"]), tuple(levels))


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"{given!r:.40} is no text")
    given.encode()  # UnicodeEncodeError, a ValueError, for half of a character
    return given


def _texts(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list):
        raise TypeError(f"{given!r:.40} is no list of texts")
    return tuple(map(_text, given))


def _seen(given: Any, column: Column) -> NDArray[np.intp]:
    n = len(column.levels or ())
    if not isinstance(given, list) or not all(type(code) is int and 0 <= code < n for code in given):
        raise ValueError("seen is no list of places of levels")
    if sorted(set(given)) != given:
        raise ValueError("seen is not in order")
    return np.array(given, dtype=np.intp)


def _training(given: Any) -> dict[str, Any]:
    """Check what a model file says of its training: nothing, or all that `chainrule train` writes."""
    texts, whole = ("data", "fingerprint", "optimizer", "stopped"), ("seed", "rows")
    kinds: dict[str, type] = dict.fromkeys(texts, str) | dict.fromkeys(whole, int)
    kinds |= {"test_fraction": float, "history": dict, "test": dict}
    if not isinstance(given, dict):
        raise TypeError("training is no object")
    if given:
        for key, kind in kinds.items():
            if not isinstance(given[key], kind):
                raise TypeError(f"training: {key} is no {kind.__name__}")
        if not isinstance(given.get("test_data"), str | None):
            raise TypeError("training: test_data is no text")
        history, restored = given["history"], given.get("restored_epoch")
        lists = [history["epoch"], history["cost"], history.get("validation_cost", [])]
        if not all(isinstance(numbers, list) and all(map(_is_number, numbers)) for numbers in lists):
            raise ValueError("training: history")
        if lists[2] and len(lists[2]) != len(lists[1]):
            raise ValueError("training: history of unequal lengths")
        if restored is not None and not (type(restored) is int and 1 <= restored <= len(lists[1])):
            raise ValueError("training: restored_epoch")
        if not given["rows"] >= 1:
            raise ValueError("training: rows")
        if not 0 < given["test_fraction"] < 1:
            raise ValueError("training: test_fraction")
        if not 0 <= given["seed"] < 2**32:
            raise ValueError("training: seed")
    return dict(given)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)
