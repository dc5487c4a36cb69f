"""What is installed, read from package metadata; no plugin is imported here.

A plugin is a distribution with entry points in ``dlpipe.models`` (LightningModule classes), ``dlpipe.datasets``
(LightningDataModule classes) or another of `GROUPS`. The core registers its own datasets in the same way.
"""

import functools
import importlib.util
import os
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import Literal

from packaging.utils import canonicalize_name

from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import DlpipeError, PluginError, format_list
from dlpipe.operating_system import expand_user

Kind = Literal["model", "dataset", "verb", "energy", "hydra_plugin"]
GROUPS: dict[Kind, str] = {
    "model": "dlpipe.models",
    "dataset": "dlpipe.datasets",
    "verb": "dlpipe.verbs",  # functions of ``python -m dlpipe VERB``
    "energy": "dlpipe.energies",
    "hydra_plugin": "dlpipe.hydra_plugins",  # sweepers and launchers, in modules of the package hydra_plugins
}
# a config chooses these by name; an energy is an option of a model
KINDS: tuple[Kind, ...] = ("model", "dataset")
CORE = "dlpipe"
ALLOW_VARIABLE = "DLPIPE_PLUGINS"
CONF_VARIABLE = "DLPIPE_CONF"


@dataclass(frozen=True)
class PluginEntry:
    """One name that one distribution registers; its code is not imported yet."""

    kind: Kind
    name: str
    distribution: str
    version: str
    entry_point: EntryPoint

    @property
    def owner(self) -> str:
        """The distribution as a qualifier: ``dlpipe-acme`` is ``acme``."""
        return self.distribution.removeprefix("dlpipe-")

    @property
    def qualified_name(self) -> str:
        """``acme/softmax``: unique whatever else is installed."""
        return f"{self.owner}/{self.name}"

    @property
    def as_typed(self) -> str:
        """The words that choose it on the command line, qualified: ``model=acme/softmax``, or a verb by itself."""
        return self.qualified_name if self.kind == "verb" else f"{self.kind}={self.qualified_name}"

    @property
    def package(self) -> str:
        """The top-level package of the entry point."""
        return self.entry_point.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} ({self.entry_point.value}, from {self.distribution} {self.version})"


@functools.cache
def all_entries() -> tuple[PluginEntry, ...]:
    """Every entry of every installed distribution, including denied ones."""
    found: dict[tuple[str, str, str], PluginEntry] = {}
    installed = entry_points()  # reads the files of every distribution
    read = functools.cache(_name_and_version)
    for kind, group in GROUPS.items():
        for point in installed.select(group=group):
            if point.dist is None or not (described := read(point.dist)):  # left behind by an incomplete uninstall
                continue
            distribution, version = described
            # an editable install can be listed twice; the first on sys.path is the one that imports
            found.setdefault(
                (kind, point.name, distribution), PluginEntry(kind, point.name, distribution, version, point)
            )
    return tuple(sorted(found.values(), key=lambda entry: (entry.kind, entry.name, entry.distribution)))


def _name_and_version(distribution: Distribution) -> tuple[str, str] | None:
    """From its metadata, which are parsed anew by each of its attributes; None if it has none."""
    try:
        metadata = distribution.metadata
    except FileNotFoundError:  # from the finder that the package importlib_metadata puts before Python's
        return None
    return (canonicalize_name(metadata["Name"]), metadata["Version"]) if "Name" in metadata else None


def allow_list() -> tuple[set[str], set[str]]:
    """The names that ``DLPIPE_PLUGINS`` allows, and the names that it denies."""
    names = [name.strip() for name in os.environ.get(ALLOW_VARIABLE, "").split(",") if name.strip()]
    allowed: set[str] = {canonicalize_name(name) for name in names if not name.startswith("-")}
    return allowed, {canonicalize_name(name[1:]) for name in names if name.startswith("-")}


def is_allowed(distribution: str) -> bool:
    """Whether ``DLPIPE_PLUGINS`` allows this distribution.

    The variable is a comma-separated list. Names allow, and then nothing else is allowed; names after a minus sign
    deny. If it is unset or empty, everything is allowed; the core always is.
    """
    allowed, denied = allow_list()
    names = {distribution, distribution.removeprefix("dlpipe-")}
    return distribution == CORE or (names.isdisjoint(denied) and (not allowed or not names.isdisjoint(allowed)))


def entries_of_kind(kind: Kind) -> list[PluginEntry]:
    """The entries of one kind, including denied ones."""
    return [entry for entry in all_entries() if entry.kind == kind]


def available(kind: Kind) -> list[PluginEntry]:
    """The entries of one kind that ``DLPIPE_PLUGINS`` allows."""
    return [entry for entry in entries_of_kind(kind) if is_allowed(entry.distribution)]


def find(kind: Kind, name: str) -> PluginEntry:
    """The one entry that ``name`` or ``distribution/name`` means; a PluginError if it is none, denied or several."""
    owner, _, bare = name.rpartition("/")
    owner = canonicalize_name(owner)
    matching = [
        entry for entry in available(kind) if entry.name == bare and owner in ("", entry.owner, entry.distribution)
    ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise PluginError(
            f"{kind} {name!r} is registered by {format_list(entry.distribution for entry in matching)}; "
            f"say which: {' or '.join(entry.as_typed for entry in matching)}"
        )
    for entry in entries_of_kind(kind):
        if entry.name == bare and not is_allowed(entry.distribution):
            raise PluginError(f"{entry} is denied by {ALLOW_VARIABLE}={os.environ[ALLOW_VARIABLE]}")
    names = sorted({entry.name for entry in available(kind)})
    raise PluginError(f"no {kind} {name!r}; {did_you_mean(bare, names)}installed: {format_list(names)}")


def conf_dir() -> Path:
    """The core's config folder: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"dlpipe's conf/ is neither in {package} nor beside it; install dlpipe again")


def conf_dir_of(entry: PluginEntry) -> Path | None:
    """The ``conf/`` folder of the entry's package, found without importing it; None if it has none."""
    if entry.distribution == CORE:
        return conf_dir()
    for folder in package_folders(entry.package):
        if (folder / "conf").is_dir():
            return folder / "conf"
    return None


@functools.cache
def package_folders(package: str) -> tuple[Path, ...]:
    """The folders of a package, found without importing it; empty if it is missing or a single file."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return ()
    return tuple(map(Path, (spec.submodule_search_locations or []) if spec else []))


def plugin_conf_dirs() -> dict[str, Path]:
    """Distribution to ``conf/`` folder, for every allowed plugin that ships one; without the core."""
    entries = [entry for entry in all_entries() if entry.distribution != CORE and is_allowed(entry.distribution)]
    return {entry.distribution: folder for entry in entries if (folder := conf_dir_of(entry))}


# folders of the user's own YAML, from -cd on the command line
user_conf_dirs: list[Path] = []


def environment_conf_dirs() -> list[Path]:
    """The user's folders that ``DLPIPE_CONF`` names, separated as in ``PATH``.

    Raises:
        DlpipeError: one does not exist.
    """
    names = os.environ.get(CONF_VARIABLE, "").split(os.pathsep)
    folders = [expand_user(name).absolute() for name in names if name]
    for folder in folders:
        if not folder.is_dir():
            raise DlpipeError(f"{CONF_VARIABLE} names {folder}: no such folder; create it, or unset {CONF_VARIABLE}")
    return folders


def added_conf_dirs() -> dict[str, Path]:
    """Owner to folder of all ``conf/`` folders except the core's, each once: those of plugins, then the user's."""
    users = {f"--config-dir {folder}": folder for folder in user_conf_dirs}
    users |= {f"{CONF_VARIABLE} {folder}": folder for folder in environment_conf_dirs()}
    seen, added = {conf_dir().resolve()}, {}
    for owner, folder in (plugin_conf_dirs() | users).items():
        if folder.resolve() not in seen:
            seen.add(folder.resolve())
            added[owner] = folder
    return added


def config_options(group: str) -> list[str]:
    """The options of a config group, from the core's and the plugins' ``conf/``."""
    folders = [conf_dir(), *added_conf_dirs().values()]
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})


def yaml_of(entry: PluginEntry) -> Path | None:
    """The YAML file with the entry's options; None if the plugin ships none."""
    folder = conf_dir_of(entry)
    path = folder / entry.kind / f"{entry.name}.yaml" if folder else None
    return path if path and path.is_file() else None
