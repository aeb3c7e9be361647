"""The model file of the network as it is now."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from chainrule.explorer.answers import File
from chainrule.explorer.endpoints import Asked, Endpoint
from chainrule.explorer.session import Session
from chainrule.modelfile.networks import save


def _model(asked: Asked) -> File:
    now = asked.now
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.chainrule"
        if now.material.has_pipeline:
            about = _about(asked.session, now.material.pipeline.training)
            replace(now.material.pipeline, net=now.net, training=about).save(path)
        else:
            save(now.net, path)
        return File(path.read_bytes(), "explored.chainrule", "application/octet-stream")


def _about(session: Session, known: dict[str, Any]) -> dict[str, Any]:
    """What the file says of its training: what it said before, unless it was trained here; {} where it said nothing."""
    trainer = session.trainer.describe()
    history = trainer["history"]
    if not known or ("history" in known and not history["cost"]):
        return known
    trained = {"epoch": list(range(1, len(history["cost"]) + 1)), "cost": history["cost"]}
    if all(value is not None and value == value for value in history["validation_cost"]):
        trained["validation_cost"] = history["validation_cost"]
    settings = trainer["settings"]
    here = {"optimizer": settings["optimizer"], "stopped": trainer["status"], "restored_epoch": None, "test": {}}
    return known | here | {"history": trained}


ENDPOINTS = (
    Endpoint("GET", "/api/export/model", "The model file of the network.", _model, "application/octet-stream"),
)
