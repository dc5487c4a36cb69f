"""Stop trials that are hopeless beside the others of their search."""

import logging
import math
from pathlib import Path
from typing import Any

import optuna
import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import to_absolute_path
from omegaconf import OmegaConf
from optuna.trial import Trial, TrialState

from dlpipe import PrunedError, monitored
from dlpipe_optuna.journal import JOURNAL, PRUNED, STUDY, open_storage
from dlpipe_optuna.samplers import build_pruner
from dlpipe_optuna.search_space import overrides

log = logging.getLogger(__name__)


class Pruning(pl.Callback):
    """Report each validation to the trial's study, and end the run where the study's pruner says so.

    The steps of the reports are the validations of the run, counted from 1. Outside of a search, as in a job that is
    resumed by itself, it does nothing.

    Args:
        monitor: the metric; null means val/error, else val/loss, else val_loss.
    """

    def __init__(self, monitor: str | None = None) -> None:
        self.monitor = monitor
        self.validations = 0
        self._trial: Trial | None = None
        self._hopeless: str | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find the trial of this run."""
        self._trial = _running_trial() if trainer.is_global_zero and not _is_a_check(trainer) else None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the monitored metric."""
        if trainer.state.fn != "fit" or trainer.sanity_checking or trainer.should_stop or _is_a_check(trainer):
            return
        found = monitored(trainer, self.monitor)
        self.validations += 1
        if found and math.isfinite(found[1]):
            self._hopeless = trainer.strategy.broadcast(self._report(*found))

    def _report(self, metric: str, value: float) -> str | None:
        """Why the trial is hopeless; None if it is not."""
        trial = self._trial
        if trial is None:
            return None
        reported = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        if self.validations not in reported:  # it is, where the run was killed after it
            trial.report(value, self.validations)
        if not trial.should_prune():
            return None
        return f"trial {trial.number} is pruned after validation {self.validations}: {metric} is {value:.6g}"

    def on_safe_point(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the run, unless training ends by itself.

        Raises:
            PrunedError: on every rank.
        """
        if self._hopeless:
            if self._trial:
                self._trial.set_user_attr(PRUNED, self.validations)
            raise PrunedError(self._hopeless)

    def state_dict(self) -> dict[str, Any]:
        """How often the run was validated."""
        return {"validations": self.validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.validations = state_dict["validations"]


def _is_a_check(trainer: pl.Trainer) -> bool:
    """Whether a copy of the model is trained on one minibatch before the run."""
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]


def _running_trial() -> Trial | None:
    """The trial whose values this process's job has; None outside of a search."""
    if not HydraConfig.initialized():
        return None
    node = HydraConfig.get()
    sweep_dir = Path(to_absolute_path(str(node.sweep.dir)))
    if "pruner" not in node.sweeper or not (sweep_dir / JOURNAL).exists():
        return None
    options: Any = OmegaConf.to_container(OmegaConf.create({"options": node.sweeper.pruner_options}))
    study = optuna.load_study(
        study_name=STUDY,
        storage=open_storage(sweep_dir),
        sampler=optuna.samplers.RandomSampler(),  # proposes nothing here
        pruner=build_pruner(node.sweeper.pruner, options["options"]),
    )
    texts = set(node.overrides.task)
    running = study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
    own = next((trial for trial in running if texts.issuperset(overrides(trial.params))), None)
    return Trial(study, own._trial_id) if own else None
