"""The sweeper and the launcher of a request: whether they are installed, and what the sweeper finds wrong with it."""

from collections.abc import Sequence
from importlib.metadata import metadata

from hydra.core.override_parser.types import IntervalSweep
from hydra.core.plugins import Plugins
from omegaconf import DictConfig

from dlpipe.config.checks.overrides import ParsedOverride
from dlpipe.config.compose import options
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import Problem, format_list
from dlpipe.plugins import registry

BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
GROUPS = ("hydra/sweeper", "hydra/launcher")


def not_installed(group: str, name: str) -> str:
    """The message for a sweeper or launcher that Hydra does not know; an extra of dlpipe may be named after it."""
    known = options(group)
    extras = metadata(registry.CORE).get_all("Provides-Extra") or []
    extra = name.partition("_")[0]  # of submitit_local and submitit_slurm
    install = f"; to install it: pip install 'dlpipe[{extra}]'" if extra in extras else ""
    return f"no {group} {name!r}{install}; {did_you_mean(name, known)}there are {format_list(known)}"


def sweeper_problems(configs: Sequence[DictConfig], settings: Sequence[ParsedOverride]) -> list[Problem]:
    """What is wrong with a sweep as a whole.

    A sweeper may have a static method ``problems(configs, overrides) -> Iterable[dlpipe.Problem]``; docs/search.md.

    Args:
        configs: of jobs that together cover every choice.
        settings: the overrides of the request.
    """
    target = str(configs[0].hydra.sweeper._target_)
    if target == BASIC:
        message = "an interval needs a sweeper that chooses values in it: add hydra/sweeper=optuna, or list values"
        return [Problem(one.where, message) for one in settings if isinstance(one.parsed.value(), IntervalSweep)]
    check = getattr(Plugins.instance().class_name_to_class.get(target), "problems", None)
    own = [one.text for one in settings if one.file is None and not one.key.startswith("hydra")]
    return list(check(configs, own)) if check else []
