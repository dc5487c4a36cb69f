"""From config nodes to objects: the chosen classes, called with flat arguments.

Only here and in `pipeline` is a DictConfig seen; models and datasets take plain arguments.
"""

from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities.model_helpers import is_overridden
from pytorch_lightning.utilities.seed import isolate_rng

from dlpipe.errors import PluginError
from dlpipe.plugins.load_class import load_class
from dlpipe.training.distributed.rank_info import get_rank_info


def options_of(node: DictConfig) -> dict[str, Any]:
    """The constructor arguments in a node: plain containers, without ``name`` and ``_target_``."""
    options = OmegaConf.to_container(node, resolve=True)
    return {str(k): v for k, v in options.items() if k not in ("name", "_target_")}  # type: ignore[union-attr]


def build_model(node: DictConfig) -> pl.LightningModule:
    """The LightningModule that ``node.name`` means."""
    return load_class("model", node.name)(**options_of(node))  # type: ignore[no-any-return]


def build_model_seeded(cfg: DictConfig) -> pl.LightningModule:
    """The model as the run of a config makes it: a constructor may draw, and judge what it drew."""
    with isolate_rng():
        pl.seed_everything(cfg.seed, verbose=False)
        return build_model(cfg.model)


def build_dataset(node: DictConfig) -> pl.LightningDataModule:
    """The LightningDataModule that ``node.name`` means."""
    return load_class("dataset", node.name)(**options_of(node))  # type: ignore[no-any-return]


def bare_trainer(node: DictConfig) -> pl.Trainer:
    """The Trainer without what the pipeline adds; raises whatever Lightning says of its arguments."""
    return instantiate(  # type: ignore[no-any-return]  # Hydra's instantiate gives Any
        node,
        logger=False,
        callbacks=[],
        enable_progress_bar=False,
        enable_checkpointing=False,
        plugins=[cluster_environment()],
    )


def cluster_environment() -> ClusterEnvironment:
    """Who started this process, for a Trainer; Lightning's own guess takes a batch script of SLURM for a rank."""
    launcher = get_rank_info().launcher
    if launcher is None:
        return LightningEnvironment()
    return SLURMEnvironment(auto_requeue=False) if launcher == "srun" else TorchElasticEnvironment()


def num_processes(node: DictConfig) -> int:
    """How many processes, one a device, the Trainer asks for."""
    return 1 if node.get("devices", 1) == node.get("num_nodes", 1) == 1 else bare_trainer(node).world_size


def check_trainable(model: pl.LightningModule, name: str) -> None:
    """Refuse a module that Lightning could not fit, before anything is written.

    Raises:
        PluginError: the module has no ``training_step``.
    """
    if not is_overridden("training_step", model, pl.LightningModule):
        raise PluginError(f"model {name!r} ({type(model).__name__}) has no training_step; Lightning needs one")


def check_supports_significance(model: pl.LightningModule, name: str, significance: float | None) -> None:
    """Refuse to test the improvements of a module that predicts nothing.

    Raises:
        PluginError: ``recipe.significance`` is set and the module has no ``predict_step``.
    """
    if significance is not None and not is_overridden("predict_step", model, pl.LightningModule):
        raise PluginError(
            f"recipe.significance={significance} needs class probabilities, and model {name!r} has no predict_step; "
            "set it to null"
        )
