"""Overrides that are invalid by themselves: removals, additions, unknown choices."""

from hydra.core.override_parser.types import QuotedString

from dlpipe.config.checks.overrides import ParsedOverride, expand_sweep, is_sweep
from dlpipe.config.compose import Composer
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


def _breaks_sweeps(setting: ParsedOverride) -> bool:
    if setting.key == "hydra.sweep.subdir":
        return "hydra.job.num" not in setting.shown_value
    return setting.key in HYDRA_KEYS


def syntax_problems(setting: ParsedOverride, multirun: bool, composer: Composer) -> list[Problem]:
    """Problems with the syntax of an override, or with the option it chooses."""
    key, override = setting.key, setting.parsed
    root = key.partition(".")[0]
    if not expand_sweep(setting, composer):
        options = composer.options(key)
        return [Problem(setting.text, f"an empty sweep{'; there are ' + format_list(options) if options else ''}")]
    if root.partition("/")[0] == "hydra":
        return [Problem(setting.text, HYDRA_KEYS[key])] if _breaks_sweeps(setting) else []
    if override.is_delete():
        if root in OPEN_NODES and "." in key:
            return []
        return [Problem(setting.text, f"{key} cannot be removed; only entries of {format_list(OPEN_NODES)} can")]
    if is_sweep(setting) and not multirun:
        return [Problem(setting.text, "several values are a sweep: add --multirun, or quote text that contains commas")]
    if composer.is_group(key):
        return _choice_problems(setting, key.partition("@")[0], composer)
    if override.is_add() and root not in OPEN_NODES:
        message = (
            f"a new key cannot be added to {root}; nothing would read it. Only {format_list(OPEN_NODES)} take new keys"
        )
        return [Problem(setting.text, message)]
    return []


def _choice_problems(setting: ParsedOverride, group: str, composer: Composer) -> list[Problem]:
    if setting.parsed.is_add():
        return [Problem(setting.text, f"{group} is always there; write {setting.text.lstrip('+')}")]
    if not is_sweep(setting) and not isinstance(setting.parsed.value(), (str, int, QuotedString)):
        return [Problem(setting.text, f"{group} takes one name, such as {group}={composer.options(group)[0]}")]
    problems = []
    for choice in expand_sweep(setting, composer):
        name = choice.shown_value.strip("'\"")
        problem = _plugin_choice(group, name) if group in registry.KINDS else _yaml_choice(group, name, composer)
        problems += [Problem(f"{group}={name}", problem)] if problem else []
    return problems


def _plugin_choice(kind: str, name: str) -> str | None:
    try:
        registry.find(kind, name)  # type: ignore[arg-type]  # called for KINDS only
    except PluginError as error:
        return str(error)
    return None


def _yaml_choice(group: str, name: str, composer: Composer) -> str | None:
    options = composer.options(group)
    return (
        None if name in options else f"no such {group}; {did_you_mean(name, options)}there are {format_list(options)}"
    )
