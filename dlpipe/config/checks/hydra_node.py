"""Checks of the objects that Hydra instantiates from its own node: its callbacks, and its logging handlers.

Hydra calls whatever they name, and a folder of YAML (``--config-dir``) may be untrusted. Launchers and sweepers need
no check: Hydra only instantiates registered ones.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from dlpipe.config.checks.objects import resolve_target
from dlpipe.errors import Problem, format_list

LOGGING_NODES = ("hydra_logging", "job_logging")
# what a logging configuration may instantiate, with the key ``class`` or ``()``
LOGGING_CLASSES = {
    *(f"logging.{name}" for name in ("StreamHandler", "FileHandler", "NullHandler", "Formatter", "Filter")),
    *(f"logging.handlers.{name}" for name in ("RotatingFileHandler", "TimedRotatingFileHandler")),
    "colorlog.ColoredFormatter",
    "dlpipe.cli.console.ConsoleHandler",
}
REFERENCES = ("ext://sys.stdout", "ext://sys.stderr")


def hydra_problems(cfg: DictConfig) -> list[Problem]:
    """Objects that Hydra would instantiate for a run and whose type is not allowed for their key."""
    node: Any = OmegaConf.to_container(cfg.hydra, resolve=False)
    problems: list[Problem] = []
    for name, callback in (node.get("callbacks") or {}).items():
        resolve_target(callback, f"hydra.callbacks.{name}", problems, (Callback,))
    for name in LOGGING_NODES:
        problems += _logging_problems(node.get(name) or {}, f"hydra.{name}")
    return problems


def _logging_problems(node: Mapping[str, Any] | list[Any], where: str) -> Iterator[Problem]:
    for key, value in node.items() if isinstance(node, Mapping) else enumerate(node):
        item_key = f"{where}.{key}"
        if key == ".":
            yield Problem(item_key, "a logging configuration must not set attributes")
        elif key in ("()", "class") and value not in LOGGING_CLASSES:
            yield Problem(f"{item_key}={value}", f"must be one of {format_list(sorted(LOGGING_CLASSES))}")
        elif isinstance(value, (Mapping, list)):
            yield from _logging_problems(value, item_key)
        elif isinstance(value, str) and "ext://" in value and value not in REFERENCES:
            yield Problem(f"{item_key}={value}", f"must refer to {' or '.join(REFERENCES)}")
