"""Check a request as a run does, and run nothing; with -m, list the jobs of the sweep."""

import argparse
from typing import TYPE_CHECKING

from dlpipe.cli.console import print_first_line
from dlpipe.cli.request import read_request
from dlpipe.cli.torch_import import torch_imported_without_collections
from dlpipe.errors import Problem, RequestError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main(arguments: argparse.Namespace) -> int:
    """Print one line if the request could be run; otherwise a RequestError has every problem found."""
    request, jobs = read_request(arguments.words, "check")
    if flags := " ".join(request.print_only_flags):
        raise RequestError([Problem(flags, "check takes overrides, --multirun and --config-dir only")])
    print_first_line(jobs, request.multirun)
    with torch_imported_without_collections():
        from dlpipe.config.checks.config_checks import hydra_texts
        from dlpipe.config.prepare import prepare_jobs
        from dlpipe.data.files import without_downloads

    with without_downloads():
        prepare_jobs(jobs)
    cfg = jobs[0][1]
    if request.multirun:
        _print_jobs(hydra_texts(request.overrides, jobs), cfg)
    print(f"nothing is wrong with it: model={cfg.model.name} dataset={cfg.dataset.name}; nothing was run or written")
    return 0


def _print_jobs(texts: list[str], config: "DictConfig") -> None:
    from dlpipe.sweeps.grid import jobs_of_grid

    listed = jobs_of_grid(texts, config)
    if listed is None:
        print(f"{config.hydra.sweeper._target_} chooses the jobs as the sweep runs")
        return
    print(f"{len(listed)} jobs:")
    for number, overrides in enumerate(listed):
        print(" ", number, *(override.lstrip("+") for override in overrides))
