"""Reading the YAML files of the config tree; one that cannot be read is named."""

from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins import file_config_source
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from omegaconf.errors import OmegaConfBaseException

from dlpipe.config.experiments import PACKAGES
from dlpipe.errors import PluginError
from dlpipe.yaml_limits import read_yaml

# ValueError: too large, not UTF-8, a date that does not exist; OSError: no mapping, or no permission
UNREADABLE = (yaml.YAMLError, ValueError, RecursionError, OSError)


def read_text(path: Path) -> str:
    """The text of a config file; a PluginError if it cannot be read."""
    try:
        return read_yaml(path)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def read_options(path: Path) -> dict[str, Any]:
    """The content of a config file, without resolving interpolations; a PluginError if it cannot be read."""
    try:
        content = yaml.safe_load(read_yaml(path))
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    return content if isinstance(content, dict) else {}  # without a name, which the config checks report


class FileConfigSource(file_config_source.FileConfigSource):  # of the same name, or Hydra refuses it
    """Hydra's source of config files, which names a file that cannot be read, and parses none that is too large."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Load the config.

        Raises:
            PluginError: the file cannot be read.
        """
        path = Path(self.path) / self._normalize_file_name(config_path)
        try:
            if path.is_file():
                read_yaml(path)
            result = super().load_config(config_path)
        except (HydraException, OmegaConfBaseException):
            raise
        except UNREADABLE as error:
            raise _unreadable(path, error) from error
        group = config_path.partition("/")[0]
        package = PACKAGES.get(group)
        if package and result.header["package"] != package:
            raise PluginError(f"{path} must begin with the line '# @package {package}', as every {group}")
        return result


def _unreadable(path: Path, error: Exception) -> PluginError:
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
    if isinstance(error, yaml.YAMLError):  # with the line, and the file if PyYAML has read it
        return PluginError(f"a config file is not YAML: {reason}, in {path}")
    return PluginError(f"{path} cannot be read: {reason}")
