"""Checks of the classes and arguments of callbacks, loggers and the Trainer in a config."""

import pytorch_lightning as pl
from omegaconf import DictConfig

from dlpipe.config.checks.constructor import constructor_problems
from dlpipe.config.checks.devices import count_problems
from dlpipe.config.checks.objects import resolve_target
from dlpipe.errors import Problem
from dlpipe.training.build import options_of

# arguments of the Trainer that dlpipe sets, and what a user sets instead
MANAGED_TRAINER_ARGS = {
    "logger": "is dlpipe's; choose with logger=",
    "callbacks": "are dlpipe's; add one with +callbacks.NAME._target_=",
    "plugins": "are dlpipe's: it writes checkpoints atomically",
    "default_root_dir": "is the run's directory; choose it with hydra.run.dir=",
    "enable_checkpointing": "is dlpipe's; remove ~callbacks.checkpoints",
    "enable_progress_bar": "is dlpipe's; remove ~callbacks.progress_bar",
}


def target_problems(config: DictConfig) -> list[Problem]:
    """Problems with the nodes that Hydra instantiates for a run or for one of its stages."""
    problems = [
        Problem(f"trainer.{name}", message) for name, message in MANAGED_TRAINER_ARGS.items() if name in config.trainer
    ]
    problems += count_problems(config)
    resolve_target(config.trainer, "trainer", problems)
    problems += constructor_problems(pl.Trainer, options_of(config.trainer), "trainer", takes_objects=True)
    for root in ("callbacks", "logger"):
        for name, node in config[root].items():
            where = f"{root}.{name}"
            if cls := resolve_target(node, where, problems):
                problems += constructor_problems(cls, options_of(node), where, takes_objects=True)
    return problems
