"""What a model says of its stages."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from dlpipe.contract import optional_method
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import PluginError, format_list

# of a model that names no stages: its only one
TRAIN = ""
NAME = re.compile(r"\w+(/\w+)*")


@dataclass(frozen=True)
class Stage:
    """One fit of one module, which a model's ``stages()`` gives in the order in which they are run.

    Args:
        name: such as ``pretrain/0``; ``recipe.stages.pretrain`` is laid over the recipe for it.
        module: what is trained: a part of the model, so that the model's state_dict has its weights, or the model.
        encode: makes of the dataset's x (examples, features) what the module is trained on, such as the activations
            of the layers below; called once when the stage starts, without gradients, and the same for all epochs,
            so that it must not draw. A module, or that of a method or a partial, is in evaluation mode meanwhile.
        begin: called when the stage starts, not when it is resumed; such as to copy weights of the stages before.
        callbacks: of this stage, beside those that the config composes.
    """

    name: str
    module: pl.LightningModule
    encode: Callable[[Tensor], Tensor] | None = None
    begin: Callable[[], None] | None = None
    callbacks: Sequence[pl.Callback] = ()


def is_staged(model: pl.LightningModule) -> bool:
    """Whether a model names stages."""
    return optional_method(model, "stages") is not None


def stages_of(model: pl.LightningModule) -> list[Stage]:
    """The stages that a model names; for one that names none, the only one: the model itself.

    Raises:
        PluginError: what its ``stages()`` gives are no stages, or two of one name.
    """
    stages = optional_method(model, "stages")
    if stages is None:
        return [Stage(TRAIN, model)]
    who, found = f"{type(model).__name__}.stages()", list(stages())
    for stage in found:
        if not isinstance(stage, Stage) or not isinstance(stage.module, pl.LightningModule):
            raise PluginError(f"{who} gives {stage!r}; wanted are dlpipe.stages.Stage of LightningModules")
        if not NAME.fullmatch(stage.name):
            raise PluginError(f"{who} has the name {stage.name!r}; a name is words with / between, as pretrain/0")
    names = [stage.name for stage in found]
    if not names or len(set(names)) < len(names):
        raise PluginError(
            f"{who} gives {format_list(names)}; wanted is at least one stage, each with a name of its own"
        )
    return found


def selected(stages: list[Stage], names: Sequence[str] | None) -> list[Stage]:
    """Those that ``stages=[...]`` asks for, all where it asks for none; ``pretrain`` asks for ``pretrain/0``, too.

    Raises:
        PluginError: a name is no stage's.
    """
    if names is None:
        return stages
    known = [name for stage in stages for name in prefixes(stage.name)]
    for name in names:
        if name not in known:
            there_are = f"the model's stages: {format_list([stage.name for stage in stages if stage.name])}"
            raise PluginError(f"stages={list(names)}: no stage {name!r}; {did_you_mean(name, known)}{there_are}")
    return [stage for stage in stages if not set(prefixes(stage.name)).isdisjoint(names)]


def prefixes(name: str) -> list[str]:
    """``pretrain/0`` is called by ``pretrain`` and by ``pretrain/0``; the only stage of a model by nothing."""
    words = name.split("/") if name else []
    return ["/".join(words[: count + 1]) for count in range(len(words))]


def check_stages(model: pl.LightningModule, names: Sequence[str] | None, overlays: Any) -> None:
    """Refuse names of stages that the model has not.

    Args:
        model: the whole.
        names: as in `selected`.
        overlays: of the recipe, by the names of stages.

    Raises:
        PluginError: a name is no stage's, or no stage is left.
    """
    stages = stages_of(model)
    if not selected(stages, names):
        raise PluginError(f"stages={list(names or [])} leaves nothing to train; null trains all stages")
    known = [name for stage in stages for name in prefixes(stage.name)]
    for name in overlays:
        if name not in known:
            there_are = f"the model's stages: {format_list(known)}"
            raise PluginError(f"recipe.stages.{name}: no such stage; {did_you_mean(name, known)}{there_are}")
