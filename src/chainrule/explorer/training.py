"""Training: its state, and what can be asked of it."""

from __future__ import annotations

from typing import Any

from chainrule.engine.network import Network
from chainrule.errors import text
from chainrule.explorer.answers import RefusedError
from chainrule.explorer.endpoints import VERSION, Asked, Endpoint
from chainrule.explorer.parameters import Choice, Fields, Parameter, Real, Whole
from chainrule.explorer.session import Session
from chainrule.explorer.state import ACTIVATION
from chainrule.maths.updates import RULES

_ACTIONS = ("start", "pause", "batch", "epoch", "reset", "configure")
_SETTINGS = Fields(
    (
        Parameter("optimizer", Choice(tuple(RULES)), "the update rule"),
        Parameter("learning_rate", Real(above=0), "step size η"),
        Parameter("batch_size", Whole(1, 2**31 - 1), "examples per step"),
        Parameter("seed", Whole(0, 2**32 - 1), "fixes the order of examples"),
        Parameter("epochs", Whole(1, 100_000), "where training ends, or by how much it goes on from there"),
        Parameter("penalty", Real(least=0), "λ of the penalty λ/2 Σ W² (E29)"),
    )
)
_RETURNS = {
    "status": "string",
    "message": "string|null",
    "epoch": "integer",
    "step": "integer",
    "steps_an_epoch": "integer",
    "settings": "object",
    "history": "object",
    "batch": "object|null",
}


def _training(asked: Asked) -> dict[str, Any]:
    return asked.session.trainer.describe(asked["since"])


def _train(asked: Asked) -> dict[str, Any]:
    session, action = asked.session, asked["action"]
    chosen = {name: value for name, value in (asked["settings"] or {}).items() if value is not None}
    if asked["activation"] is not None:
        _activate(session, action, asked["activation"])
    trainer = session.trainer
    if chosen:
        trainer.configure(chosen)
    match action:
        case "start":
            trainer.start()
        case "pause":
            trainer.pause()
        case "batch":
            trainer.one_batch()
        case "epoch":
            trainer.epoch()
        case "reset":
            trainer.reset()
    return trainer.describe()


def _activate(session: Session, action: str, activation: str) -> None:
    """Make the network anew, with another activation in its hidden layers. Raises RefusedError, 400, for others."""
    if action != "configure":
        hint = "Send it with the action configure: it makes the network anew."
        raise RefusedError(
            400, text("activation", expected="the action configure", got=action, hint=hint), "activation"
        )
    now = session.now()
    plan = now.net.plan
    hidden = [activation] * (plan.L - 1)
    net = Network(
        plan.sizes,
        [*hidden, plan.activation(plan.L)],
        plan.cost,
        bias=plan.bias,
        reduction=plan.reduction,
        dtype=plan.dtype,
        seed=session.trainer.settings.seed,
    )
    session.open(now.material.with_network(net), session.trainer.settings)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/training",
        "How training stands, with the figures of the epochs from `since` on.",
        _training,
        _RETURNS,
        (Parameter("since", Whole(), "the first epoch whose figures are wanted, from 0", 0),),
    ),
    Endpoint(
        "POST",
        "/api/train",
        "Start or pause training, take one batch or one epoch, reset the network, or change settings.",
        _train,
        _RETURNS,
        (
            Parameter("action", Choice(_ACTIONS), "what to do", required=True),
            Parameter("settings", _SETTINGS, "settings to change first"),
            Parameter("activation", ACTIVATION, "with configure: a new network with this activation in hidden layers"),
            VERSION,
        ),
    ),
)
