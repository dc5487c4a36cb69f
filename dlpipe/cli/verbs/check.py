"""Check a request as a run does, and run nothing."""

import argparse

from dlpipe.cli.console import print_first_line
from dlpipe.cli.request import read_request
from dlpipe.errors import Problem, RequestError


def main(arguments: argparse.Namespace) -> int:
    """Print one line if the request could be run; otherwise a RequestError has every problem found."""
    request, jobs = read_request(arguments.words, "check")
    if flags := " ".join(request.print_only_flags):
        raise RequestError([Problem(flags, "check takes overrides, --multirun and --config-dir only")])
    print_first_line(jobs, request.multirun)
    from dlpipe.config.prepare import prepare_jobs  # imports torch
    from dlpipe.data.files import without_downloads

    with without_downloads():
        prepare_jobs(jobs)
    cfg = jobs[0][1]
    print(f"nothing is wrong with it: model={cfg.model.name} dataset={cfg.dataset.name}; nothing was run or written")
    return 0
