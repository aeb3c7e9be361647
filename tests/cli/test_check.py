"""`chainrule check MODEL DATA`, and a certificate as info and check show it."""

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine.reference import Gradient


def trained(run, *arguments):
    run("train", *arguments, "--epochs", 2, "--hidden", 6)


def test_a_model_of_the_command_line_is_checked_on_rows_that_it_has_not_seen(run):
    trained(run, "iris")
    code, out, err = run("check", "model.chainrule", "iris")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "iris: 30 of 30 rows (held out in training)"
    assert lines[1] == (
        f"gradients of network 4-6-3 (relu, softmax; cross_entropy), float32, backend {cr.Network([1, 1]).backend}, at "
        "30 rows: passed"
    )
    assert lines[2] == (
        "  compared with central differences: 51 derivatives (all parameters), and 10 random directions of whole arrays"
    )
    assert lines[3].startswith("  worst: ")
    assert lines[-1].startswith("  projection: ⟨u, Jv⟩ = ")


def test_rows_are_spread_over_the_part_and_parameters_are_drawn(run):
    trained(run, "digits")
    code, out, _ = run("check", "model.chainrule", "digits", "--rows", 7, "--part", "all", "--parameters", 20)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "digits: 7 of 1,797 rows (all rows)"
    assert "20 derivatives (20 of 460 parameters, drawn from every array)" in lines[2]
    numbers = [
        json.loads(run("check", "model.chainrule", "digits", "--rows", 3, "--parameters", 4, "--seed", s, "--json")[1])
        for s in (0, 0, 1)
    ]
    assert numbers[0] == numbers[1] != numbers[2]


def test_json_has_the_report_and_the_certificate(run):
    trained(run, "iris")
    code, out, err = run("check", "model.chainrule", "iris", "--json", "--rows", 5)
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert [result[name] for name in ("model", "data", "which", "certificate")] == [
        "model.chainrule", "iris", "held out in training", None,
    ]  # fmt: skip
    report = cr.GradientReport.from_dict(result)
    assert (report.passed, report.rows, report.compared) == (True, 5, 51)


def test_tables_regressions_npz_files_and_bare_networks_are_checked(run, tmp_path):
    rows = ["size,colour,price", *(f"{i % 7},{['red', '', 'blue'][i % 3]},{i * 1.5}" for i in range(30))]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    trained(run, "t.csv", "--target", "price", "--activation", "tanh")
    code, out, err = run("check", "model.chainrule", "t.csv")
    assert (code, err) == (0, "")
    assert out.startswith("t.csv: 6 of 6 rows (held out in training)\ngradients of network ")

    rng = np.random.default_rng(0)
    np.savez("d.npz", X=rng.standard_normal((20, 3)), Y=rng.integers(0, 2, 20))
    cr.save(cr.Network([3, 2], "softmax", "cross_entropy"), "net.chainrule")
    code, out, _ = run("check", "net.chainrule", "d.npz")
    assert code == 0
    assert out.startswith(
        "d.npz: 20 of 20 rows (all rows)\ngradients of network 3-2 (softmax; cross_entropy), float32, "
    )


def test_a_wrong_gradient_ends_with_exit_code_1_and_its_name(run, monkeypatch):
    trained(run, "iris", "--dtype", "float64")
    engine = cr.load("model.chainrule").engine
    right = engine.value_and_gradient

    def wrong(plan, *arguments):
        cost, gradient = right(plan, *arguments)
        flat = gradient.flat.copy()
        plan.split(flat)[1][1][2] *= -1
        return cost, Gradient(plan, flat)

    monkeypatch.setattr(engine, "value_and_gradient", wrong)
    code, out, err = run("check", "model.chainrule", "iris")
    assert (code, err) == (1, "")
    assert ": FAILED\n" in out
    assert "  wrong: " in out
    assert "  worst: b[1][2], expected " in out
    code, out, _ = run("check", "model.chainrule", "iris", "--json")
    assert code == 1
    assert json.loads(out)["passed"] is False


def test_a_certificate_is_shown_by_check_and_info(run):
    net = cr.Network([4, 3], "softmax", "cross_entropy", dtype="float64")
    X = np.random.default_rng(0).standard_normal((6, 4))
    report = cr.check_gradients(net, X, [0, 1, 2] * 2)
    cr.save(net, "net.chainrule", certificate=report)
    code, out, _ = run("info", "net.chainrule")
    assert code == 0
    assert out == f"{net!r}\ncertificate: {report}\n"
    assert json.loads(run("info", "net.chainrule", "--json")[1])["certificate"] == report.to_dict()
    code, out, _ = run("check", "net.chainrule", "iris")
    assert code == 0
    assert out.splitlines()[-1] == f"the file's certificate: {str(report).splitlines()[0]}"
    assert json.loads(run("check", "net.chainrule", "iris", "--json")[1])["certificate"] == report.to_dict()
    cr.save(net, "net.chainrule")
    assert "certificate" not in run("info", "net.chainrule")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.chainrule", "iris"), "none.chainrule: expected a model file, got no such file. Check the path."),
        (("net.chainrule", "digits"), "X of digits: expected 3 columns, one for each of the network's inputs, got shape "),
        (("net.chainrule", "none"), "DATA: expected one of breast_cancer, "),
        (("net.chainrule", "d.npz", "--rows", "0"), "--rows: expected a whole number ≥ 1, got 0. Leave it out for the default."),
        (("net.chainrule", "d.npz", "--parameters", "0"), "--parameters: expected a whole number ≥ 1, got 0. Leave it out"),
        (("net.chainrule", "d.npz", "--seed", "-1"), "--seed: expected a whole number from 0 to 4294967295, got -1."),
        (("net.chainrule", "d.npz", "--part", "some"), "--part: expected test, train or all, got 'some'."),
        (("net.chainrule", "d.npz", "--part", "train"), "--part train: expected the data that the model was trained on, got "),
        (("net.chainrule", "bare.npz"), "bare.npz: expected targets beside the rows, got rows only."),
        (("net.chainrule", "three.npz"), "targets of three.npz[0]: expected a class index 0 to 1, got 7."),
    ],
)  # fmt: skip
def test_bad_input_ends_with_exit_code_2_and_one_line(run, arguments, message):
    cr.save(cr.Network([3, 2]), "net.chainrule")
    X = np.zeros((4, 3))
    np.savez("d.npz", X=X, Y=[0, 1, 1, 0])
    np.savez("bare.npz", X=X)
    np.savez("three.npz", X=X, Y=[7, 1, 1, 0])
    code, out, err = run("check", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"chainrule: {message}")
    assert err.count("\n") == 1


def test_a_certificate_of_other_parameters_is_an_error_of_the_file(run, tmp_path):
    net = cr.Network([4, 3], "softmax", "cross_entropy")
    cr.save(net, "net.chainrule", certificate=cr.check_gradients(net, np.ones((3, 4)), [0, 1, 2]))
    content = bytearray((tmp_path / "net.chainrule").read_bytes())
    content[-4] ^= 1  # the last bit of the last parameter
    (tmp_path / "net.chainrule").write_bytes(content)
    code, _, err = run("info", "net.chainrule")
    assert code == 2
    assert err.startswith(
        "chainrule: certificate of net.chainrule: expected one of the network in the file, got one of"
    )
