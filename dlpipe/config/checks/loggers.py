"""Checks of the loggers: missing packages, and settings that each reads from the environment.

No logger is built: many write files, or call a server, when they are.
"""

from importlib.util import find_spec
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig
from pytorch_lightning.loggers import CometLogger, Logger, MLFlowLogger, TensorBoardLogger

from dlpipe.errors import DlpipeError, Problem
from dlpipe.plain_config import plain
from dlpipe.training.loggers.mlflow import ResumableMLFlowLogger, check_mlflow

# what each of Lightning's loggers imports when it is built: one of these packages; and what installs it
PACKAGES: dict[type[Logger], tuple[tuple[str, ...], str]] = {
    TensorBoardLogger: (("tensorboard", "tensorboardX"), "'dlpipe[tensorboard]'"),
    MLFlowLogger: (("mlflow",), "'dlpipe[mlflow]'"),
    CometLogger: (("comet_ml",), "comet_ml"),
}


def logger_problems(config: DictConfig) -> list[Problem]:
    """Problems with the loggers of a run, whose classes have passed `target_problems`."""
    problems = []
    for name, node in plain(config.logger).items():
        cls = get_object(node["_target_"])
        try:
            _check_package(cls)
            _check_settings(name, node, cls)
        except DlpipeError as error:
            problems.append(Problem(f"logger={name}", str(error)))
    return problems


def _check_package(cls: Any) -> None:
    for kind, (packages, install) in PACKAGES.items():
        if isinstance(cls, type) and issubclass(cls, kind) and not any(find_spec(package) for package in packages):
            raise DlpipeError(f"needs the package {packages[0]}: pip install {install}")


def _check_settings(name: str, node: dict[str, Any], cls: Any) -> None:
    if cls is ResumableMLFlowLogger:
        check_mlflow(node.get("tracking_uri"), bool(node.get("offline")))
    if name == "wandb":
        from dlpipe.training.loggers.wandb import check_environment  # imports wandb, which takes 0.5 s

        check_environment()
