"""Explain a value of the config: what set it, in which file and line, what it replaced, and what reads it."""

import argparse
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlpipe.cli.flags import use_config_dirs
from dlpipe.config.checks import config_checks
from dlpipe.config.checks.overrides import parse
from dlpipe.config.origins import Origins, Setting, in_stages, readers, references, value_of
from dlpipe.config.run_overrides import is_for_hydra, overrides_of
from dlpipe.did_you_mean import did_you_mean
from dlpipe.errors import DlpipeError, Problem, RequestError, refuse
from dlpipe.plain_config import as_typed, flat
from dlpipe.runs.config_file import read_config
from dlpipe.runs.listing import find_run


def main(arguments: argparse.Namespace) -> int:
    """Print the value of a key and of every key that it refers to; torch is not imported."""
    use_config_dirs(arguments.config_dir)
    runs = [word for word in arguments.words if "=" not in word and not word.startswith("~")]
    if len(runs) > 1:
        raise RequestError([Problem(" ".join(runs), "explain takes one RUN at most, and overrides as key=value")])
    texts = [word for word in arguments.words if word not in runs]
    if runs:
        run = find_run(runs[0])
        stored = read_config(run)
        changed = bool(texts)
        texts = [setting.text for setting in overrides_of(run) if not is_for_hydra(setting)] + texts
    ((_, config),) = config_checks.check(texts, multirun=False, output_key=None)
    overrides, problems = parse(texts)
    refuse(problems)
    _explain(arguments.key, config, Origins(overrides))
    if runs:
        _compare_with_run(arguments.key, value_of(config, arguments.key), stored, changed)
    return 0


def _explain(key: str, config: DictConfig, origins: Origins) -> None:
    waiting, explained = [key], set[str]()
    while waiting:
        current = waiting.pop(0)
        if current not in explained:
            print("" if not explained else "\n", end="")
            explained.add(current)
            waiting += _explain_one(current, config, origins)


def _explain_one(key: str, config: DictConfig, origins: Origins) -> list[str]:
    """Print what is known about one key; returns the keys that its value refers to."""
    content: Any = OmegaConf.to_container(config, resolve=False)
    keys = flat(content)
    settings = origins.settings_of(key)
    below = [other for other in keys if other.startswith(f"{key}.")]
    if not settings and not below and key not in keys:
        raise DlpipeError(f"the config has no {key}; {did_you_mean(key, keys)}see all with -c job")
    print(key if below else f"{key} = {as_typed(_value(key, config, settings))}")
    for word, setting in zip(["set to", *["replacing"] * len(settings)], reversed(settings), strict=False):
        print(f"  {word} {as_typed(setting.value)} {'by' if word == 'set to' else 'of'} {setting.place}")
    for other in below:
        print(f"  {other} = {as_typed(value_of(config, other))}")
    for other in in_stages(key, keys):
        print(f"  replaced in a stage by {other} = {as_typed(value_of(config, other))}")
    if not below:
        names = readers(key, config)
        print(f"  read by {', '.join(names)}" if names else "  nothing reads it")
    return references(settings[-1].value) if settings else []


def _value(key: str, config: DictConfig, settings: list[Setting]) -> Any:
    """The value of a key; the choice of a group whose config is empty, as that of an experiment is."""
    value, last = value_of(config, key), settings[-1].value if settings else None
    return last if value is None and not references(last) else value


def _compare_with_run(key: str, composed: Any, stored: DictConfig, changed: bool) -> None:
    if key.partition(".")[0] not in stored:  # Hydra's own are not recorded
        return
    recorded = value_of(stored, key)
    if recorded == composed:
        return
    reason = ", as its data says" if composed is None else ": the files were others then"
    print(f"\nthe run was made with {key} = {as_typed(recorded)}{'' if changed else reason}")
