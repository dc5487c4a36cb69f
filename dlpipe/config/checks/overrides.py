"""The overrides of the command line, parsed with Hydra's grammar, expanded into single jobs, and checked."""

import itertools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, QuotedString, RangeSweep
from hydra.errors import HydraException

from dlpipe.config import experiments
from dlpipe.config.compose import is_group, options
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import PluginError, Problem, format_list
from dlpipe.plugins import registry

# nodes to which a user may add keys with a plus sign; the import checks compare the keys with the class
OPEN_NODES = ("callbacks", "logger", "trainer")
# groups of which a run may have several options: logger=[tensorboard,mlflow]
LIST_GROUPS = ("callbacks", "logger")

# Hydra keys that would hide a run's files from dlpipe's later commands
HYDRA_KEYS = {
    "hydra.mode": "use --multirun for a sweep, and no flag for a run",
    "hydra.output_subdir": "the table of a sweep reads the overrides there",
    "hydra.sweep.subdir": "jobs would share a folder; keep ${hydra.job.num} in it",
}
# top-level keys and groups that change nothing about the trained weights: jobs that differ only there are one
SAME_JOB = ("logger", "launcher", "offline", "resume", "sweep", "try_one_batch")
NO_LOGGER = ("none", "null", "false")
MOST_JOBS = 10_000


@dataclass(frozen=True)
class ParsedOverride:
    """One override as it was typed, with Hydra's parse of it."""

    text: str
    parsed: Override
    file: Path | None = None  # of the experiment that holds it, if it was not typed

    @property
    def key(self) -> str:
        """``optimizer.lr`` of ``++optimizer.lr=0.1``."""
        return str(self.parsed.key_or_group)

    @property
    def where(self) -> str:
        """The override, and the file that holds it, for a message."""
        return f"{self.file}: {self.text}" if self.file else self.text

    @property
    def adds(self) -> bool:
        """Whether it may add a key: ``+key=value``, or ``++key=value``, which also overrides one."""
        return self.parsed.is_add() or self.parsed.is_force_add()

    @property
    def shown_value(self) -> str:
        """The value as it was typed."""
        return self.text.partition("=")[2]

    @property
    def choices(self) -> list[str]:
        """The options that an override of a group names: ``csv`` and ``wandb`` of ``logger=[csv,wandb]``."""
        value: Any = self.parsed.value()
        if isinstance(value, list):
            return [item.text if isinstance(item, QuotedString) else str(item) for item in value]
        return [self.shown_value.strip("'\"")]


def parse(texts: list[str], file: Path | None = None) -> tuple[list[ParsedOverride], list[Problem]]:
    """Parse each override separately, so that a malformed one does not hide problems of the others.

    ``+experiment=NAME``, as Hydra's documentation writes it, is ``experiment=NAME``.
    """
    parser = OverridesParser.create()
    settings, problems = [], []
    for typed in texts:
        text = typed.lstrip("+") if typed.lstrip("+").startswith(f"{experiments.GROUP}=") else typed
        try:
            setting = ParsedOverride(text, parser.parse_override(text), file)
            problem = _problem(setting)
        except (HydraException, ValueError, ArithmeticError, RecursionError) as error:  # RecursionError: deep nesting
            reason = " ".join(str(error).split("\n")[0].split())
            problem = f"not an override ({reason}); write group=choice or key=value, quoted if needed"
        if problem:
            problems.append(Problem(f"{file}: {text}" if file else text, problem))
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
    if isinstance(value, IntervalSweep) and not _is_interval(value):
        return f"an interval needs two numbers, the lower first, such as interval(1e-4,1e-1); it has {_ends(value)}"
    return None


def _is_interval(value: IntervalSweep) -> bool:
    start, end = value.start, value.end
    return start is not None and end is not None and -math.inf < start < end < math.inf


def _ends(value: IntervalSweep) -> str:
    return f"{value.start} and {value.end}"


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
    texts = [f"{prefix}={name}" for name in names]
    return [ParsedOverride(text, parser.parse_override(text), setting.file) for text in texts]


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
        return [Problem(setting.where, f"an empty sweep{there_are}")]
    if root.partition("/")[0] == "hydra":
        refused = key in HYDRA_KEYS and not keeps_job_number(key, setting.shown_value)
        return [Problem(setting.where, HYDRA_KEYS[key])] if refused else []
    if override.is_delete():
        if root in OPEN_NODES and "." in key:
            return []
        return [Problem(setting.where, f"{key} cannot be removed; only entries of {format_list(OPEN_NODES)} can")]
    if setting.parsed.is_sweep_override() and not multirun:
        return [
            Problem(setting.where, "several values are a sweep: add --multirun, or quote text that contains commas")
        ]
    if root in SAME_JOB and override.is_sweep_override():
        several = "; for several loggers at once write logger=[csv,tensorboard]" if root == "logger" else ""
        return [Problem(setting.where, f"jobs that differ in {key} alone would be one job: choose one value{several}")]
    if key == experiments.SEARCH and (not multirun or override.is_sweep_override()):
        message = "one search at a time" if multirun else "a search is a sweep: add --multirun"
        return [Problem(setting.where, message)]
    if is_group(key):
        return _choice_problems(setting, key.partition("@")[0])
    if override.is_add() and root not in OPEN_NODES:
        only = f"Only {format_list(OPEN_NODES)} take new keys"
        return [Problem(setting.where, f"a new key cannot be added to {root}; nothing would read it. {only}")]
    return []


def keeps_job_number(key: str, value: str) -> bool:
    """Whether this is a pattern for the folders of a sweep's jobs that gives each its own."""
    return key == "hydra.sweep.subdir" and "hydra.job.num" in value


def _choice_problems(setting: ParsedOverride, group: str) -> list[Problem]:
    if setting.adds:
        return [Problem(setting.where, f"{group} is always there; write {setting.text.lstrip('+')}")]
    problems = []
    for choice in expand_sweep(setting):
        if not _names_options(choice, group):
            how = "one name or a list of names" if group in LIST_GROUPS else "one name"
            example = next(iter(options(group)), "NAME")
            problems.append(Problem(choice.where, f"{group} takes {how}, such as {group}={example}"))
            continue
        for name in choice.choices:
            if problem := choice_problem(group, name):
                problems.append(Problem(replace(setting, text=f"{group}={name}").where, problem))
    return problems


def _names_options(choice: ParsedOverride, group: str) -> bool:
    value: Any = choice.parsed.value()
    if isinstance(value, list) and group in LIST_GROUPS:
        return bool(value) and all(isinstance(item, (str, int, QuotedString)) for item in value)
    return isinstance(value, (str, int, QuotedString)) or (value is None and group == "logger")


def choice_problem(group: str, name: str) -> str | None:
    """What is wrong with the option ``name`` of a group; None if it exists."""
    try:
        if group in registry.KINDS:
            registry.find(group, name)
        elif group == experiments.GROUP:
            experiments.find(name)
        elif name not in (known := options(group)):
            if group == "logger" and name.lower() in NO_LOGGER:
                return "metrics.csv is always written; logger=csv writes nothing else"
            return f"no such {group}; {did_you_mean(name, known)}there are {format_list(known)}"
    except PluginError as error:
        return str(error)
    return None
