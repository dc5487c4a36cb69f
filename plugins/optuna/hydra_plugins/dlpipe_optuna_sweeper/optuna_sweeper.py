"""``hydra/sweeper=optuna``. Hydra executes this file at every start: Optuna is imported only once a search starts."""

from collections.abc import Iterable, Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

# plain values: an instance of a class of this file could not be pickled in a launcher's worker, where Hydra executes
# the file again
DEFAULTS = {
    "_target_": f"{__name__}.OptunaSweeper",
    "n_trials": 20,
    "n_jobs": 1,
    "sampler": "tpe",
    "sampler_options": None,
    "pruner": "none",
    "pruner_options": None,
    "seed": None,
    "params": None,
}
ConfigStore.instance().store(group="hydra/sweeper", name="optuna", node=DEFAULTS, provider="dlpipe-optuna")


class OptunaSweeper(Sweeper):
    """Search with Optuna; see docs/search.md.

    Args:
        settings: the options of `DEFAULTS`.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None
        self.launcher: Launcher | None = None

    @staticmethod
    def problems(configs: Sequence[DictConfig], overrides: Sequence[str]) -> Iterable[Any]:
        """What is wrong with a search, before anything is written.

        Args:
            configs: composed configs, with their ``hydra`` node, that together have every choice of the overrides.
            overrides: those of the request, without Hydra's own.
        """
        from dlpipe import Problem

        try:
            from dlpipe_optuna.checks import problems
        except ImportError as error:
            message = f"needs Optuna ({error}): pip install 'dlpipe[optuna]'"
            return [Problem("hydra/sweeper=optuna", message)]
        return problems(configs, overrides)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Create the launcher."""
        from hydra.core.plugins import Plugins

        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the trials of the search that have not ended yet."""
        from dlpipe_optuna.search import search

        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        search(self.config, self.hydra_context.config_loader, self.launcher, arguments)
