"""The pyproject.toml of an existing plugin: what it registers, and new entry points."""

from dataclasses import dataclass
from pathlib import Path

import tomlkit
from packaging.utils import canonicalize_name
from tomlkit.exceptions import ParseError

from dlpipe import PluginError


@dataclass(frozen=True)
class PluginProject:
    """A plugin's folder, and its pyproject.toml.

    Args:
        folder: where pyproject.toml is.
        distribution: ``dlpipe-acme``.
        entry_points: group to name to value.
    """

    folder: Path
    distribution: str
    entry_points: dict[str, dict[str, str]]

    @property
    def package(self) -> str:
        """The package of the first entry point; without one, the distribution's name with underscores."""
        values = [value for points in self.entry_points.values() for value in points.values()]
        return values[0].partition(":")[0].partition(".")[0] if values else self.distribution.replace("-", "_")

    @property
    def source(self) -> Path:
        """The folder that has the package, relative to the plugin's: ``.`` or ``src``.

        Raises:
            PluginError: neither has it.
        """
        for source in (Path(), Path("src")):
            if (self.folder / source / self.package).is_dir():
                return source
        raise PluginError(f"no folder {self.package} in {self.folder}, nor in its src/: the files go into the package")


def read_project(folder: Path) -> PluginProject:
    """The plugin in a folder.

    Raises:
        PluginError: there is no pyproject.toml, or none that can be read, or it names no project.
    """
    path = folder / "pyproject.toml"
    if not path.is_file():
        raise PluginError(
            f"there is no pyproject.toml in {folder.absolute()}; name the folder of your plugin, as in "
            "python -m dlpipe new dlpipe-acme --model NAME"
        )
    try:
        project = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap().get("project", {})
    except (ParseError, UnicodeDecodeError) as error:
        raise PluginError(f"{path} cannot be read: {error}; correct it first") from error
    if "name" not in project:
        raise PluginError(f"{path} has no name in [project]; give it one, such as dlpipe-acme")
    points = {group: points for group, points in project.get("entry-points", {}).items() if group.startswith("dlpipe.")}
    return PluginProject(folder, canonicalize_name(project["name"]), points)


def with_entry_points(text: str, added: dict[str, dict[str, str]]) -> str:
    """The text of a pyproject.toml with more entry points; comments and order stay.

    Args:
        text: of the file.
        added: group to name to value.

    Raises:
        PluginError: the file writes its entry points in a way that cannot be edited, such as dotted keys.
    """
    document = tomlkit.parse(text)
    groups = document["project"].setdefault("entry-points", tomlkit.table(is_super_table=True))
    for group, points in added.items():
        groups.setdefault(group, tomlkit.table()).update(points)
    changed = tomlkit.dumps(document)
    if _entry_points(changed) != _merged(_entry_points(text), added):
        raise PluginError(
            "pyproject.toml has dotted keys for entry points, which cannot be edited; write them as tables"
        )
    return changed


def _entry_points(text: str) -> dict[str, dict[str, str]]:
    points: dict[str, dict[str, str]] = tomlkit.parse(text).unwrap()["project"].get("entry-points", {})
    return points


def _merged(points: dict[str, dict[str, str]], added: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {group: points.get(group, {}) | added.get(group, {}) for group in points | added}
