"""The overrides of the command line, parsed with Hydra's grammar and expanded into single jobs."""

import fnmatch
import itertools
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep, Sweep
from hydra.errors import HydraException

from dlpipe.config.compose import Composer
from dlpipe.errors import Problem

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
            setting_problems = _key_problems(setting) + _range_problems(setting)
        except (HydraException, ValueError, ArithmeticError, RecursionError) as error:  # RecursionError: deep nesting
            reason = " ".join(str(error).split("\n")[0].split())
            message = f"not an override ({reason}); write group=choice or key=value, quoted if needed"
            setting_problems = [Problem(text, message)]
        settings += [] if setting_problems else [setting]
        problems += setting_problems
    return settings, problems


def _key_problems(setting: ParsedOverride) -> list[Problem]:
    message = "the override has no key; write group=choice or key=value"
    return [] if setting.key else [Problem(setting.text, message)]


def _range_problems(setting: ParsedOverride) -> list[Problem]:
    """Refuse a range with absurdly many values, all of which Hydra would list first."""
    value: Any = setting.parsed.value()
    if isinstance(value, RangeSweep) and any(number == MOST_JOBS for number, _ in enumerate(value.range())):
        return [Problem(setting.text, f"a sweep of more than {MOST_JOBS} values; choose fewer")]
    return []


def expand_sweep(setting: ParsedOverride, composer: Composer) -> list[ParsedOverride]:
    """The overrides of a sweep such as ``lr=0.1,0.01``, one for each value; the override itself if it is not a sweep.

    A sweep over a range or an interval is checked at its two ends.
    """
    prefix = setting.text.partition("=")[0]
    # Hydra's annotation of value() omits sweeps
    value: Any = None if setting.parsed.is_delete() else setting.parsed.value()
    names: list[str]
    if isinstance(value, Glob):
        names = [name for name in composer.options(setting.key) if _matches(name, value)]
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


def is_sweep(setting: ParsedOverride) -> bool:
    """Whether the override has several values, one for each job of ``--multirun``."""
    return not setting.parsed.is_delete() and isinstance(setting.parsed.value(), (Sweep, Glob))


def _matches(name: str, glob: Glob) -> bool:
    is_included = any(fnmatch.fnmatch(name, pattern) for pattern in glob.include)
    return is_included and not any(fnmatch.fnmatch(name, pattern) for pattern in glob.exclude)


def jobs(settings: list[ParsedOverride], composer: Composer) -> list[list[ParsedOverride]]:
    """Jobs that together cover every choice of a sweep: all combinations of groups, each value once.

    The full product of values is not needed: once the groups are chosen, each value is valid or invalid by itself.
    """
    expanded = [expand_sweep(setting, composer) for setting in settings]
    groups = [choices if composer.is_group(choices[0].key) else choices[:1] for choices in expanded]
    covering = []
    for base in itertools.product(*groups):
        covering.append(list(base))
        for position, choices in enumerate(expanded):
            if not composer.is_group(choices[0].key):
                covering.extend([*base[:position], value, *base[position + 1 :]] for value in choices[1:])
    return covering
