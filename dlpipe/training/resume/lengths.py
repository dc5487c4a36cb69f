"""How long a stage trains, and whether a change of that lets training that had ended continue."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from dlpipe.training.resume.run_state import KEY


class Lengths(NamedTuple):
    """What ends a stage; infinite where nothing does."""

    max_epochs: float
    max_steps: float
    patience: float
    max_time: Any


def lengths(config: Mapping[str, Any]) -> Lengths:
    """The lengths in a stage's config."""
    trainer = config["trainer"]
    patience = (config["callbacks"].get("patience") or {}).get("patience")
    return Lengths(
        _limit(trainer.get("max_epochs")), _limit(trainer.get("max_steps")), _limit(patience), trainer.get("max_time")
    )


def trains_on(checkpoint: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a stage that had ended by this checkpoint trains on, because the limit that ended it was raised."""
    before, now = lengths(checkpoint[KEY]["config"]), lengths(config)
    epochs, updates = checkpoint["epoch"], checkpoint["global_step"]
    state = _patience_state(checkpoint)
    if before == now or epochs >= now.max_epochs or updates >= now.max_steps:
        return False
    if state and state["stopped"]:
        return bool(max(state["patience"]["patience"], now.patience) > updates - 1)
    is_other_limit = epochs < before.max_epochs and updates < before.max_steps  # a time limit, or a callback
    return not is_other_limit or now.max_time != before.max_time


def length_problem(checkpoint: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Why training cannot be resumed from this checkpoint with the lengths of a config; empty if it can."""
    before, now = lengths(checkpoint[KEY]["config"]), lengths(config)
    epochs, updates = checkpoint["epoch"], checkpoint["global_step"]
    more = 0 if is_done(checkpoint) else 1  # the end of training has to come yet
    if now.max_epochs != before.max_epochs and now.max_epochs < epochs + more:
        return f"max_epochs={now.max_epochs:g}: {epochs} epochs have been trained; choose at least {epochs + more}"
    if now.max_steps != before.max_steps and now.max_steps < updates + more:
        return f"max_steps={now.max_steps:g}: {updates} updates have been made; choose at least {updates + more}"
    if now.patience < before.patience:
        was = "null" if before.patience == math.inf else f"{before.patience:g}"
        return f"patience={now.patience:g}: it was {was}, and validations are judged by it; it can only be raised"
    return ""


def is_done(checkpoint: Mapping[str, Any]) -> bool:
    """Whether training had ended when the checkpoint was written."""
    return any(state.get("done") for state in checkpoint["callbacks"].values() if isinstance(state, dict))


def _limit(value: Any) -> float:
    return math.inf if value is None or value == -1 else float(value)


def _patience_state(checkpoint: Mapping[str, Any]) -> Any:
    states = checkpoint["callbacks"].values()
    return next((state for state in states if isinstance(state, dict) and "stopped" in state), None)
