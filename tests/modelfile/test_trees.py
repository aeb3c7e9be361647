"""Nested values as JSON and arrays: what comes back has the same bits and the same types."""

import json
import math

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chainrule.modelfile import format as modelfile
from chainrule.modelfile.trees import DTYPES, pack, unpack

NUMBERS = st.integers() | st.floats() | st.booleans() | st.none() | st.text()
SCALARS = st.sampled_from(sorted(DTYPES)).flatmap(lambda dtype: arrays.from_dtype(np.dtype(dtype)))
ARRAYS = st.sampled_from(sorted(DTYPES)).flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0)))
TREES = st.recursive(
    NUMBERS | SCALARS | ARRAYS,
    lambda part: (
        st.lists(part, max_size=3)
        | st.lists(st.floats(), max_size=3)
        | st.tuples(part, part)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.just("$array"), part, max_size=3)
    ),
    max_leaves=8,
)


def sealed(header, arrays):
    return b"".join(modelfile.pieces(header, arrays, sealed=True))


def same(a, b):
    if isinstance(a, np.ndarray | np.generic):
        return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return type(b) is float and (a.hex() == b.hex() or (math.isnan(a) and math.isnan(b)))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_a_tree_comes_back_from_a_sealed_file_with_the_same_bits_and_types(tmp_path_factory, tree):
    packed, found = pack({"tree": tree}, "state.t")
    path = tmp_path_factory.mktemp("tree") / "t"
    path.write_bytes(sealed({"packed": packed}, found))
    header, read = modelfile.read_sealed(path)
    assert same(unpack(header["packed"], read)["tree"], tree)


def test_an_array_that_is_met_twice_is_kept_once_and_names_say_where():
    theta = np.arange(3.0)
    packed, found = pack({"now": theta, "best": [{"a.b": np.zeros(1), "a": {"b": np.ones(1)}}, theta]}, "s")
    assert list(found) == ["s.now", "s.best.0.a.b", "s.best.0.a.b'"]
    back = unpack(json.loads(json.dumps(packed)), found)
    assert back["best"][1] is theta


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": [1, object()]}, "s.a.1 is of type object"),
        ({"rng": np.random.default_rng(0)}, "s.rng is of type Generator"),
        (np.array(["text"]), "s is of dtype <U4"),
        ([1j], "s.0 is of type complex"),
    ],
)
def test_what_is_no_data_is_named(tree, message):
    with pytest.raises(TypeError) as error:
        pack(tree, "s")
    assert str(error.value) == message


def test_any_byte_that_changes_in_a_sealed_file_is_noticed(tmp_path):
    path = tmp_path / "t"
    content = sealed({"a": 1}, {"W1": np.ones((2, 2), "float32"), "state.n": np.arange(2)})
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        try:
            header, read = modelfile.read_sealed(path)
        except modelfile.ModelFileError:
            continue
        # a name of the file's own or a blank between, which no number depends on
        assert header == {"version": 2, "a": 1}
        assert read["W1"].tolist() == [[1, 1], [1, 1]]
        assert read["state.n"].tolist() == [0, 1]


def test_a_model_file_is_byte_for_byte_what_safetensors_own_writer_makes():
    arrays = {
        "W2": np.eye(3, 2),
        "b1": np.arange(3, dtype="float32"),
        "W1": np.ones((2, 3), "float32"),
        "b2": np.zeros(0),
    }
    header = {"names": ["blå", "\n"], "version": 2}
    content = {"chainrule": json.dumps({"version": 2, **header})}
    assert b"".join(modelfile.pieces(header, arrays)) == safetensors.numpy.save(arrays, metadata=content)


def test_a_sealed_file_can_be_read_as_a_model_without_its_state(tmp_path):
    (tmp_path / "t").write_bytes(sealed({}, {"W1": np.ones(1), "state.n": np.arange(2)}))
    assert modelfile.read(tmp_path / "t") == ({"version": 2}, {"W1": np.ones(1)})
    modelfile.write(tmp_path / "m", {}, {"W1": np.ones(1)})
    with pytest.raises(modelfile.ModelFileError, match=r"m: expected a checkpoint, got a model file\. Load it with cr"):
        modelfile.read_sealed(tmp_path / "m")
