"""The stages of a model, which its ``stages()`` method returns."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from dlpipe.contract import optional_method
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import PluginError, format_list

# name of the only stage of a model without stages
TRAIN = ""
NAME = re.compile(r"\w+(/\w+)*")


@dataclass(frozen=True)
class Stage:
    """One fit of one module; a model's ``stages()`` returns its stages in the order in which they are trained.

    Args:
        name: such as ``pretrain/0``, whose recipe is ``recipe`` overridden by ``recipe.stages.pretrain``.
        module: the module to train: the model or a submodule, so that the model's state_dict has its weights.
        encode: maps the dataset's x (examples, features) to the module's inputs, such as the activations of the
            layers below; called once when the stage starts, without gradients, and used for all epochs, so it must
            be deterministic. A module, or the module of a method or a partial, is put in evaluation mode for it.
        begin: called when the stage starts, but not when it is resumed; for example to copy weights.
        callbacks: the stage's callbacks, in addition to those of the config.
    """

    name: str
    module: pl.LightningModule
    encode: Callable[[Tensor], Tensor] | None = None
    begin: Callable[[], None] | None = None
    callbacks: Sequence[pl.Callback] = ()


def is_staged(model: pl.LightningModule) -> bool:
    """Whether a model defines stages."""
    return optional_method(model, "stages") is not None


def stages_of(model: pl.LightningModule) -> list[Stage]:
    """The stages of a model; a model without stages is its own only stage. A PluginError refuses any other result."""
    stages = optional_method(model, "stages")
    if stages is None:
        return [Stage(TRAIN, model)]
    method, result = f"{type(model).__name__}.stages()", list(stages())
    for stage in result:
        if not isinstance(stage, Stage) or not isinstance(stage.module, pl.LightningModule):
            raise PluginError(
                f"{method} returned {stage!r}; it must return dlpipe.stages.Stage objects with a LightningModule"
            )
        if not NAME.fullmatch(stage.name):
            raise PluginError(
                f"{method} returned a stage with the name {stage.name!r}; use words separated by /, such as pretrain/0"
            )
    names = [stage.name for stage in result]
    if not names or len(set(names)) < len(names):
        raise PluginError(
            f"{method} returned {format_list(names)}; it must return at least one stage, each with a unique name"
        )
    return result


def selected(stages: list[Stage], names: Sequence[str] | None) -> list[Stage]:
    """The stages that ``stages=[...]`` selects, all if it is null; ``pretrain`` also selects ``pretrain/0``."""
    if names is None:
        return stages
    known = [name for stage in stages for name in prefixes(stage.name)]
    for name in names:
        if name not in known:
            there_are = f"the model's stages: {format_list([stage.name for stage in stages if stage.name])}"
            raise PluginError(f"stages={list(names)}: no stage {name!r}; {did_you_mean(name, known)}{there_are}")
    return [stage for stage in stages if not set(prefixes(stage.name)).isdisjoint(names)]


def prefixes(name: str) -> list[str]:
    """The names that select a stage: ``pretrain`` and ``pretrain/0`` for ``pretrain/0``; none for an empty name."""
    words = name.split("/") if name else []
    return ["/".join(words[: count + 1]) for count in range(len(words))]


def check_stages(model: pl.LightningModule, names: Sequence[str] | None, overlays: Any) -> None:
    """Refuse names of stages that the model lacks: ``names``, as in `selected`, and those of ``recipe.stages``."""
    stages = stages_of(model)
    if not selected(stages, names):
        raise PluginError(f"stages={list(names or [])} leaves nothing to train; null trains all stages")
    known = [name for stage in stages for name in prefixes(stage.name)]
    for name in overlays:
        if name not in known:
            there_are = f"the model's stages: {format_list(known)}"
            raise PluginError(f"recipe.stages.{name}: no such stage; {did_you_mean(name, known)}{there_are}")
