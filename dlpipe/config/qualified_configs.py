"""Hydra configs of a model or dataset that is chosen by its qualified name, ``distribution/name``."""

from pathlib import Path

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import DictConfig

from dlpipe.config.config_files import FileConfigSource
from dlpipe.plugins import registry

# group and number of names below it -> the positions that distributions may have among the names
OWNER_POSITIONS: dict[tuple[str, int], tuple[tuple[int, ...], ...]] = {
    ("model", 2): ((0,),),
    ("dataset", 2): ((0,),),
    ("experiment", 2): ((0,),),
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
        """The scheme of this source in Hydra's search path."""
        return "dlpipe-qualified"

    def available(self) -> bool:
        """Always true: the installed plugins are looked up only when a config is loaded."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Always false: no group has only qualified names."""
        return False

    def is_config(self, config_path: str) -> bool:
        """Whether a plugin ships the config."""
        return self.locate(config_path) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Empty: only plain names are listed."""
        return []

    def load_config(self, config_path: str) -> ConfigResult:
        """Load the config; that of a model or dataset gets the qualified name."""
        located = self.locate(config_path)
        if located is None:
            raise ConfigLoadError(f"no config {config_path}")
        source, path = located
        result = source.load_config(path)
        group, _, qualified = config_path.removesuffix(".yaml").partition("/")
        config, plain = result.config, qualified.rpartition("/")[2]
        if group in registry.KINDS and isinstance(config, DictConfig) and config.get("name") == plain:
            config.name = qualified
        return result

    def locate(self, config_path: str) -> tuple[FileConfigSource, str] | None:
        """The plugin's folder that has the config, and the config's path inside it."""
        group, *names = config_path.removesuffix(".yaml").split("/")
        if (group, len(names)) not in OWNER_POSITIONS:
            return None
        folders = registry.plugin_conf_dirs()
        owners = {name: owner for owner in folders for name in (owner, owner.removeprefix("dlpipe-"))}
        for positions in OWNER_POSITIONS[group, len(names)]:
            named = [owners[names[position]] for position in positions if names[position] in owners]
            if len(named) < len(positions):
                continue
            others = [owner for owner in folders if owner not in named] if group == "recipe_for" else []
            path = "/".join([group, *(name for position, name in enumerate(names) if position not in positions)])
            for owner in [*named, *others]:
                if (Path(folders[owner]) / f"{path}.yaml").is_file():
                    return FileConfigSource(provider=owner, path=f"file://{folders[owner]}"), path
        return None
