"""What an untrusted config in a run's directory must not do: docs/trust.md."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlpipe.config.checks.objects import imported_from
from dlpipe.config.paths import names_path
from dlpipe.errors import Problem
from dlpipe.flat import flat
from dlpipe.operating_system import expand_user

ADVICE = "if the run is your own, add --trust"
# nodes whose objects write files
WRITERS = ("callbacks", "logger", "trainer")


def untrusted_problems(cfg: DictConfig) -> list[Problem]:
    """Code in the run's directory that would be imported, and paths outside of it that the run would write to."""
    config, directory = _plain(cfg), Path(cfg.output_dir)
    return [*code_problems(config, directory), *_writing_problems(config, directory)]


def code_problems(config: dict[str, Any], directory: Path) -> list[Problem]:
    """Values that would import code from the run's directory."""
    message = f"its code lies in the run's directory, where anybody may have put it; move it elsewhere, or {ADVICE}"
    return [Problem(value, message) for value in imported_from(directory, config)]


def _writing_problems(config: dict[str, Any], directory: Path) -> Iterator[Problem]:
    for key, value in flat(config).items():
        parts = key.removeprefix("stage_configs.").split(".")
        if set(parts[:2]).isdisjoint(WRITERS) or not (isinstance(value, str) and names_path(parts[-1])):
            continue
        if not expand_user(value).resolve().is_relative_to(directory.resolve()):
            yield Problem(f"{key}={value}", f"lies outside of the run's directory {directory}; {ADVICE}")


def _plain(cfg: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]  # it is a dict
