"""Model files: what goes in comes out; every kind of damage is an error; nothing is half-written."""

import json
import os
import stat
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import ModelFileError
from chainrule.modelfile import atomic
from chainrule.modelfile.atomic import atomic_file, check_writable, write_atomically


def network(**changes):
    arguments = {"sizes": [3, 4, 2], "activations": ["leaky_relu(0.2)", "softmax"], "cost": "cross_entropy", "seed": 5}
    return cr.Network(**(arguments | changes))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False, [False, True]])
def test_a_network_comes_back_with_the_same_bits(tmp_path, dtype, bias):
    net = network(dtype=dtype, bias=bias, reduction="sum")
    path = tmp_path / "m.chainrule"
    cr.save(net, path)
    back = cr.load(path)
    assert back.parameters.tobytes() == net.parameters.tobytes()
    assert repr(back) == repr(net)
    assert back.plan.reduction == "sum"
    back.W[1][...] = 0  # writable, of the network's own memory
    assert not back.parameters[:12].any()


def test_the_file_is_plain_safetensors_with_one_json_header(tmp_path):
    net = network()
    cr.save(net, tmp_path / "m.chainrule")
    arrays = safetensors.numpy.load_file(tmp_path / "m.chainrule")
    assert sorted(arrays) == ["W1", "W2", "b1", "b2"]
    np.testing.assert_array_equal(arrays["W1"], net.W[1])
    with safetensors.safe_open(tmp_path / "m.chainrule", framework="numpy") as opened:
        metadata = opened.metadata()
    assert list(metadata) == ["chainrule"]
    assert json.loads(metadata["chainrule"]) == {
        "version": 2,
        "network": {
            "sizes": [3, 4, 2],
            "activations": ["leaky_relu(0.2)", "softmax"],
            "cost": "cross_entropy",
            "bias": [True, True],
            "reduction": "mean",
            "dtype": "float32",
        },
    }


def test_own_activation_is_kept_by_name_and_has_to_be_known_when_loading(tmp_path):
    own = cr.Activation("modelfile_cube", lambda z: z**3, lambda z: 3 * z**2)
    net = cr.Network([2, 3, 1], [own, "identity"])
    cr.save(net, tmp_path / "m")
    with pytest.raises(ModelFileError) as error:
        cr.load(tmp_path / "m")
    assert str(error.value).startswith(f"header of {tmp_path / 'm'}: unknown activation: expected one of ")
    assert str(error.value).endswith(
        "If it is your own activation or cost, call cr.register_activation or cr.register_cost before loading."
    )
    cr.register_activation(own)
    assert cr.load(tmp_path / "m").activations == ("modelfile_cube", "identity")


# --- damage -----------------------------------------------------------------------------------------------------------
def test_a_file_cut_at_any_byte_is_an_error(tmp_path):
    path = tmp_path / "m.chainrule"
    cr.save(network(), path)
    content = path.read_bytes()
    assert len(content) < 1000
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError, match=r": expected (a whole model file|a chainrule header), got "):
            cr.load(path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_file_with_any_byte_changed_loads_or_is_a_model_file_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "m.chainrule"
    cr.save(network(), path)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        net = cr.load(path)
    except ModelFileError:
        return
    assert np.isfinite(net.parameters).all()


def _rewrite(path, change):
    """Save a network with its header and arrays changed."""
    cr.save(network(), path)
    arrays = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="numpy") as opened:
        header = json.loads(opened.metadata()["chainrule"])
    header = change(header, arrays) or header
    content = header if isinstance(header, str) else json.dumps(header)
    path.write_bytes(safetensors.numpy.save(arrays, metadata={"chainrule": content}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, a: h.update(version=3), "header of PATH: expected a version up to 2, got version 3. Install a newer "
         "chainrule: pip install -U chainrule"),
        (lambda h, a: h.update(version="1"), "header of PATH: expected a version up to 2, got version '1'."),
        (lambda h, a: h.pop("version") and None, "header of PATH: expected a JSON object with a version, got '{"),
        (lambda h, a: "[" * 100_000, "header of PATH: expected a JSON object with a version, got '[["),
        (lambda h, a: "null", "header of PATH: expected a JSON object with a version, got 'null'"),
        (lambda h, a: h.pop("network") and None, "header of PATH: expected a network, got KeyError 'network'. The file is"),
        (lambda h, a: h.update(network=[1]), "header of PATH: expected a network, got TypeError"),
        (lambda h, a: h["network"].update(sizes=[3, 5, 2]), "array W1 of PATH: expected shape (3, 5) of float32, got shape "
         "(3, 4) of float32. The file is damaged"),
        (lambda h, a: h["network"].update(sizes=[10**12, 10**12]), "header of PATH: activations: expected one for all"),
        (lambda h, a: h["network"].update(sizes="many"), "header of PATH: sizes: expected a list of whole numbers, got"),
        (lambda h, a: h["network"].update(dtype="float64"), "array W1 of PATH: expected shape (3, 4) of float64, got"),
        (lambda h, a: h["network"].update(activations=[1, 2]), "header of PATH: activation: expected a name or"),
        (lambda h, a: h["network"].update(activations=["tanh", "relu"]), "header of PATH: output activation relu does not"),
        (lambda h, a: a.pop("b2") is None, "array b2 of PATH: expected shape (2,) of float32, got none. The file"),
        (lambda h, a: a.update(W2=np.full((4, 2), np.nan, "float32")), "array 'W2' of PATH: expected finite numbers, got "
         "a NaN or infinite one."),
        (lambda h, a: a.update(W2=np.zeros((4, 2), "int32")), "array 'W2' of PATH: expected float32 or float64, got I32."),
    ],
)  # fmt: skip
def test_a_header_or_array_that_lies_is_refused(tmp_path, change, message):
    path = tmp_path / "m.chainrule"
    _rewrite(path, change)
    with pytest.raises(ModelFileError) as error:
        cr.load(path)
    assert str(error.value).startswith(message.replace("PATH", str(path)))


def test_files_that_are_something_else_are_refused(tmp_path):
    for name, content in [
        ("empty", b""),
        ("text", b"hello " * 50),
        ("huge_header", b"\xff" * 64),
        ("zip", b"PK\3\4" * 30),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            ModelFileError, match=rf"{name}: expected a whole model file, got .*Was it copied completely"
        ):
            cr.load(tmp_path / name)
    (tmp_path / "other").write_bytes(safetensors.numpy.save({"a": np.zeros(2, "float32")}))
    with pytest.raises(ModelFileError, match=r"other: expected a chainrule header, got a safetensors file without it"):
        cr.load(tmp_path / "other")
    with pytest.raises(ModelFileError, match=r"none: expected a model file, got no such file\. Check the path\."):
        cr.load(tmp_path / "none")
    with pytest.raises(ModelFileError, match=r"expected a model file, got a folder\."):
        cr.load(tmp_path)


# --- certificates -------------------------------------------------------------------------------------------------------
def checked(**changes):
    net = network(**changes)
    X, Y = np.random.default_rng(0).standard_normal((5, 3)), [0, 1, 1, 0, 1]
    return net, cr.check_gradients(net, X, Y)


def test_a_certificate_comes_back_as_it_was_given(tmp_path):
    net, report = checked()
    cr.save(net, tmp_path / "m", certificate=report)
    assert cr.load_certificate(tmp_path / "m") == report
    assert cr.load(tmp_path / "m").parameters.tobytes() == net.parameters.tobytes()
    with safetensors.safe_open(tmp_path / "m", framework="numpy") as opened:
        header = json.loads(opened.metadata()["chainrule"])
    assert header["version"] == 2  # readers of version 2 pass over what they don't know
    assert header["certificate"] == report.to_dict()
    cr.save(net, tmp_path / "m")
    assert cr.load_certificate(tmp_path / "m") is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda net, report: True, "certificate: expected what cr.check_gradients gives, got True. Call "
         "cr.check_gradients(net, X, Y) right before cr.save."),
        (lambda net, report: report.to_dict(), "certificate: expected what cr.check_gradients gives, got {'passed': True, "),
        (lambda net, report: cr.check_gradients(net.cost_function), "certificate: expected a report of this network, got "
         "one of cost 'cross_entropy'. Call"),
        (lambda net, report: checked(seed=6)[1], "certificate: expected a report of this network and these parameters, "
         "got one of others. Call cr.check_gradients(net, X, Y) right before cr.save."),
        (lambda net, report: checked(activations=["leaky_relu(0.3)", "softmax"])[1], "certificate: expected a report of this "
         "network and these parameters, got one of others. Call"),
        (lambda net, report: replace(report, failed=1), "certificate: expected a report that passed, got one that did not "
         "pass, worst at WORST. Correct what print(certificate) shows, or save without it."),
        (lambda net, report: replace(report, compared=0), "certificate: expected a report that passed, got one that did not "
         "pass. Correct"),
    ],
)  # fmt: skip
def test_a_certificate_of_anything_else_is_not_stored(tmp_path, make, message):
    net, report = checked()
    with pytest.raises(cr.InputError) as error:
        cr.save(net, tmp_path / "m", certificate=make(net, report))
    assert str(error.value).startswith(message.replace("WORST", report.worst.name))
    assert list(tmp_path.iterdir()) == []


def test_parameters_that_changed_after_the_check_are_told_from_those_that_were_checked(tmp_path):
    net, report = checked()
    net.W[1][0, 0] += 1e-6
    with pytest.raises(
        cr.InputError, match=r"^certificate: expected a report of this network and these parameters, got one"
    ):
        cr.save(net, tmp_path / "m", certificate=report)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: 3, "expected a whole one, got 3 is no object."),
        (lambda c: c.pop("worst") and c, "expected a whole one, got worst is missing."),
        (lambda c: {**c, "rows": -1}, "expected a whole one, got rows: -1."),
        (lambda c: {**c, "rows": True}, "expected a whole one, got rows: True."),
        (lambda c: {**c, "tolerance": 10**400}, "expected a whole one, got tolerance: 1000"),
        (lambda c: {**c, "checked": None}, "expected a whole one, got checked: None."),
        (lambda c: {**c, "kinks": None}, "expected a whole one, got kinks are no list."),
        (lambda c: {**c, "kinks": [{"name": "W"}]}, "expected a whole one, got where is missing."),
        (lambda c: {**c, "worst": [1]}, "expected a whole one, got [1] is no object."),
        (lambda c: {**c, "projection": {**c["projection"], "error": "0"}}, "expected a whole one, got error: '0'."),
        (lambda c: {**c, "passed": False}, "expected a whole one, got passed is not what the rest says."),
        (lambda c: {**c, "network_sha256": "0" * 64}, "expected one of the network in the file, got one of another."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("read", [cr.load, cr.load_certificate])
def test_a_certificate_that_is_damaged_or_of_another_network_is_refused(tmp_path, change, message, read):
    net, report = checked()
    path = tmp_path / "m"
    cr.save(net, path, certificate=report)
    arrays = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="numpy") as opened:
        header = json.loads(opened.metadata()["chainrule"])
    header["certificate"] = change(header["certificate"])
    path.write_bytes(safetensors.numpy.save(arrays, metadata={"chainrule": json.dumps(header)}))
    with pytest.raises(ModelFileError) as error:
        read(path)
    assert str(error.value).startswith(f"certificate of {path}: {message}")
    assert str(error.value).endswith("The file is damaged, or was changed by a program other than chainrule.")


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_certificate_with_any_byte_changed_is_read_or_is_a_model_file_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "m.chainrule"
    cr.save(CERTIFIED[0], path, certificate=CERTIFIED[1])
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(content.index(b"certificate"), len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    try:
        report = cr.load_certificate(path)
    except ModelFileError:
        return
    assert report is None or str(report)


CERTIFIED = checked()


# --- writing ------------------------------------------------------------------------------------------------------------
class FullFile:
    """A file on a disk that is full."""

    def __init__(self, file):
        self.file = file

    def close(self):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, fails):
    path = tmp_path / "m.chainrule"
    cr.save(network(seed=1), path)
    old = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    if fails == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif fails == "replace":
        monkeypatch.setattr(atomic.Path, "replace", full)
    else:
        fdopen = os.fdopen

        def failing(*args, **kwargs):
            file = fdopen(*args, **kwargs)
            return FullFile(file)

        monkeypatch.setattr(os, "fdopen", failing)
    with pytest.raises(ModelFileError) as error:
        cr.save(network(seed=2), path)
    assert str(error.value) == (
        f"writing {path}: expected room and leave to write, got [Errno 28] No space left on device. What was there "
        "before is unchanged."
    )
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["m.chainrule"]


def test_an_interrupted_write_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "m", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_written_in_pieces_is_there_at_the_end_and_never_before(tmp_path):
    with atomic_file(tmp_path / "m") as file:
        file.write(b"one ")
        assert not (tmp_path / "m").exists()
        file.write(b"two")
    assert (tmp_path / "m").read_bytes() == b"one two"


def test_an_error_between_two_pieces_leaves_what_was_there(tmp_path):
    write_atomically(tmp_path / "m", b"one two")

    def write_half():
        with atomic_file(tmp_path / "m") as file:
            file.write(b"half")
            raise cr.DataError("line 3")

    with pytest.raises(cr.DataError, match=r"^line 3$"):
        write_half()
    assert (tmp_path / "m").read_bytes() == b"one two"
    assert [file.name for file in tmp_path.iterdir()] == ["m"]


def test_an_error_of_the_system_that_is_not_the_file_s_stays_what_it_is(tmp_path):
    def read_another():
        with atomic_file(tmp_path / "m") as file:
            file.write(b"half")
            (tmp_path / "none").read_bytes()

    with pytest.raises(FileNotFoundError, match="none"):
        read_another()
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_has_the_rights_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "m", b"abc")
    assert (tmp_path / "m").read_bytes() == b"abc"
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_folder_that_cannot_be_synced_is_no_failure_as_the_file_is_in_place(tmp_path, monkeypatch):
    fsync, calls = os.fsync, []

    def second_fails(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(22, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", second_fails)
    write_atomically(tmp_path / "m", b"abc")
    assert len(calls) == 2
    assert (tmp_path / "m").read_bytes() == b"abc"


def test_a_file_that_is_written_again_keeps_its_rights_and_a_link_its_target(tmp_path):
    write_atomically(tmp_path / "m", b"abc")
    (tmp_path / "m").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "m")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "m").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o600


def test_a_long_name_that_the_file_system_takes_can_be_written(tmp_path):
    write_atomically(tmp_path / ("n" * 250), b"abc")
    assert (tmp_path / ("n" * 250)).read_bytes() == b"abc"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes, which POSIX systems have")
def test_what_is_no_regular_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(
        ModelFileError, match=r"pipe: expected a file's name, got a device or pipe\. Choose another name\."
    ):
        cr.save(network(), tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    net = network()
    net.W[1][0, 0] = np.nan
    with pytest.raises(
        ModelFileError, match=r"^array 'W1' for .*: expected finite numbers, got a NaN or infinite one\."
    ):
        cr.save(net, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [None, 3, "a\0b", "n" * 300])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ModelFileError, match="expected a file's name, got "):
        cr.save(network(), path)
    with pytest.raises(ModelFileError, match="expected a model file, got "):
        cr.load(path)


def test_what_is_no_network_is_not_saved(tmp_path):
    with pytest.raises(cr.InputError, match=r"^net: expected a cr\.Network, got int\. Make one: net = "):
        cr.save(3, tmp_path / "m")


def test_places_that_cannot_be_written_are_named_before_any_work(tmp_path):
    with pytest.raises(ModelFileError, match=r"expected a file's name, got a folder\. Choose another name\."):
        check_writable(tmp_path)
    with pytest.raises(
        ModelFileError, match=r"^the folder of .*expected a folder, got nothing there\. Make it first: mkdir"
    ):
        cr.save(network(), tmp_path / "none" / "m")
