"""From config nodes to objects: the chosen classes, called with flat arguments.

Only here and in `pipeline` is a DictConfig seen; models and datasets take plain arguments.
"""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.model_helpers import is_overridden

from dlpipe import plugins
from dlpipe.errors import PluginError


def options_of(node: DictConfig) -> dict[str, Any]:
    """The constructor arguments in a node: plain containers, without ``name`` and ``_target_``."""
    options = OmegaConf.to_container(node, resolve=True)
    return {str(k): v for k, v in options.items() if k not in ("name", "_target_")}  # type: ignore[union-attr]


def build_model(node: DictConfig) -> pl.LightningModule:
    """The LightningModule that ``node.name`` means."""
    return plugins.load("model", node.name)(**options_of(node))  # type: ignore[no-any-return]


def build_dataset(node: DictConfig) -> pl.LightningDataModule:
    """The LightningDataModule that ``node.name`` means."""
    return plugins.load("dataset", node.name)(**options_of(node))  # type: ignore[no-any-return]


def optimizer_factory(node: DictConfig) -> Callable[[Any], torch.optim.Optimizer]:
    """The composed optimizer, still waiting for parameters or parameter groups."""
    cls, options = get_class(node._target_), options_of(node)
    return lambda parameters: cls(parameters, **options)


def has_own_optimizer(model: type[pl.LightningModule] | pl.LightningModule) -> bool:
    """Whether the class defines ``configure_optimizers`` itself."""
    cls = model if isinstance(model, type) else type(model)
    return cls.configure_optimizers is not pl.LightningModule.configure_optimizers


def parameter_groups(model: pl.LightningModule, weight_decay: float) -> list[dict[str, Any]]:
    """The module's own ``parameter_groups()``, or one group of all its parameters.

    A penalty l2 * sum(W^2) arrives as a group's ``weight_decay`` of 2 * l2; what ``optimizer.weight_decay``
    asks for comes on top of it.
    """
    own = getattr(model, "parameter_groups", None)
    if own is None:
        return [{"params": [p for p in model.parameters() if p.requires_grad]}]
    groups = [dict(group) for group in own()]
    for group in groups:
        if "weight_decay" in group:
            group["weight_decay"] += weight_decay
    return groups


def give_optimizer(model: pl.LightningModule, node: DictConfig) -> None:
    """Let a module without ``configure_optimizers`` train with the composed optimizer."""
    if has_own_optimizer(model):
        return
    factory = optimizer_factory(node)
    weight_decay = float(node.get("weight_decay", 0.0))

    def configure_optimizers() -> torch.optim.Optimizer:
        return factory(parameter_groups(model, weight_decay))

    # Lightning looks the hook up on the instance, so a module needs no base class of ours
    model.configure_optimizers = configure_optimizers  # type: ignore[method-assign]


def check_trainable(model: pl.LightningModule, name: str) -> None:
    """Refuse a module that Lightning could not fit, before anything is written.

    Raises:
        PluginError: the module has no ``training_step``.
    """
    if not is_overridden("training_step", model, pl.LightningModule):
        raise PluginError(f"model {name!r} ({type(model).__name__}) has no training_step; Lightning needs one")
