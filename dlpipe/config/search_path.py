"""Where Hydra looks for configs: the core's ``conf/``, every plugin's, the user's, and those of qualified names."""

import secrets

from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from dlpipe.config import resolvers
from dlpipe.config.config_files import FileConfigSource
from dlpipe.config.qualified_configs import QualifiedConfigs
from dlpipe.plugins import health, registry


class PluginConfigs(SearchPathPlugin):
    """Put the ``conf/`` folder of every allowed plugin on Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append one entry per plugin, named after its distribution, so that Hydra's messages name it."""
        for owner, folder in registry.added_conf_dirs().items():
            search_path.append(provider=owner, path=f"file://{folder}")
        search_path.append(provider=registry.CORE, path=f"{QualifiedConfigs.scheme()}://all")


def register() -> None:
    """Register the plugins' configs and our resolvers with Hydra; may be called repeatedly."""
    Plugins.instance().register(PluginConfigs)
    _register_hydra_plugins()
    SourcesRegistry.instance().register(QualifiedConfigs)
    # `register` keeps the source that Hydra has registered under the same name
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource
    Hydra.get_mode = _no_mode  # type: ignore[assignment, method-assign]
    resolvers.register()
    OmegaConf.register_new_resolver("unique", lambda: secrets.token_hex(3), replace=True, use_cache=True)
    OmegaConf.register_new_resolver("slug", lambda name: str(name).replace("/", "-"), replace=True)
    for kind in registry.KINDS:
        for entry in registry.available(kind):
            if registry.yaml_of(entry) is None:
                _store(kind, entry.name)
                _store(kind, entry.qualified_name)


def _no_mode(hydra: Hydra, config_name: str | None, overrides: list[str]) -> None:
    """Let the flag ``--multirun`` decide: Hydra would compose once more for ``hydra.mode``, which the checks refuse."""


def _register_hydra_plugins() -> None:
    """Register every plugin's sweepers and launchers: in an editable install Hydra may not find them (hydra#2359)."""
    for entry in registry.available("hydra_plugin"):
        try:
            Plugins.instance().register(entry.entry_point.load())
        except Exception as error:  # a plugin may raise any exception on import
            health.record(entry, f"{type(error).__name__}: {error}")


def _store(kind: str, name: str) -> None:
    """Register a config with only the name, for a model or dataset without YAML."""
    group, _, leaf = f"{kind}/{name}".rpartition("/")
    ConfigStore.instance().store(group=group, name=leaf, node={"name": name})
