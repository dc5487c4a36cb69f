"""The command line's overrides, parsed by Hydra's own grammar and spread into single jobs."""

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
    """One override of one job, with no sweep left in it."""

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
    """Parse each override by itself, so that one that is malformed does not hide the others."""
    parser = OverridesParser.create()
    settings, problems = [], []
    for text in texts:
        try:
            setting = ParsedOverride(text, parser.parse_override(text))
            found = _key_problems(setting) + _range_problems(setting)
        except (HydraException, ValueError, ArithmeticError, RecursionError) as error:  # the last, of deep nesting
            reason = " ".join(str(error).split("\n")[0].split())
            message = f"not an override ({reason}); write group=choice or key=value, quoted if needed"
            found = [Problem(text, message)]
        settings += [] if found else [setting]
        problems += found
    return settings, problems


def _key_problems(setting: ParsedOverride) -> list[Problem]:
    message = "an override of nothing; write group=choice or key=value"
    return [] if setting.key else [Problem(setting.text, message)]


def _range_problems(setting: ParsedOverride) -> list[Problem]:
    """A range of more runs than anybody would wait for; Hydra would write it out first."""
    value: Any = setting.parsed.value()
    if isinstance(value, RangeSweep) and any(number == MOST_JOBS for number, _ in enumerate(value.range())):
        return [Problem(setting.text, f"a sweep of more than {MOST_JOBS} values; choose fewer")]
    return []


def expand_sweep(setting: ParsedOverride, composer: Composer) -> list[ParsedOverride]:
    """The settings that a sweep such as ``lr=0.1,0.01`` stands for; the setting itself where it is none.

    A sweep over a range or an interval is checked at its two ends.
    """
    prefix = setting.text.partition("=")[0]
    # Hydra's annotation of value() leaves the sweeps out
    value: Any = None if setting.parsed.is_delete() else setting.parsed.value()
    names: list[str]
    if isinstance(value, Glob):
        names = [name for name in composer.options(setting.key) if _globbed(name, value)]
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
    """Whether the override holds several values, for ``--multirun`` to run through."""
    return not setting.parsed.is_delete() and isinstance(setting.parsed.value(), (Sweep, Glob))


def _globbed(name: str, glob: Glob) -> bool:
    wanted = any(fnmatch.fnmatch(name, pattern) for pattern in glob.include)
    return wanted and not any(fnmatch.fnmatch(name, pattern) for pattern in glob.exclude)


def jobs(settings: list[ParsedOverride], composer: Composer) -> list[list[ParsedOverride]]:
    """Jobs that between them show every choice of a sweep: all combinations of groups, each value once.

    The full product of values is not needed: a value is right or wrong by itself once the groups are chosen.
    """
    spread = [expand_sweep(setting, composer) for setting in settings]
    groups = [choices if composer.is_group(choices[0].key) else choices[:1] for choices in spread]
    found = []
    for base in itertools.product(*groups):
        found.append(list(base))
        for place, choices in enumerate(spread):
            if not composer.is_group(choices[0].key):
                found.extend([*base[:place], other, *base[place + 1 :]] for other in choices[1:])
    return found
