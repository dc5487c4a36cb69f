"""One config tree from the core's ``conf/`` and every plugin's, composed by Hydra; no plugin is imported."""

import contextlib
import copy
import re
from collections.abc import Iterator
from typing import Any, cast

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlpipe.config.experiments import PACKAGES
from dlpipe.config.search_path import register
from dlpipe.plugins import registry
from dlpipe.plugins.registry import conf_dir

VERSION_BASE = "1.3"
# keys of Hydra's own whose values it reads while it composes
READ_WHILE_COMPOSING = re.compile(r"hydra(\.(job|searchpath)(\..*)?)?$")


@contextlib.contextmanager
def config_tree() -> Iterator[None]:
    """Hydra with the whole config tree, which the functions below need; it does not import torch."""
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base=VERSION_BASE, job_name="dlpipe"):
        yield


@contextlib.contextmanager
def hydra_of(config: DictConfig) -> Iterator[Hydra]:
    """Hydra with the whole config tree, which runs this config instead of composing one."""
    register()
    GlobalHydra.instance().clear()
    hydra = Hydra("dlpipe", _Composed(config))
    GlobalHydra.instance().initialize(hydra)
    try:
        yield hydra
    finally:
        GlobalHydra.instance().clear()


class _Composed(ConfigLoaderImpl):
    """A loader of one config, which has been composed."""

    def __init__(self, config: DictConfig) -> None:
        super().__init__(create_config_search_path(str(conf_dir())))
        self.config = config

    def load_configuration(self, *arguments: Any, **options: Any) -> DictConfig:
        return copy.deepcopy(self.config)  # Hydra takes its own node out, if it prints the config


def compose(overrides: list[str]) -> DictConfig:
    """The composed config with its ``hydra`` node; ``output_dir``, not known yet, is a placeholder."""
    try:
        cfg = hydra_compose("config", overrides=overrides, return_hydra_config=True)
    except RecursionError as error:
        raise ConfigCompositionException("a defaults list leads back to its own file") from error
    return _with_placeholder(cfg)


def compose_values(base: DictConfig, overrides: list[str]) -> DictConfig:
    """The same config as `compose` returns, in a tenth of the time: Hydra sets values after it has merged all files.

    Args:
        base: composed from the overrides that choose configs.
        overrides: those, and the ones that set values.
    """
    cfg = _with_values(base, overrides)
    return compose(overrides) if cfg is None else _with_placeholder(cfg)  # the first raises Hydra's own error


def _with_values(base: DictConfig, overrides: list[str]) -> DictConfig | None:
    """A copy of the base with the values; None where Hydra reads one as it composes, or refuses one."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    values = [override for override in parsed if not is_group(str(override.key_or_group))]
    if any(READ_WHILE_COMPOSING.match(str(override.key_or_group)) for override in values):
        return None
    cfg = copy.deepcopy(base)
    OmegaConf.clear_cache(cfg)
    try:
        ConfigLoaderImpl._apply_overrides_to_config(values, cfg)
    except (HydraException, OmegaConfBaseException):
        return None
    typed = [override for override in parsed if not override.is_hydra_override()]
    cfg.hydra.overrides.hydra = [override.input_line for override in parsed if override.is_hydra_override()]
    cfg.hydra.overrides.task = [override.input_line for override in typed]
    cfg.hydra.job.override_dirname = get_overrides_dirname(typed, **cfg.hydra.job.config.override_dirname)
    return cfg


class JobLoader(ConfigLoaderImpl):
    """Composes the jobs of a sweep that choose the same configs from one base; a launcher has it in Hydra's place."""

    def __init__(self, loader: ConfigLoader) -> None:
        super().__init__(loader.get_search_path())
        self.bases: dict[tuple[str, ...], DictConfig] = {}

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """The config that Hydra would compose for a job, in a tenth of the time."""
        overrides = [*master_config.hydra.overrides.hydra, *sweep_overrides]
        cfg = _with_values(self._base(overrides), overrides)
        if cfg is None:
            return super().load_sweep_config(master_config, sweep_overrides)
        OmegaConf.copy_cache(from_config=master_config, to_config=cfg)
        return cfg

    def compose(self, overrides: list[str]) -> DictConfig:
        """As `dlpipe.config.compose.compose`."""
        return compose_values(self._base(overrides), overrides)

    def _base(self, overrides: list[str]) -> DictConfig:
        groups = tuple(text for text in overrides if is_group(text.lstrip("+~").partition("=")[0]))
        if groups not in self.bases:
            self.bases[groups] = self.load_configuration("config", list(groups), RunMode.RUN)
        return self.bases[groups]


def _with_placeholder(cfg: DictConfig) -> DictConfig:
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
    """Whether an override of ``key`` chooses a config; some always do, even if there is nothing to choose."""
    group = key.partition("@")[0]
    return group in (*registry.KINDS, *PACKAGES) or bool(options(group))


def quoted(text: str) -> str:
    """A text as a value in Hydra's grammar."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
