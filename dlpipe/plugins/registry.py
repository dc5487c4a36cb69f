"""What is installed: plugins are found in package metadata; nothing of them is imported here.

A plugin is a distribution with entry points in ``dlpipe.models`` (LightningModule classes) or
``dlpipe.datasets`` (LightningDataModule classes). The core offers its own datasets through the same door.
"""

import functools
import importlib.util
import os
import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Literal

from dlpipe.errors import PluginError, did_you_mean, format_list

Kind = Literal["model", "dataset", "energy"]
GROUPS: dict[Kind, str] = {"model": "dlpipe.models", "dataset": "dlpipe.datasets", "energy": "dlpipe.energies"}
# what a config chooses by name; an energy is an option of a model
KINDS: tuple[Kind, ...] = ("model", "dataset")
CORE = "dlpipe"
ALLOW_VARIABLE = "DLPIPE_PLUGINS"


@dataclass(frozen=True)
class PluginEntry:
    """One name that one distribution offers: nothing of it is imported yet."""

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
        """``acme/softmax``: names this offer whatever else is installed."""
        return f"{self.owner}/{self.name}"

    @property
    def package(self) -> str:
        """The top-level package of the entry point."""
        return self.entry_point.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} ({self.entry_point.value}, from {self.distribution} {self.version})"


def _normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


@functools.cache
def all_entries() -> tuple[PluginEntry, ...]:
    """Every offer of every installed distribution, denied ones too, from metadata alone."""
    found: dict[tuple[str, str, str], PluginEntry] = {}
    for kind, group in GROUPS.items():
        for point in entry_points(group=group):
            if point.dist is None or "Name" not in point.dist.metadata:  # left behind by a torn uninstall
                continue
            distribution = _normalised(point.dist.name)
            # an editable install can be listed twice; the first on sys.path is the one that imports
            found.setdefault(
                (kind, point.name, distribution),
                PluginEntry(kind, point.name, distribution, point.dist.version, point),
            )
    return tuple(sorted(found.values(), key=lambda offer: (offer.kind, offer.name, offer.distribution)))


def allow_list() -> tuple[set[str], set[str]]:
    """The names that ``DLPIPE_PLUGINS`` allows and those it denies."""
    names = [name.strip() for name in os.environ.get(ALLOW_VARIABLE, "").split(",") if name.strip()]
    allowed = {_normalised(name) for name in names if not name.startswith("-")}
    return allowed, {_normalised(name[1:]) for name in names if name.startswith("-")}


def is_allowed(distribution: str) -> bool:
    """Whether ``DLPIPE_PLUGINS`` lets this distribution in.

    The variable is a comma-separated list: names allow (and then only they are let in), names after a minus
    sign deny. Unset or empty lets everything in; the core's own offers are always in.
    """
    allowed, denied = allow_list()
    own = {distribution, distribution.removeprefix("dlpipe-")}
    if distribution == CORE:
        return True
    return not own & denied and (not allowed or bool(own & allowed))


def entries_of_kind(kind: Kind) -> list[PluginEntry]:
    """The offers of one kind, denied ones too."""
    return [offer for offer in all_entries() if offer.kind == kind]


def available(kind: Kind) -> list[PluginEntry]:
    """The offers of one kind that ``DLPIPE_PLUGINS`` lets in."""
    return [offer for offer in entries_of_kind(kind) if is_allowed(offer.distribution)]


def find(kind: Kind, name: str) -> PluginEntry:
    """The one offer that ``name`` or ``distribution/name`` means.

    Raises:
        PluginError: nothing offers it, ``DLPIPE_PLUGINS`` denies it, or several distributions do and the
            name does not say which.
    """
    owner, _, bare = name.rpartition("/")
    owner = _normalised(owner)
    matching = [
        offer for offer in available(kind) if offer.name == bare and owner in ("", offer.owner, offer.distribution)
    ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise PluginError(
            f"{kind} {name!r} is offered by {format_list(offer.distribution for offer in matching)}; "
            f"say which: {' or '.join(f'{kind}={offer.qualified_name}' for offer in matching)}"
        )
    for offer in entries_of_kind(kind):
        if offer.name == bare and not is_allowed(offer.distribution):
            raise PluginError(f"{offer} is denied by {ALLOW_VARIABLE}={os.environ[ALLOW_VARIABLE]}")
    names = sorted({offer.name for offer in available(kind)})
    raise PluginError(f"no {kind} {name!r}; {did_you_mean(bare, names)}installed: {format_list(names)}")


def conf_dir() -> Path:
    """The core's config tree: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"dlpipe's conf/ is neither in {package} nor beside it; install dlpipe again")


def conf_dir_of(offer: PluginEntry) -> Path | None:
    """The ``conf/`` folder of the offer's package, found without importing it; None where it ships none."""
    if offer.distribution == CORE:
        return conf_dir()
    try:
        spec = importlib.util.find_spec(offer.package)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / "conf").is_dir():
            return Path(folder) / "conf"
    return None


def plugin_conf_dirs() -> dict[str, Path]:
    """Distribution to ``conf/`` folder, for every allowed plugin that ships one; the core's is not here."""
    found: dict[str, Path] = {}
    for offer in all_entries():
        if offer.distribution != CORE and is_allowed(offer.distribution):
            folder = conf_dir_of(offer)
            if folder is not None:
                found[offer.distribution] = folder
    return found


# folders of the user's own YAML, from the command line's -cd
user_conf_dirs: list[Path] = []


def added_conf_dirs() -> dict[str, Path]:
    """Owner to folder of everything beside the core's own ``conf/``: plugins', then the user's."""
    return plugin_conf_dirs() | {f"--config-dir {folder}": folder for folder in user_conf_dirs}


def yaml_of(offer: PluginEntry) -> Path | None:
    """The YAML file with the offer's options; None where the plugin ships none."""
    folder = conf_dir_of(offer)
    path = folder / offer.kind / f"{offer.name}.yaml" if folder else None
    return path if path and path.is_file() else None
