"""The configs of a model or dataset that is chosen as ``distribution/name``, read by Hydra like any other."""

from pathlib import Path

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import DictConfig

from dlpipe.plugins import registry

# in a path of so many names below a group, where a distribution may stand before a name
OWNER_PLACES: dict[tuple[str, int], tuple[tuple[int, ...], ...]] = {
    ("model", 2): ((0,),),
    ("dataset", 2): ((0,),),
    ("recipe", 2): ((0,),),
    ("recipe_for", 3): ((0,), (1,)),  # recipe_for/acme/softmax/digits, recipe_for/softmax/acme/iris
    ("recipe_for", 4): ((0, 2),),
}


class QualifiedConfigs(ConfigSource):
    """Finds ``model/acme/softmax`` as ``model/softmax`` in the ``conf/`` folder of acme; recipes and overlays likewise.

    An overlay, ``recipe_for/acme/softmax/digits``, may also come from another plugin; the model's own wins.
    """

    @staticmethod
    def scheme() -> str:
        """As in the search path."""
        return "dlpipe-qualified"

    def available(self) -> bool:
        """Always: what is installed is asked for when a config is."""
        return True

    def is_group(self, config_path: str) -> bool:
        """No group has qualified names only."""
        return False

    def is_config(self, config_path: str) -> bool:
        """Whether a plugin ships the config."""
        return self._source(config_path) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Qualified names are not listed: the plain ones are."""
        return []

    def load_config(self, config_path: str) -> ConfigResult:
        """Load the config; the one of a model or dataset says the qualified name."""
        found = self._source(config_path)
        if found is None:
            raise ConfigLoadError(f"no config {config_path}")
        source, path = found
        result = source.load_config(path)
        group, _, qualified = config_path.removesuffix(".yaml").partition("/")
        config, plain = result.config, qualified.rpartition("/")[2]
        if group in registry.KINDS and isinstance(config, DictConfig) and config.get("name") == plain:
            config.name = qualified
        return result

    def _source(self, config_path: str) -> tuple[FileConfigSource, str] | None:
        """The plugin's folder that has the config, and its path there."""
        group, *names = config_path.removesuffix(".yaml").split("/")
        folders = registry.plugin_conf_dirs()
        owners = {name: own for own in folders for name in (own, own.removeprefix("dlpipe-"))}
        for places in OWNER_PLACES.get((group, len(names)), ()):
            named = [owners[names[place]] for place in places if names[place] in owners]
            if len(named) < len(places):
                continue
            others = [own for own in folders if own not in named] if group == "recipe_for" else []
            path = "/".join([group, *(name for place, name in enumerate(names) if place not in places)])
            for owner in [*named, *others]:
                if (Path(folders[owner]) / f"{path}.yaml").is_file():
                    return FileConfigSource(provider=owner, path=f"file://{folders[owner]}"), path
        return None
