"""Check a request as a run does, and run nothing."""

import argparse

from dlpipe.cli.flags import parse
from dlpipe.cli.verb_parser import VerbParser
from dlpipe.config.checks import config_checks
from dlpipe.errors import Problem, RequestError
from dlpipe.plugins import registry


def add_arguments(parser: VerbParser) -> None:
    """Take every word: `dlpipe.cli.flags` reads them, as it does for a run."""
    parser.usage = "python -m dlpipe check [-m] [-cd DIR] [OVERRIDE ...]"
    parser.set_defaults(overrides=[])


def main(arguments: argparse.Namespace) -> int:
    """Print one line if the request could be run.

    Raises:
        RequestError: it could not; with every problem found.
    """
    request = parse(arguments.overrides)
    if request.print_only_flags:
        message = "check takes overrides, --multirun and --config-dir only"
        raise RequestError([Problem(" ".join(request.print_only_flags), message)])
    registry.user_conf_dirs[:] = request.config_dirs
    jobs = config_checks.check(request.overrides, request.multirun, "sweep" if request.multirun else "run")
    from dlpipe.config.prepare import prepare_jobs  # imports torch

    prepare_jobs(jobs)
    cfg = jobs[0][1]
    print(f"nothing is wrong with it: model={cfg.model.name} dataset={cfg.dataset.name}; nothing was run or written")
    return 0
