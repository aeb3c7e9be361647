"""`chainrule train DATA`: read, split, encode, train, test, save."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli.columns import class_names, describe_columns, say_columns, say_unforeseen
from chainrule.cli.options import (
    check_checkpoint,
    check_options,
    check_output,
    check_training,
    epochs_or_time,
    hidden_sizes,
    is_same,
    named_by_option,
)
from chainrule.cli.output import Printer, counted, say_costs, without_nan, write_error
from chainrule.cli.steps import by_layer, epoch_log, monotone_inputs, rate
from chainrule.data.encoding import Encoding
from chainrule.data.labelled import LabelledData, Task, check_variety, choose_task, split
from chainrule.data.metrics import Figures
from chainrule.data.pipeline import Pipeline
from chainrule.data.readers import read, with_test
from chainrule.data.scaling import Scaling
from chainrule.data.unforeseen import Unforeseen
from chainrule.data.untrained import untrained
from chainrule.engine.inputs import check_finite
from chainrule.engine.network import Network
from chainrule.errors import ChainruleError, DataError, DivergenceWarning, text
from chainrule.training.arguments.solvers import NAMES
from chainrule.training.progress.history import History
from chainrule.training.train import train as train_network
from chainrule.training.watching.early_stopping import EarlyStopping

_DEFAULTS: dict[Task, tuple[str, str]] = {
    "classification": ("softmax", "cross_entropy"),
    "regression": ("identity", "squared_error"),
}
_TEST_FRACTION = 0.2
_data, _network, _training, _regularisation, _stopping, _output = (
    partial(typer.Option, rich_help_panel=group)
    for group in ("Data", "Network", "Training", "Regularisation", "Stopping and checkpoints", "Output")
)


def train(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A CSV, TSV or Parquet file; breast_cancer, diabetes, digits, iris, wine, moons, circles, "
            "spiral, xor; an NPZ file with X and Y; or a folder of IDX files.",
        ),
    ],
    target: Annotated[str | None, _data(help="The column of a table to predict.")] = None,
    drop: Annotated[list[str] | None, _data(help="A column of a table to leave out; may be repeated.")] = None,
    keep: Annotated[list[str] | None, _data(help="A column to keep that would be left out; may be repeated.")] = None,
    task: Annotated[str | None, _data(help="classification or regression; by default the targets tell.")] = None,
    test: Annotated[
        str | None, _data(metavar="DATA", help="Test on the rows of other data; nothing is split off then.")
    ] = None,
    test_fraction: Annotated[
        float | None,
        _data(help="Fraction of the rows kept for the test, where DATA has no test part; 0.2 by default."),
    ] = None,
    validation: Annotated[float, _data(help="Fraction of the training rows held out for validation.")] = 0.0,
    scale: Annotated[
        bool, _data(help="Standardise columns of numbers; without it a table's lose their mean only.")
    ] = True,
    hidden: Annotated[str, _network(help="Units of the hidden layers: 128,64; an empty text for none.")] = "100",
    activation: Annotated[str, _network(help="Activation of the hidden layers.")] = "relu",
    output: Annotated[
        str | None, _network(help="Activation of the output layer; softmax or identity by default.")
    ] = None,
    cost: Annotated[str | None, _network(help="Cost; cross_entropy or squared_error by default.")] = None,
    initializer: Annotated[str, _network(help="How weights are drawn.")] = "glorot_uniform",
    dtype: Annotated[str, _network(help="float32 or float64.")] = "float32",
    epochs: Annotated[int, _training(help="Passes over the data, at most.")] = 30,
    optimizer: Annotated[str, _training(help=f"{', '.join(NAMES)}; auto chooses one.")] = "adam",
    learning_rate: Annotated[str, _training(help="Step size η; find makes a range test first.")] = "0.001",
    batch_size: Annotated[int, _training(help="Examples per update.")] = 32,
    seed: Annotated[int, _training(help="Fixes the split, the weights, the order of rows and what is left out.")] = 0,
    threads: Annotated[int | None, _training(help="Threads while training.")] = None,
    penalty: Annotated[float, _regularisation(help="λ of the penalty λ/2 Σ W².")] = 0.0,
    l1: Annotated[float, _regularisation("--l1", help="λ of the penalty λ Σ |W|.")] = 0.0,
    weight_decay: Annotated[float, _regularisation(help="λ of W ← W − ηλW before each step.")] = 0.0,
    dropout: Annotated[float, _regularisation(help="Share of hidden units that each step leaves out.")] = 0.0,
    input_dropout: Annotated[float, _regularisation(help="Share of inputs that each step leaves out.")] = 0.0,
    input_noise: Annotated[float, _regularisation(help="Standard deviation of noise on the network's inputs.")] = 0.0,
    label_smoothing: Annotated[float, _regularisation(help="Share of each target that goes to all classes.")] = 0.0,
    max_norm: Annotated[float | None, _regularisation(help="Length of the weights into a unit, at most.")] = None,
    clip_norm: Annotated[float | None, _regularisation(help="Length of a step's gradient, at most.")] = None,
    clip_example_norm: Annotated[
        float | None, _regularisation(help="Length of an example's gradient, at most.")
    ] = None,
    monotone: Annotated[
        list[str] | None,
        _regularisation(metavar="COLUMN=+|-", help="The prediction rises (or falls) with a column; may be repeated."),
    ] = None,
    monotone_weight: Annotated[float, _regularisation(help="How much slopes of the wrong sign cost.")] = 1.0,
    input_gradient_penalty: Annotated[float, _regularisation(help="λ of λ/2 ‖∂C/∂x‖².")] = 0.0,
    patience: Annotated[
        int | None, _stopping(help="Stop after so many epochs without improvement, restore the best.")
    ] = None,
    max_time: Annotated[float | None, _stopping(help="Seconds of training, at most.")] = None,
    checkpoint: Annotated[Path | None, _stopping(metavar="FOLDER", help="Keep the state of training there.")] = None,
    checkpoint_every: Annotated[str, _stopping(help="Epochs, or a time such as 300s, 10min, 2h.")] = "1",
    resume: Annotated[bool, _stopping("--resume", help="Go on from the checkpoint, where there is one.")] = False,
    out: Annotated[Path, _output(help="The model file.")] = Path("model.chainrule"),
    log: Annotated[Path | None, _output(metavar="FILE", help="A row for each epoch: FILE.csv or FILE.jsonl.")] = None,
    as_json: Annotated[bool, _output("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Train a network on DATA, test it on rows it has not seen, and save it."""
    say = Printer(as_json)
    check_options(seed, validation, patience)
    sizes = hidden_sizes(hidden)
    read_from = [given for given in (data, test) if given is not None]
    check_output(out, *read_from)
    eta, callbacks = rate(learning_rate), epoch_log(log)
    if log is not None:
        check_output(log, *read_from, str(out), option="--log")
    check_checkpoint(optimizer, checkpoint, checkpoint_every, resume)
    source = _read(say, data, target, keep or (), drop or (), test, test_fraction, task)
    chosen, reason = choose_task(source, task)
    check_variety(source, chosen)
    fraction = _TEST_FRACTION if test_fraction is None else test_fraction
    training, test_rows = split(source, fraction, seed, chosen)
    g_out, c = _DEFAULTS[chosen]
    wanted = _Wanted(tuple(sizes), activation, output or g_out, cost or c, initializer, dtype, seed, scale)
    with named_by_option(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)  # said below, as an error
        pipeline = _pipeline(source, training, chosen, wanted)
        for part in (source, test_rows):  # what is wrong with either is said before the work, in the source's own rows
            pipeline.check(part)
        how: dict[str, Any] = {
            "optimizer": optimizer,
            "learning_rate": eta,
            "batch_size": batch_size,
            "penalty": penalty,
            "l1": l1,
            "weight_decay": weight_decay,
            "dropout": by_layer(dropout, input_dropout, len(sizes)),
            "input_noise": input_noise,
            "label_smoothing": label_smoothing,
            "max_norm": max_norm,
            "clip_norm": clip_norm,
            "clip_example_norm": clip_example_norm,
            "input_gradient_penalty": input_gradient_penalty,
            "monotone": monotone_inputs(monotone or (), pipeline),
            "monotone_weight": monotone_weight,
            "max_time": max_time,
            "n_threads": threads,
            "callbacks": callbacks,
        }
        check_training(pipeline.net, epochs, how)
        say.line(
            f"{source.name}: {counted(len(training.X), 'row')} to train on, {len(test_rows.X):,} to test on, "
            f"{counted(source.X.shape[1], 'column')}, {chosen} ({reason})"
        )
        say_columns(say, pipeline)
        say.line(repr(pipeline.net))
        about: dict[str, Any] = {"data": source.name, "fingerprint": source.fingerprint(), "test_data": test}
        about |= {"test_fraction": fraction, "seed": seed, "rows": len(training.X)}
        del source, part  # what is encoded takes enough memory by itself
        X, Y = pipeline.inputs_of(training), pipeline.targets_of(training)
        del training
        history = train_network(
            pipeline.net,
            X,
            Y,
            **how,
            epochs=epochs,
            validation=validation or None,
            early_stopping=None if patience is None else EarlyStopping(patience),
            checkpoint=checkpoint,
            checkpoint_every=epochs_or_time(checkpoint_every),
            resume=resume,
            seed=seed,
            verbose=0 if as_json else 1,
        )
        del X
    _check_trained(history)
    figures = _save_and_measure(pipeline, test_rows, out, about, optimizer, history)
    _report(say, pipeline, test_rows, history, figures)
    say.line(f"saved {out}")
    result = {"model": str(out), "task": chosen, "reason": reason, **describe_columns(pipeline), **pipeline.training}
    say.result(result | {"test": figures})


def _read(
    say: Printer,
    data: str,
    target: str | None,
    keep: Sequence[str],
    drop: Sequence[str],
    test: str | None,
    test_fraction: float | None,
    task: str | None,
) -> LabelledData:
    """Read DATA and what it is tested on. Raises DataError, also for a fraction that would cut nothing."""
    if test is not None and test_fraction is not None:
        hint = "Leave one of them out: with --test no rows are split off."
        raise DataError(text("--test-fraction", expected="no --test beside it", got=f"--test {test}", hint=hint))
    if test is not None and is_same(test, data):
        hint = "Leave --test out: a part of DATA is split off for the test."
        raise DataError(text("--test", expected="other data than DATA", got=test, hint=hint))
    source = read(data, target, keep, drop, task)
    if source.test is not None and test_fraction is not None:
        hint = "Leave it out: that part is the test."
        expected = "DATA without a test part of its own"
        raise DataError(text("--test-fraction", expected=expected, got=f"{data}, which has one", hint=hint))
    if test is None:
        return source
    if source.test is not None:
        own = counted(len(source.test.X), "row")
        say.line(f"not used, because of --test: the test part of {data}, {own}")
    return with_test(source, test)


@dataclass(frozen=True)
class _Wanted:
    """What the options say of the network and of its inputs."""

    hidden: tuple[int, ...]
    activation: str
    output: str
    cost: str
    initializer: str
    dtype: str
    seed: int
    scale: bool


def _pipeline(source: LabelledData, training: LabelledData, task: Task, wanted: _Wanted) -> Pipeline:
    """Set up the network, with all classes that the source has, and the encoding of the training rows."""
    if source.schema is None:
        check_finite(source.X, "float64", f"X of {source.name}")
        inputs: Scaling | Encoding = Scaling.fit(training.X) if wanted.scale else Scaling.none(training.X.shape[1])
    else:
        inputs = Encoding.fit(training.X, source.schema.columns, wanted.scale, training.cell)

    def make(n_in: int, n_out: int) -> Network:
        return Network(
            [n_in, *wanted.hidden, n_out],
            [wanted.activation] * len(wanted.hidden) + [wanted.output],
            wanted.cost,
            initializer=wanted.initializer,
            dtype=wanted.dtype,
            seed=wanted.seed,
        )

    return untrained(source, training, task, inputs, wanted.scale, make)


def _check_trained(history: History) -> None:
    """See that training has left a model to save. Raises ChainruleError after divergence, and Exit."""
    if history.stopped == "divergence":
        raise ChainruleError(f"{history.message} No model was written.")
    if history.stopped == "interrupt" and not history.epochs:
        write_error("chainrule: interrupted in the first epoch. No model was written.")
        raise typer.Exit(130)  # what shells give a command that Ctrl-C ended


def _save_and_measure(
    pipeline: Pipeline, test_rows: LabelledData, out: Path, about: dict[str, Any], optimizer: str, history: History
) -> Figures:
    """Save the model before its test, so that nothing from here on can lose what was trained, and again with it."""
    pipeline.training.update(
        about
        | {
            "optimizer": history.choice.split()[0] if history.choice else optimizer,
            "stopped": history.stopped,
            "restored_epoch": history.restored_epoch,
            "history": without_nan(history.to_dict()),
            "test": {},
        }
    )
    pipeline.save(out)
    figures = pipeline.evaluate(test_rows)
    pipeline.training["test"] = without_nan({k: v for k, v in figures.items() if k != "confusion_matrix"})
    pipeline.save(out)
    return figures


def _report(say: Printer, pipeline: Pipeline, test_rows: LabelledData, history: History, figures: Figures) -> None:
    """Say how training went, and what the test rows gave."""
    unforeseen = Unforeseen(pipeline.inputs)
    unforeseen.look(test_rows.X)
    say_unforeseen(unforeseen)
    if history.choice:
        say.line(f"chosen: {history.choice}")
    if history.rate_search is not None:
        say.line(f"found the learning rate {history.rate_search.chosen:.3g} in {len(history.rate_search.rates)} steps")
    say.line(f"{history.message}; {counted(history.epochs, 'epoch')} in {sum(history.seconds):.2f} s")
    say_costs(say, history.cost, history.validation_cost, history.restored_epoch)
    say.line("on the test rows:")
    say.figures(figures)
    if "confusion_matrix" in figures:
        say.confusions(figures["confusion_matrix"], class_names(pipeline))
