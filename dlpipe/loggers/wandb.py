"""Runs in Weights & Biases: online where somebody is logged in, else offline; never waiting, never asking."""

import logging
import os
from pathlib import Path

import wandb
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from pytorch_lightning.loggers import WandbLogger

log = logging.getLogger(__name__)
INIT_TIMEOUT_SECONDS = 15


def wandb_mode(offline: bool) -> str:
    """``WANDB_MODE`` if set; else online if a key is known and ``offline`` is not asked for; else offline."""
    if os.environ.get("WANDB_MODE"):
        return os.environ["WANDB_MODE"]
    if offline:
        return "offline"
    return "online" if wandb.login(prompt=False, verify=False) else "offline"


def wandb_logger(
    directory: str,
    project: str = "dlpipe",
    name: str | None = None,
    group: str | None = None,
    offline: bool = False,
) -> WandbLogger:
    """A logger with a run already started, in ``directory``.

    The run's name is its directory's, its tags are the overrides, its group is the sweep's directory name
    unless one is given. The id is kept in ``wandb_run_id``, for a resumed run to go on in.
    """
    sweep, tags = _sweep_and_overrides()
    mode = wandb_mode(offline)
    settings = {
        "project": project,
        "name": name or Path(directory).name,
        "group": group or sweep,
        "tags": [tag[:64] for tag in tags],  # W&B refuses longer ones
        "job_type": "train",
        "dir": directory,
        "reinit": "finish_previous",
    }
    quiet = wandb.Settings(init_timeout=INIT_TIMEOUT_SECONDS, silent=True)
    try:
        run = wandb.init(mode=mode, settings=quiet, **settings)  # type: ignore[arg-type]
    except wandb.errors.CommError as error:
        log.warning("W&B cannot be reached (%s); logging offline", error)
        run = wandb.init(mode="offline", settings=quiet, **settings)  # type: ignore[arg-type]
    (Path(directory) / "wandb_run_id").write_text(run.id, encoding="utf-8")
    if run.offline:
        log.info("W&B is offline; send this run later with: wandb sync %s", Path(run.dir).parent)
    else:
        log.info("W&B shows this run at %s", run.url)
    return WandbLogger(experiment=run)


def _sweep_and_overrides() -> tuple[str | None, list[str]]:
    """The sweep's directory name, if this run is a job of one, and the task's overrides."""
    if not HydraConfig.initialized():
        return None, []
    config = HydraConfig.get()
    sweep = Path(config.sweep.dir).name if config.mode == RunMode.MULTIRUN else None
    return sweep, list(config.overrides.task)
