"""Save overrides, or those of a run, as an experiment, which ``experiment=NAME`` chooses."""

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from dlpipe.atomic import atomic_write
from dlpipe.cli.flags import use_config_dirs
from dlpipe.config.checks import config_checks
from dlpipe.config.checks.experiment import WITHOUT_EFFECT
from dlpipe.config.checks.overrides import ParsedOverride, parse
from dlpipe.config.checks.untrusted import code_problems
from dlpipe.config.compose import config_tree, is_group
from dlpipe.config.experiments import GROUP, experiments
from dlpipe.config.paths import is_path
from dlpipe.config.run_overrides import is_for_hydra, overrides_of
from dlpipe.errors import DlpipeError, Problem, refuse
from dlpipe.plain_config import flat
from dlpipe.plugins import registry
from dlpipe.runs.directory import CONFIG

NAME = re.compile(r"[A-Za-z_][\w-]*(/[A-Za-z_][\w-]*)*")


def main(arguments: argparse.Namespace) -> int:
    """Check the overrides as a run does, without torch, write the file, and print the command that uses it."""
    use_config_dirs(arguments.config_dir)
    folder = arguments.to or next(iter(registry.environment_conf_dirs()), Path("conf"))
    file = folder / GROUP / f"{arguments.name}.yaml"
    refuse(_name_problems(arguments.name, file, arguments.force))
    carried, left_out = _overrides_of(Path(arguments.run)) if arguments.run else ([], [])
    settings, problems = parse([*carried, *arguments.overrides])
    refuse(problems or _problems(settings, arguments.name))
    config_checks.check([setting.text for setting in settings], multirun=False, output_key=None)
    content = _experiment(settings)
    refuse(code_problems(flat(content), Path(arguments.run)) if arguments.run else [])
    _write(file, f"# @package _global_\n{OmegaConf.to_yaml(OmegaConf.create(content))}")
    for text in left_out:
        print(f"left out, because it holds for that run alone: {text}")
    print(f"saved in {file}; use it with:\n  {_command(arguments.name, [*arguments.config_dir, str(folder)])}")
    return 0


def _name_problems(name: str, file: Path, force: bool) -> list[Problem]:
    settings, problems = parse([f"{GROUP}={name}"])
    if problems or not NAME.fullmatch(name) or not isinstance(settings[0].parsed.value(), str):
        return [Problem(name, "is not a name; write letters, digits, _ and -, and / for a subfolder")]
    if file.exists() and not force:
        return [Problem(str(file), "exists; choose another name, or replace it with --force")]
    others = [item for item in experiments() if item.name == name and item.path.resolve() != file.resolve()]
    return [Problem(name, f"{other.path} has this name; choose another") for other in others]


def _overrides_of(run: Path) -> tuple[list[str], list[str]]:
    """The overrides of a run, and those that are left out: paths, and what says where and how it ran."""
    if not (run / CONFIG).is_file():
        raise DlpipeError(f"{run} is not a run's directory: it has no {CONFIG}")
    settings = overrides_of(run)
    left_out = [setting.text for setting in settings if _is_of_the_run(setting)]
    return [setting.text for setting in settings if setting.text not in left_out], left_out


def _is_of_the_run(setting: ParsedOverride) -> bool:
    root, _, name = setting.key.rpartition(".")
    if setting.key in ("init_from", "resume") or is_for_hydra(setting):
        return True
    return bool(root) and not setting.parsed.is_delete() and is_path(name, setting.parsed.value())


def _problems(settings: list[ParsedOverride], name: str) -> list[Problem]:
    problems = [] if settings else [Problem("save", "give overrides, or the run that has them: --run RUN")]
    for setting in settings:
        if setting.parsed.is_delete():
            message = "a file cannot remove an entry; leave it out, and write it after experiment=NAME"
        elif setting.parsed.is_sweep_override():
            message = "several values are a sweep; leave it out, and write it after -m experiment=NAME"
        elif setting.text == f"{GROUP}={name}":
            message = "would choose itself; save it under another name"
        elif setting.key in WITHOUT_EFFECT:
            message = "has no effect in an experiment; leave it out, and write it after experiment=NAME"
        else:
            continue
        problems.append(Problem(setting.text, message))
    return problems


def _experiment(settings: list[ParsedOverride]) -> dict[str, Any]:
    """The content of the file: choices of groups in the defaults list, values as nested keys."""
    bases, choices, values = [], {}, OmegaConf.create({})
    with config_tree():
        for setting in settings:
            value: Any = setting.parsed.value()
            if setting.key == GROUP:
                bases = [f"/{GROUP}/{value}", "_self_"]
            elif is_group(setting.key):
                choices[f"override /{setting.text.partition('=')[0]}"] = value
            else:
                OmegaConf.update(values, setting.key, value, merge=True, force_add=True)
    defaults = [*bases, *({key: value} for key, value in choices.items())]
    content: dict[str, Any] = {"defaults": defaults} if defaults else {}
    content.update(OmegaConf.to_container(values))  # type: ignore[arg-type]  # it is a dict
    return content


def _write(file: Path, text: str) -> None:
    try:
        with atomic_write(file) as temporary_path:
            temporary_path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DlpipeError(f"{file} cannot be written: {error.strerror}; choose another folder with --to") from error


def _command(name: str, folders: list[str]) -> str:
    found_anyway = {folder.resolve() for folder in (registry.conf_dir(), *registry.environment_conf_dirs())}
    needed = dict.fromkeys(folder for folder in folders if Path(folder).resolve() not in found_anyway)
    flags = [word for folder in needed for word in ("-cd", folder)]
    return shlex.join(["python", "-m", "dlpipe", *flags, f"{GROUP}={name}"])
