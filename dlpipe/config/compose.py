"""One config tree from the core's ``conf/`` and every plugin's, composed by Hydra; no plugin is imported."""

from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from dlpipe.config.search_path import register
from dlpipe.errors import PluginError
from dlpipe.plugins import registry
from dlpipe.plugins.registry import conf_dir

VERSION_BASE = "1.3"


def read_options(path: Path) -> dict[str, Any]:
    """What a file of the tree says, with nothing in it looked up.

    Raises:
        PluginError: it is not YAML.
    """
    try:
        with path.open(encoding="utf-8") as file:
            content = yaml.safe_load(file)
    except yaml.YAMLError as error:
        raise _unreadable(error) from error
    return content if isinstance(content, dict) else {}  # without a name, which the light pass tells


def _unreadable(error: yaml.YAMLError) -> PluginError:
    """With file and line, which are in the lines of PyYAML's message."""
    return PluginError(f"a config file is not YAML: {' '.join(str(error).split())}")


class Composer:
    """Hydra's compose over the whole tree; a context, since Hydra keeps one global state.

    With no torch: composing reads YAML only.
    """

    def __enter__(self) -> "Composer":
        register()
        GlobalHydra.instance().clear()
        self._hydra = initialize_config_dir(str(conf_dir()), version_base=VERSION_BASE, job_name="dlpipe")
        self._hydra.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._hydra.__exit__(*exception)

    def compose(self, overrides: list[str]) -> DictConfig:
        """The composed config with its ``hydra`` node; the run's directory, which is not there yet, is a word.

        Raises:
            PluginError: a file of the tree is not YAML.
        """
        try:
            cfg = hydra_compose("config", overrides=overrides, return_hydra_config=True)
        except yaml.YAMLError as error:
            raise _unreadable(error) from error
        cfg.output_dir = "RUN_DIRECTORY"
        return cfg

    def options(self, group: str) -> list[str]:
        """The choices of a config group; none where there is no such group."""
        loader = GlobalHydra.instance().config_loader()
        try:
            return loader.get_group_options(group)
        except (OSError, ValueError):  # no folder can be called so
            return []

    def is_group(self, key: str) -> bool:
        """Whether an override of ``key`` chooses a config; of a model or dataset also where none is installed."""
        group = key.partition("@")[0]
        return group in registry.KINDS or bool(self.options(group))
