"""One config tree from the core's ``conf/`` and every plugin's, composed by Hydra; no plugin is imported."""

import contextlib
from collections.abc import Iterator
from typing import cast

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf

from dlpipe.config.experiments import GROUP
from dlpipe.config.search_path import register
from dlpipe.plugins import registry
from dlpipe.plugins.registry import conf_dir

VERSION_BASE = "1.3"


@contextlib.contextmanager
def config_tree() -> Iterator[None]:
    """Hydra with the whole config tree, which the functions below need; it does not import torch."""
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base=VERSION_BASE, job_name="dlpipe"):
        yield


def compose(overrides: list[str]) -> DictConfig:
    """The composed config with its ``hydra`` node; ``output_dir``, not known yet, is a placeholder."""
    try:
        cfg = hydra_compose("config", overrides=overrides, return_hydra_config=True)
    except RecursionError as error:
        raise ConfigCompositionException("a defaults list leads back to its own file") from error
    if OmegaConf.is_interpolation(cfg, "output_dir"):
        cfg.output_dir = "RUN_DIRECTORY"
    return cfg


def options(group: str) -> list[str]:
    """The options of a config group; empty if there is no such group."""
    # the loader's own get_group_options first copies everything that Hydra has registered, which takes longer
    repository = cast(ConfigLoaderImpl, GlobalHydra.instance().config_loader()).repository
    try:
        return repository.get_group_options(group)
    except (OSError, ValueError):  # not a valid folder name
        return []


def is_group(key: str) -> bool:
    """Whether an override of ``key`` chooses a config; always for model, dataset, experiment, even if there is none."""
    group = key.partition("@")[0]
    return group in (*registry.KINDS, GROUP) or bool(options(group))


def quoted(text: str) -> str:
    """A text as a value in Hydra's grammar."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
