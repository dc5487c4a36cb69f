"""``python -m dlpipe verify``: run a recipe and say whether it reaches the published numbers."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dlpipe
from dlpipe import DlpipeError, Problem, RequestError
from dlpipe.metrics import format_metric, format_value

FAILED, NOT_REACHED = 1, 3
LAST = "last"


def verify(words: list[str]) -> int:
    """Run a recipe and say whether it reaches its published numbers; exit code 3 if it does not."""
    arguments = _parser().parse_intermixed_args(words)
    named = arguments.words[0]
    if len(arguments.words) == 1 and (named == LAST or Path(named).is_dir()):
        return _verdict(_finished(named))
    if wrong := [word for word in arguments.words if "=" not in word and not word.startswith("~")]:
        raise RequestError(map(_no_override, wrong))
    overrides = _with_targets(arguments.words, arguments.config_dir)
    try:
        run = dlpipe.run(*overrides, config_dir=arguments.config_dir)
    except RequestError:
        raise
    except DlpipeError as error:
        print(f"dlpipe: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as stopped:
        if isinstance(stopped.__cause__, SystemExit):  # a signal: its exit code is that of a run
            raise stopped.__cause__ from None
        raise
    return _verdict(run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m dlpipe verify", description=verify.__doc__, allow_abbrev=False)
    parser.add_argument(
        "words",
        metavar="OVERRIDE",
        nargs="+",
        help="as for a run; without dataset=, the dataset that has published numbers; or the directory of a finished "
        "run, which is not run again",
    )
    parser.add_argument("-cd", "--config-dir", metavar="DIR", help="add a folder of your own YAML to the config")
    return parser


def _no_override(word: str) -> Problem:
    allowed = "give overrides, such as model=logreg, or the directory of one run; `python -m dlpipe runs` lists runs"
    return Problem(
        word, f"{'not an override' if Path(word).is_dir() else 'neither an override nor a directory'}; {allowed}"
    )


def _finished(name: str) -> dlpipe.Run:
    run = dlpipe.Run(name)
    if run.status != "finished":
        raise DlpipeError(f"{run.directory} is not a finished run: {run.status}")
    if not run.summary["targets"]:
        raise DlpipeError(f"{run.directory}: {_no_targets(run.config)}")
    return run


def _with_targets(overrides: list[str], config_dir: str | None) -> list[str]:
    """The overrides of a run that has targets.

    Raises:
        RequestError: the overrides are wrong, or there is no target for their dataset.
    """
    config = dlpipe.compose(*overrides, config_dir=config_dir)
    others = _datasets(config)
    if config.dataset.name not in others:
        chosen = any(word.lstrip("+").startswith(("dataset=", "experiment=")) for word in overrides)
        if chosen or not others:
            raise RequestError([Problem("verify", _no_targets(config))])
        overrides = [*overrides, f"dataset={others[0]}"]
        config = dlpipe.compose(*overrides, config_dir=config_dir)
    print(
        f"model={config.model.name} dataset={config.dataset.name}: importing PyTorch and checking the request",
        flush=True,
    )
    return overrides


def _datasets(config: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(target["dataset"] for target in config["recipe"]["targets"]))


def _no_targets(config: Mapping[str, Any]) -> str:
    model, others = config["model"]["name"], _datasets(config)
    if not others:
        return f"the recipe of {model} has no targets: no number was published for it"
    here = f"there is no published number for model={model} dataset={config['dataset']['name']}"
    return f"{here}; there are some for {' or '.join(f'dataset={name}' for name in others)}"


def _verdict(run: dlpipe.Run) -> int:
    """Print a line for each target; the exit code."""
    targets = run.summary["targets"]
    print(*_lines(targets), sep="\n")
    return 0 if all(target["reached"] for target in targets) else NOT_REACHED


def _lines(targets: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for target in targets:
        name, own = target["metric"], target["run"]
        found = "the run has no such metric" if own is None else f"{format_metric(name, own)}"
        verdict = "reached" if target["reached"] else "not reached"
        yield f"{verdict}: {found}; published {format_value(name, target['value'])} ({target['source']})"
