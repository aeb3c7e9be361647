"""What there is: the network, the data, what can be chosen; and opening another data set."""

from __future__ import annotations

from typing import Any

from chainrule.data.readers import NAMES, read
from chainrule.errors import unknown_name
from chainrule.explorer.answers import RefusedError
from chainrule.explorer.endpoints import VERSION, Asked, Endpoint
from chainrule.explorer.material import PARTS, Material, untrained
from chainrule.explorer.parameters import Choice, ListOf, Parameter, Whole, Words
from chainrule.explorer.session import Now, Session
from chainrule.glassbox.derivations.notations import NOTATIONS
from chainrule.maths.activations import BUILT_IN as ACTIVATIONS
from chainrule.maths.activations import activation
from chainrule.maths.costs import BUILT_IN as COSTS
from chainrule.maths.updates import RULES

HIDDEN_ACTIVATIONS = tuple(name for name in ACTIVATIONS if not activation(name).coupled)
ACTIVATION = Choice(HIDDEN_ACTIVATIONS)
NAMED: list[dict[str, Any]] = [
    {"name": name, "rows": rows, "inputs": inputs, "task": task, "plane": inputs == 2}
    for name, rows, inputs, task in (
        ("moons", 400, 2, "classification"),
        ("circles", 400, 2, "classification"),
        ("spiral", 400, 2, "classification"),
        ("xor", 400, 2, "classification"),
        ("breast_cancer", 569, 30, "classification"),
        ("diabetes", 442, 10, "regression"),
        ("digits", 1797, 64, "classification"),
        ("iris", 150, 4, "classification"),
        ("wine", 178, 13, "classification"),
    )
]
"""What is there without a file; written down, for reading them all takes longer than everything else at the start."""
_RETURNS = {
    "version": "integer",
    "network": "object",
    "data": "object",
    "training": "object",
    "choices": "object",
}


def _state(asked: Asked) -> dict[str, Any]:
    return describe(asked.session, asked.now)


def _open(asked: Asked) -> dict[str, Any]:
    name, offered = asked["dataset"], asked.session.offered
    if name not in offered and name not in NAMES:
        raise RefusedError(404, str(unknown_name("dataset", name, [*offered, *NAMES])), "dataset")
    settings = asked["hidden"], asked["activation"], asked["seed"]
    asked.session.open(offered[name].untrained(*settings) if name in offered else untrained(read(name), *settings))
    return describe(asked.session, asked.session.now())


def describe(session: Session, now: Now) -> dict[str, Any]:
    """Say all that the page needs to know before it asks for a row."""
    net, material = now.net, now.material
    return {
        "version": now.version,
        "network": {
            "sizes": net.sizes,
            "activations": net.activations,
            "cost": net.cost_function.name,
            "bias": net.plan.bias,
            "reduction": net.plan.reduction,
            "dtype": net.plan.dtype,
            "parameters": net.plan.n_parameters,
            "backend": net.backend,
        },
        "data": {
            "name": material.name,
            "rows": {part: material.count(part) for part in PARTS},
            "features": material.features,
            "classes": material.classes,
            "task": material.pipeline.task,
            "image": material.image,
            "plane": material.plane,
        },
        "training": session.trainer.describe(),
        "choices": {
            "datasets": [
                *(_offer(material) for material in session.offered.values()),
                *(named for named in NAMED if named["name"] not in session.offered),
            ],
            "activations": HIDDEN_ACTIVATIONS,
            "output_activations": ACTIVATIONS,
            "optimizers": list(RULES),
            "notations": [
                {"name": notation.name, "source": notation.source, "title": notation.title}
                for notation in NOTATIONS.values()
            ],
            "costs": COSTS,
        },
    }


def _offer(material: Material) -> dict[str, Any]:
    return {
        "name": material.name,
        "rows": material.count("all"),
        "inputs": material.pipeline.net.sizes[0],
        "task": material.pipeline.task,
        "plane": material.plane,
    }


ENDPOINTS = (
    Endpoint("GET", "/api/state", "The network, the data, training, and what can be chosen.", _state, _RETURNS),
    Endpoint(
        "POST",
        "/api/open",
        "A new, untrained network for a data set; its output activation and cost are those of the task.",
        _open,
        _RETURNS,
        (
            Parameter("dataset", Words(r"[^\x00-\x1f]+", "xor", 4096), "one of choices.datasets", required=True),
            Parameter("hidden", ListOf(Whole(1, 2048), 0, 8), "units of each hidden layer", [4, 4]),
            Parameter("activation", ACTIVATION, "of the hidden layers", "tanh"),
            Parameter("seed", Whole(0, 2**32 - 1), "fixes the first weights and the split", 0),
            VERSION,
        ),
    ),
)
