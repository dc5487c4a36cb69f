"""The overrides of the command line, parsed with Hydra's grammar, expanded into single jobs, and checked."""

import itertools
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, QuotedString, RangeSweep
from hydra.errors import HydraException

from dlpipe.config.compose import is_group, options
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import PluginError, Problem, format_list
from dlpipe.plugins import registry

# nodes to which a user may add keys with a plus sign; the import checks compare the keys with the class
OPEN_NODES = ("callbacks", "logger", "trainer")

# Hydra keys that would hide a run's files from dlpipe's later commands
HYDRA_KEYS = {
    "hydra.mode": "use --multirun for a sweep, and no flag for a run",
    "hydra.output_subdir": "the table of a sweep reads the overrides there",
    "hydra.sweep.subdir": "jobs would share a folder; keep ${hydra.job.num} in it",
}
MOST_JOBS = 10_000


@dataclass(frozen=True)
class ParsedOverride:
    """One override as it was typed, with Hydra's parse of it."""

    text: str
    parsed: Override

    @property
    def key(self) -> str:
        """``optimizer.lr`` of ``++optimizer.lr=0.1``."""
        return str(self.parsed.key_or_group)

    @property
    def adds(self) -> bool:
        """Whether it may add a key: ``+key=value``, or ``++key=value``, which also overrides one."""
        return self.parsed.is_add() or self.parsed.is_force_add()

    @property
    def shown_value(self) -> str:
        """The value as it was typed."""
        return self.text.partition("=")[2]


def parse(texts: list[str]) -> tuple[list[ParsedOverride], list[Problem]]:
    """Parse each override separately, so that a malformed one does not hide problems of the others."""
    parser = OverridesParser.create()
    settings, problems = [], []
    for text in texts:
        try:
            setting = ParsedOverride(text, parser.parse_override(text))
            problem = _problem(setting)
        except (HydraException, ValueError, ArithmeticError, RecursionError) as error:  # RecursionError: deep nesting
            reason = " ".join(str(error).split("\n")[0].split())
            problem = f"not an override ({reason}); write group=choice or key=value, quoted if needed"
        if problem:
            problems.append(Problem(text, problem))
        else:
            settings.append(setting)
    return settings, problems


def _problem(setting: ParsedOverride) -> str | None:
    if not setting.key:
        return "the override has no key; write group=choice or key=value"
    value: Any = setting.parsed.value()
    # Hydra would list all values first
    if isinstance(value, RangeSweep) and any(number == MOST_JOBS for number, _ in enumerate(value.range())):
        return f"a sweep of more than {MOST_JOBS} values; choose fewer"
    return None


def expand_sweep(setting: ParsedOverride) -> list[ParsedOverride]:
    """The overrides of a sweep such as ``lr=0.1,0.01``, one for each value; the override itself if it is not a sweep.

    A sweep over a range or an interval is checked at its two ends.
    """
    prefix = setting.text.partition("=")[0]
    # Hydra's annotation of value() omits sweeps
    value: Any = None if setting.parsed.is_delete() else setting.parsed.value()
    names: list[str]
    if isinstance(value, Glob):
        names = value.filter(options(setting.key))
    elif isinstance(value, RangeSweep):
        values = [str(number) for number in value.range()]
        names = list(dict.fromkeys([*values[:1], *values[-1:]]))
    elif isinstance(value, ChoiceSweep):
        names = [str(name) for name in setting.parsed.sweep_string_iterator()]
    elif isinstance(value, IntervalSweep):
        names = [str(value.start), str(value.end)]
    else:
        return [setting]
    parser = OverridesParser.create()
    return [ParsedOverride(f"{prefix}={name}", parser.parse_override(f"{prefix}={name}")) for name in names]


def jobs(settings: list[ParsedOverride]) -> list[list[ParsedOverride]]:
    """Jobs that together cover every choice of a sweep: all combinations of groups, each value once.

    The full product of values is not needed: once the groups are chosen, each value is valid or invalid by itself.
    """
    expanded = [expand_sweep(setting) for setting in settings]
    groups = [choices if is_group(choices[0].key) else choices[:1] for choices in expanded]
    covering = []
    for base in itertools.product(*groups):
        covering.append(list(base))
        for position, choices in enumerate(expanded):
            if not is_group(choices[0].key):
                covering.extend([*base[:position], value, *base[position + 1 :]] for value in choices[1:])
    return covering


def syntax_problems(setting: ParsedOverride, multirun: bool) -> list[Problem]:
    """Problems with the syntax of an override, or with the option it chooses."""
    key, override = setting.key, setting.parsed
    root = key.partition(".")[0]
    if not expand_sweep(setting):
        there_are = f"; there are {format_list(options(key))}" if options(key) else ""
        return [Problem(setting.text, f"an empty sweep{there_are}")]
    if root.partition("/")[0] == "hydra":
        keeps_subdirs = key == "hydra.sweep.subdir" and "hydra.job.num" in setting.shown_value
        return [Problem(setting.text, HYDRA_KEYS[key])] if key in HYDRA_KEYS and not keeps_subdirs else []
    if override.is_delete():
        if root in OPEN_NODES and "." in key:
            return []
        return [Problem(setting.text, f"{key} cannot be removed; only entries of {format_list(OPEN_NODES)} can")]
    if setting.parsed.is_sweep_override() and not multirun:
        return [Problem(setting.text, "several values are a sweep: add --multirun, or quote text that contains commas")]
    if is_group(key):
        return _choice_problems(setting, key.partition("@")[0])
    if override.is_add() and root not in OPEN_NODES:
        only = f"Only {format_list(OPEN_NODES)} take new keys"
        return [Problem(setting.text, f"a new key cannot be added to {root}; nothing would read it. {only}")]
    return []


def _choice_problems(setting: ParsedOverride, group: str) -> list[Problem]:
    if setting.adds:
        return [Problem(setting.text, f"{group} is always there; write {setting.text.lstrip('+')}")]
    if not setting.parsed.is_sweep_override() and not isinstance(setting.parsed.value(), (str, int, QuotedString)):
        return [Problem(setting.text, f"{group} takes one name, such as {group}={options(group)[0]}")]
    problems = []
    for choice in expand_sweep(setting):
        name = choice.shown_value.strip("'\"")
        if problem := _choice_problem(group, name):
            problems.append(Problem(f"{group}={name}", problem))
    return problems


def _choice_problem(group: str, name: str) -> str | None:
    if group in registry.KINDS:
        try:
            registry.find(group, name)
        except PluginError as error:
            return str(error)
        return None
    known = options(group)
    return None if name in known else f"no such {group}; {did_you_mean(name, known)}there are {format_list(known)}"
