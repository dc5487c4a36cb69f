"""Experiments: set-ups saved as YAML in ``experiment/``, a folder of the core's, a plugin's or the user's ``conf/``."""

from dataclasses import dataclass
from pathlib import Path

from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import PluginError, format_list
from dlpipe.plugins import registry

GROUP = "experiment"
# the other group of files for sweeps: search/NAME.yaml has hydra.sweeper.params alone
SEARCH = "search"
# what the first line of every file of a group says
PACKAGES = {GROUP: "_global_", SEARCH: "hydra.sweeper.params"}


@dataclass(frozen=True)
class Experiment:
    """The file of an experiment."""

    name: str  # below the folder, without suffix: ``mnist/mlp``
    owner: str  # a distribution, or the user's folder
    path: Path

    @property
    def qualified_name(self) -> str:
        """``acme/quick`` of the distribution ``dlpipe-acme``."""
        return f"{self.owner.removeprefix('dlpipe-')}/{self.name}"


def experiments() -> list[Experiment]:
    """All experiments, sorted by name; no file is read."""
    found = []
    for owner, conf in {registry.CORE: registry.conf_dir(), **registry.added_conf_dirs()}.items():
        folder = conf / GROUP
        found += [
            Experiment(path.relative_to(folder).with_suffix("").as_posix(), owner, path)
            for path in folder.rglob("*.yaml")
        ]
    return sorted(found, key=lambda experiment: (experiment.name, experiment.owner))


def find(name: str) -> Experiment:
    """The experiment that ``name`` or ``distribution/name`` means; a PluginError lists those that exist."""
    existing = experiments()
    for experiment in existing:
        if name in (experiment.name, experiment.qualified_name, f"{experiment.owner}/{experiment.name}"):
            return experiment
    names = sorted({experiment.name for experiment in existing})
    where = f"-cd DIR or {registry.CONF_VARIABLE}=DIR adds those in DIR/{GROUP}/"
    raise PluginError(f"no experiment {name!r}; {did_you_mean(name, names)}there are {format_list(names)}; {where}")
