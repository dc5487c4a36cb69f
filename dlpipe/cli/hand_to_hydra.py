"""Hand a checked command line, or the config that it has been composed to, to Hydra."""

import sys
from collections.abc import Callable
from typing import Any

from hydra.types import TaskFunction
from omegaconf import DictConfig, open_dict

from dlpipe.plugins import registry

FAILED = 1


def hand_to_hydra(arguments: list[str]) -> int:
    """Let Hydra run the task; it takes its arguments from ``sys.argv`` and exits by itself when it fails."""
    import hydra

    from dlpipe.cli.hydra_task import task
    from dlpipe.config.compose import VERSION_BASE

    sys.argv = [sys.argv[0], *arguments]
    run = hydra.main(config_path=str(registry.conf_dir()), config_name="config", version_base=VERSION_BASE)(task)
    return _exit_code(run)


def run_composed(config: DictConfig, texts: list[str], task: TaskFunction) -> int:
    """Let Hydra run a task with a config that has been composed, which takes Hydra 0.2 s; return the exit code.

    Args:
        config: as the checks composed it; changed in place to the one that Hydra would compose for the run.
        texts: its overrides, for ``sys.argv``, which the provenance keeps, and for what Hydra prints.
        task: what to run.
    """
    from hydra._internal.utils import run_and_report

    from dlpipe.config.compose import hydra_of, quoted

    directory = f"hydra.run.dir={quoted(str(config.hydra.run.dir))}"
    overrides = [*texts, directory]
    sys.argv = [sys.argv[0], *overrides]
    with open_dict(config):
        config.hydra.run.dir = str(config.hydra.run.dir)  # the time in it is that of the check
        config.hydra.overrides.hydra = [*config.hydra.overrides.hydra, directory, "hydra.mode=RUN"]
        config.output_dir = "${hydra:runtime.output_dir}"
    with hydra_of(config) as hydra:
        return _exit_code(lambda: run_and_report(lambda: hydra.run("config", task, overrides)))


def _exit_code(run: Callable[[], Any]) -> int:
    from hydra.errors import CompactHydraException

    try:
        run()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else FAILED
    except CompactHydraException:  # with HYDRA_FULL_ERROR=1, Hydra raises it
        return FAILED
    return 0
