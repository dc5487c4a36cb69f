"""``python -m dlpipe``: a verb, or overrides for a run or a sweep. torch is imported only when a run starts."""

import contextlib
import io
import os
import signal
import sys
from typing import TYPE_CHECKING

from dlpipe import __version__
from dlpipe.cli.console import escape_unencodable_output, print_first_line
from dlpipe.cli.flags import Request
from dlpipe.cli.hand_to_hydra import hand_to_hydra, run_composed
from dlpipe.cli.plugin_verbs import is_plugin_verb, plugin_verbs, run_plugin_verb
from dlpipe.cli.request import read_request
from dlpipe.cli.torch_import import torch_imported_without_collections
from dlpipe.cli.verbs import VERBS, run_verb
from dlpipe.errors import DlpipeError, Problem, RequestError, system_errors_in_one_line
from dlpipe.operating_system import identify_user
from dlpipe.plugins import registry
from dlpipe.training.distributed.rank_info import get_rank_info

if TYPE_CHECKING:
    from dlpipe.config.checks.config_checks import Job

DONE, WRONG = 0, 2
READER_GONE = 141  # 128 + SIGPIPE, as a shell reports it

HELP = """\
dlpipe {version}: deep learning pipelines from plugins

  python -m dlpipe model=lenet                       train and test a model on its default dataset
  python -m dlpipe model=lenet dataset=mnist recipe.lr=0.05
  python -m dlpipe -m model=logreg,mlp optimizer.lr=0.1,0.01     a sweep: every combination
  python -m dlpipe experiment=NAME                   run a saved set-up; more overrides may follow
  python -m dlpipe save NAME model=mlp seed=3        save overrides as an experiment (or --run RUN)
  python -m dlpipe list                              list models, datasets, optimizers, experiments and plugins
  python -m dlpipe show lenet                        show a model's description, options, recipe and targets
  python -m dlpipe explain optimizer.lr model=lenet  show which file or override sets a value, and what reads it
  python -m dlpipe doctor                            import every plugin and report errors
  python -m dlpipe check model=lenet recipe.lr=0.05  check a request without running it
  python -m dlpipe resume RUN [recipe.max_epochs=9]  resume an interrupted run, or train a finished one longer
  python -m dlpipe resume SWEEP [--failed]           run what is missing of a sweep, and resume what is half done
  python -m dlpipe runs [DIR] [model=lenet]          list the latest runs: status, best, test, duration
  python -m dlpipe status SWEEP                      show how far a sweep is, and the best so far
  python -m dlpipe reproduce RUN                     run it again and compare every weight
  python -m dlpipe inspect FILE                      show what a checkpoint contains, without executing anything in it
  python -m dlpipe test RUN                          test a finished run again
  python -m dlpipe predict RUN [FILE ...]            predict images (PNG, idx), texts or the test set
  python -m dlpipe figures RUN                       draw the figures of a run, finished or not, from its checkpoints
  python -m dlpipe sample RUN -n 100                 sample from a generative model, into the samples/ of its run
{verbs}
groups      model dataset optimizer scheduler trainer callbacks logger recipe experiment search
models      {models}
datasets    {datasets}

-m, --multirun     run every combination of comma-separated values
-c, --cfg job      print the composed config and run nothing (--resolve, --package KEY)
-cd DIR            add a folder of your own YAML to the config; so does DLPIPE_CONF=DIR
-sc install=bash   print the shell completion of the command `dlpipe`, for eval (also zsh, fish)
--info [defaults]  print Hydra's search path, defaults list and plugins
--hydra-help       show Hydra's own flags and launchers
--version          print the version
-h, --help         print this; after a verb, the verb's own arguments

Override any value of the composed config as key=value. Runs are written to outputs/;
RUN is a run's directory, or last for the latest; SWEEP is a sweep's.
Exit codes: 0 finished; 1 failed or diverged; 2 the request was wrong, nothing was written; 128 + n stopped by signal n.
"""


def main(arguments: list[str]) -> int:
    """Run one command line; returns the exit code."""
    escape_unencodable_output()
    identify_user()
    try:
        code = _exit_code(arguments)
    except BrokenPipeError:
        code = READER_GONE
    _flush_output()
    return code


def _flush_output() -> None:
    """Flush stdout and stderr; discard what nobody reads (``| head``), or Python would report it as it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _exit_code(arguments: list[str]) -> int:
    try:
        with system_errors_in_one_line():
            return _dispatch(arguments)
    except RequestError as error:
        count = len(error.problems)
        message = f"{count} problem{'s' if count > 1 else ''} in this request; nothing was run or written:\n{error}"
        code = WRONG
    except DlpipeError as error:
        message, code = str(error), WRONG
    except KeyboardInterrupt:
        message, code = "interrupted", 128 + signal.SIGINT
    print(f"dlpipe: {message}", file=sys.stderr)
    return code


def _dispatch(arguments: list[str]) -> int:
    arguments = _with_verb_first(arguments)
    if arguments and _is_verb(arguments[0]):
        return _run_verb(arguments[0], arguments[1:])
    if not arguments or arguments[0] == "help" or "-h" in arguments or "--help" in arguments:
        return _print_help(arguments)
    if "--version" in arguments:
        print(f"dlpipe {__version__}")
        return DONE
    return _run(*read_request(arguments))


def _with_verb_first(arguments: list[str]) -> list[str]:
    """The arguments with the verb before its ``-cd DIR``, which stands first where no verb follows."""
    start = 0
    while arguments[start : start + 1] in (["-cd"], ["--config-dir"]):
        start += 2
    is_verb = start < len(arguments) and _is_verb(arguments[start])
    return [*arguments[start:], *arguments[:start]] if is_verb else arguments


def _is_verb(word: str) -> bool:
    return word in VERBS or ("=" not in word and is_plugin_verb(word))


def _run_verb(name: str, words: list[str]) -> int:
    return run_verb(name, words) if name in VERBS else run_plugin_verb(name, words)


def _print_help(arguments: list[str]) -> int:
    """Print the help of the verb among the arguments; without one, that of the program."""
    if get_rank_info().rank > 0:
        return DONE
    if verb := next(filter(_is_verb, arguments), None):
        return _run_verb(verb, ["--help"])
    print(_help(), end="")
    return DONE


def _help() -> str:
    models, datasets = (sorted({entry.name for entry in registry.available(kind)}) for kind in registry.KINDS)
    return HELP.format(
        version=__version__,
        verbs="".join(f"  python -m dlpipe {name:34}{line}\n" for name, line in plugin_verbs().items()),
        models=" ".join(models) or "none installed",
        datasets=" ".join(datasets),
    )


def _run(request: Request, jobs: "list[Job]") -> int:
    from dlpipe.config.checks import config_checks

    here = get_rank_info()
    if request.multirun and here.world_size > 1:
        message = f"{here.launcher} started {here.world_size} processes, and a sweep starts those of each job itself"
        raise RequestError([Problem("-m", f"{message}; start it by itself, with trainer.devices={here.world_size}")])
    texts = config_checks.hydra_texts(request.overrides, jobs)
    if any(flag.startswith("query=") for flag in request.print_only_flags):
        from dlpipe.cli.completion import offered_by_verbs

        words, hydra_has_others = offered_by_verbs()
        print(*words, sep="\n")
        if not hydra_has_others:
            return DONE
    if request.print_only_flags:
        return _print_by_hydra([*request.print_only_flags, *texts])
    if here.rank == 0:
        print_first_line(jobs, request.multirun)
    with torch_imported_without_collections():
        from dlpipe.cli.sweep_job import run_job  # noqa: F401  # what a run and a job of a sweep import
        from dlpipe.config import prepare
    if request.multirun:
        from dlpipe.cli.sweep import run_sweep

        return run_sweep(request, jobs)
    from dlpipe.cli import hydra_task

    config = jobs[0][1]
    prepared = prepare.prepare_jobs(jobs)
    if here.rank > 0:
        return hydra_task.run_nonzero_rank(config, prepared)
    may_change = bool(config.hydra.callbacks)  # by a Hydra callback, before the run starts
    return run_composed(config, texts, lambda cfg: hydra_task.task(cfg, None if may_change else prepared))


def _print_by_hydra(arguments: list[str]) -> int:
    """Print what Hydra prints for its flags; it would report a reader that has gone as an error in the task."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = hand_to_hydra(arguments)
    print(output.getvalue(), end="")
    return code
