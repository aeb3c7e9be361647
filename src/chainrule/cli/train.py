"""`chainrule train DATA`: read, split, scale, train, test, save."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from chainrule.cli.options import check_options, check_output, hidden_sizes, named_by_option
from chainrule.cli.output import Printer, counted, say_costs, without_nan
from chainrule.data.labelled import LabelledData, Task, choose_task, split
from chainrule.data.pipeline import Pipeline, Scaling
from chainrule.data.readers import read
from chainrule.engine.inputs import check_finite
from chainrule.engine.network import Network
from chainrule.errors import ChainruleError, DataError, DivergenceWarning, text
from chainrule.maths.intervals import REALS
from chainrule.training.callbacks import EarlyStopping
from chainrule.training.history import History
from chainrule.training.train import train as train_network

_DEFAULTS: dict[Task, tuple[str, str]] = {
    "classification": ("softmax", "cross_entropy"),
    "regression": ("identity", "squared_error"),
}


def train(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="breast_cancer, diabetes, digits, iris, wine; an NPZ file with X and Y; or a folder of IDX files.",
        ),
    ],
    hidden: Annotated[str, typer.Option(help="Units of the hidden layers: 128,64; an empty text for none.")] = "100",
    activation: Annotated[str, typer.Option(help="Activation of the hidden layers.")] = "relu",
    output: Annotated[
        str | None, typer.Option(help="Activation of the output layer; softmax or identity by default.")
    ] = None,
    cost: Annotated[str | None, typer.Option(help="Cost; cross_entropy or squared_error by default.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the data, at most.")] = 30,
    optimizer: Annotated[str, typer.Option(help="sgd, momentum, nesterov, rmsprop, adam, adamw, lbfgs.")] = "adam",
    learning_rate: Annotated[float, typer.Option(help="Step size η.")] = 1e-3,
    batch_size: Annotated[int, typer.Option(help="Examples per update.")] = 32,
    penalty: Annotated[float, typer.Option(help="λ of the penalty λ/2 Σ W².")] = 0.0,
    validation: Annotated[float, typer.Option(help="Fraction of the training rows held out for validation.")] = 0.0,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without improvement, restore the best.")
    ] = None,
    test_fraction: Annotated[
        float, typer.Option(help="Fraction of the rows kept for the test, where DATA has no test part.")
    ] = 0.2,
    task: Annotated[str | None, typer.Option(help="classification or regression; by default the targets tell.")] = None,
    scale: Annotated[bool, typer.Option(help="Standardise the columns.")] = True,
    initializer: Annotated[str, typer.Option(help="How weights are drawn.")] = "glorot_uniform",
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    threads: Annotated[int | None, typer.Option(help="Threads of the linear algebra library.")] = None,
    seed: Annotated[int, typer.Option(help="Fixes the split, the weights and the order of rows.")] = 0,
    out: Annotated[Path, typer.Option(help="The model file.")] = Path("model.chainrule"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Train a network on DATA, test it on rows it has not seen, and save it."""
    say = Printer(as_json)
    check_options(seed, validation, patience)
    sizes = hidden_sizes(hidden)
    check_output(out, data)
    source = read(data)
    chosen, reason = choose_task(source, task)
    training, test = split(source, test_fraction, seed, chosen)
    say.line(
        f"{source.name}: {counted(len(training.X), 'row')} to train on, {len(test.X):,} to test on, "
        f"{counted(source.X.shape[1], 'column')}, {chosen} ({reason})"
    )
    g_out, c = _DEFAULTS[chosen]
    options: dict[str, Any] = {"activation": activation, "output": output or g_out, "cost": cost or c}
    options |= {"hidden": sizes, "initializer": initializer, "dtype": dtype, "seed": seed}
    with named_by_option(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)  # said below, as an error
        pipeline = _pipeline(source, training, chosen, scale, options)
        for part in (source, test):  # whatever is wrong with either is said before the work, in the source's own rows
            pipeline.check(part)
        say.line(repr(pipeline.net))
        history = train_network(
            pipeline.net,
            pipeline.transform(training.X, f"X of {training.name}"),
            pipeline.encode(training),
            optimizer=optimizer,
            learning_rate=learning_rate,
            batch_size=batch_size,
            epochs=epochs,
            penalty=penalty,
            validation=validation or None,
            early_stopping=None if patience is None else EarlyStopping(patience),
            n_threads=threads,
            seed=seed,
            verbose=0 if as_json else 1,
        )
    if history.stopped == "divergence":
        raise ChainruleError(f"{history.message} No model was written.")
    if history.stopped == "interrupt" and not history.epochs:
        sys.stderr.write("chainrule: interrupted in the first epoch. No model was written.\n")
        raise typer.Exit(130)  # what shells give a command that Ctrl-C ended
    pipeline.training.update(
        {
            "data": source.name,
            "fingerprint": source.fingerprint(),
            "test_fraction": test_fraction,
            "seed": seed,
            "rows": len(training.X),
            "optimizer": optimizer,
            "stopped": history.stopped,
            "restored_epoch": history.restored_epoch,
            "history": without_nan(history.to_dict()),
            "test": {},
        }
    )
    pipeline.save(out)  # before the test, so that nothing from here on can lose what was trained
    figures = pipeline.evaluate(test)
    pipeline.training["test"] = without_nan(figures)
    pipeline.save(out)
    _say_history(say, history)
    say.line("on the test rows:")
    say.figures(dict(figures))
    say.line(f"saved {out}")
    say.result({"model": str(out), "task": chosen, "reason": reason, **pipeline.training})


def _pipeline(
    source: LabelledData, training: LabelledData, task: Task, scale: bool, options: dict[str, Any]
) -> Pipeline:
    """Set up the network, with all classes that the source has, and the scalings of the training rows."""
    check_finite(source.X, "float64", f"X of {source.name}")
    labels = source.required_labels()
    classes = np.unique(labels) if task == "classification" else np.array([])
    if task == "classification" and len(classes) < 2:
        hint = "There is nothing to tell apart."
        raise DataError(text(f"targets of {source.name}", expected="2 classes or more", got=str(classes), hint=hint))
    columns = training.required_labels().reshape(len(training.X), -1)
    n_out = len(classes) if task == "classification" else columns.shape[1]
    net = Network(
        [training.X.shape[1], *options["hidden"], n_out],
        [options["activation"]] * len(options["hidden"]) + [options["output"]],
        options["cost"],
        initializer=options["initializer"],
        dtype=options["dtype"],
        seed=options["seed"],
    )
    inputs = Scaling.fit(training.X) if scale else Scaling.none(training.X.shape[1])
    # targets are scaled where nothing ties them to their own units: not under exp, logistic or poisson
    free = net.plan.activation(net.L).range == REALS and net.plan.cost.targets == REALS
    targets = Scaling.fit(columns) if scale and free and task == "regression" else Scaling.none(n_out)
    names = training.class_names if len(training.class_names) == len(classes) else ()
    return Pipeline(net, task, inputs, targets, classes, names, training.feature_names)


def _say_history(say: Printer, history: History) -> None:
    say.line(f"{history.message}; {counted(history.epochs, 'epoch')} in {sum(history.seconds):.2f} s")
    say_costs(say, history.cost, history.validation_cost, history.restored_epoch)
