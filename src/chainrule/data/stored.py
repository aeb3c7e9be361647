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


def describe_table(schema: Schema | None, inputs: Scaling | Encoding) -> dict[str, Any] | None:
    """Say in a JSON object what a table's columns are and how they are encoded; None for arrays."""
    if schema is None or not isinstance(inputs, Encoding):
        return None
    columns = [
        {**column.describe(), "seen": seen.tolist(), "missing": bool(missing), "others": bool(others)}
        for column, seen, missing, others in zip(
            schema.columns, inputs.seen, inputs.missing, inputs.others, strict=True
        )
    ]
    left_out = [{"name": out.name, "reason": out.reason} for out in schema.left_out]
    return {"columns": columns, "target": schema.target.describe(), "left_out": left_out}


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
        names = tuple(map(str, given["class_names"])), tuple(map(str, given["feature_names"]))
        training = _training(header.get("training", {}))
        schema, encoding = (None, None) if given.get("table") is None else _table(given["table"], scaling)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, InputError) as error:
        got = f"{type(error).__name__} {error}"
        raise ModelFileError(text(what, expected="a whole one", got=got, hint=_HINT)) from None
    n_raw = n_in if schema is None else len(schema.columns)
    baseline = arrays.get("baseline")
    fits = (
        task in ("classification", "regression")
        and scaling.mean.shape == scaling.scale.shape == (n_raw,)
        and targets.mean.shape == targets.scale.shape == (n_out,)
        and bool(np.all(scaling.scale != 0) and np.all(targets.scale != 0))
        and classes.shape == ((n_out,) if task == "classification" else (0,))
        and classes.dtype.kind in "iufbU"
        and len(set(classes.tolist())) == len(classes)
        and (baseline is None or baseline.shape == (n_out,))
        and (baseline is None or task == "regression" or bool(np.all(baseline >= 0) and abs(baseline.sum() - 1) < 1e-6))
        and (encoding is None or encoding.width == n_in)
    )
    if not fits:
        got = "classes, columns or scalings of other sizes"
        raise ModelFileError(text(what, expected="one that fits the network", got=got, hint=_HINT))
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
    return given


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
        if not 0 <= given["seed"] < 2**32:
            raise ValueError("training: seed")
    return dict(given)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)
