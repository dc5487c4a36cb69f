"""Start, resume or extend a sweep: its file, its record, Hydra's multirun, and the results."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from dlpipe.cli.console import print_first_line
from dlpipe.cli.flags import Request
from dlpipe.cli.hand_to_hydra import hand_to_hydra
from dlpipe.cli.request import read_request
from dlpipe.config.checks.config_checks import hydra_texts
from dlpipe.config.compose import quoted
from dlpipe.config.prepare import prepare_jobs
from dlpipe.errors import DlpipeError, format_list, refuse
from dlpipe.operating_system import interrupts_blocked_in_children
from dlpipe.runs.lock import run_directory_lock
from dlpipe.runs.provenance import differences, versions
from dlpipe.sweeps.launcher import Sweep, each_job_once
from dlpipe.sweeps.record import DONE, FAILED, LAUNCHED, append, read_jobs
from dlpipe.sweeps.results import write_results
from dlpipe.sweeps.sweep_file import SweepRequest, add_request, is_sweep, read_requests, write_sweep
from dlpipe.sweeps.untrusted import job_problems, request_problems

if TYPE_CHECKING:
    from dlpipe.config.checks.config_checks import Job

# overrides that say where a sweep writes and whether it is resumed, not what it trains
NOT_STORED = ("hydra.sweep.dir=", "resume=")


def run_sweep(request: Request, jobs: "list[Job]") -> int:
    """Run the jobs of a sweep that are not done, and print its results; return the exit code.

    Args:
        request: the command line.
        jobs: that cover every choice of the request.

    Raises:
        RequestError: a job cannot be run.
        DlpipeError: another process runs the sweep, its file is damaged, or versions or configs are others than before.
    """
    prepare_jobs(jobs)
    sweep = Sweep(Path(str(jobs[0][1].hydra.sweep.dir)).absolute())
    with _results_printed(sweep.directory):
        code = _run(sweep, request, jobs)
        left = _code_of_jobs_left(sweep.directory)  # says how to run them
        return code or left


def resume_sweep(directory: Path, retry_failed: bool, force: bool, trust: bool) -> int:
    """Run what is missing of everything that was asked of a sweep, and print its results; return the exit code.

    Args:
        directory: the sweep's, absolute.
        retry_failed: run failed jobs again.
        force: run with other versions of the code, or other configs, than the jobs before.
        trust: allow everything that the sweep's file names.

    Raises:
        RequestError: a job cannot be run, or its config could run code of somebody else.
        DlpipeError: as `run_sweep`.
    """
    sweep = Sweep(directory, retry_failed, force)
    with _results_printed(directory):
        code = 0
        for request in _different(read_requests(directory)):
            code = _run_again(sweep, request, trust) or code
            if code > 1:  # by a signal
                break
        left = _code_of_jobs_left(directory)
        return code or left


def _run_again(sweep: Sweep, stored: SweepRequest, trust: bool) -> int:
    refuse([] if trust else request_problems(stored, sweep.directory))
    with contextlib.suppress(FileNotFoundError):  # then paths that the request reads are absolute, or it is refused
        os.chdir(stored.working_folder)
    folders = [word for folder in stored.config_dirs for word in ("-cd", folder)]
    where = f"hydra.sweep.dir={quoted(str(sweep.directory))}"
    request, jobs = read_request([*folders, "-m", *stored.overrides, where, "resume=auto"])
    refuse(problem for _, config in jobs for problem in ([] if trust else job_problems(config, sweep.directory)))
    print_first_line(jobs, multirun=True)
    prepare_jobs(jobs)
    return _run(sweep, request, jobs)


def _run(sweep: Sweep, request: Request, jobs: "list[Job]") -> int:
    """Let Hydra run a request; return its exit code."""
    config = jobs[0][1]
    texts = _for_jobs(hydra_texts(request.overrides, jobs))
    sweep.directory.mkdir(parents=True, exist_ok=True)
    with run_directory_lock(sweep.directory):
        _claim(sweep.directory, _stored(request, config), sweep.force)
        append(sweep.directory, LAUNCHED, "")
        blocked = interrupts_blocked_in_children() if _has_workers(config) else contextlib.nullcontext()
        with blocked, each_job_once(sweep):
            code = hand_to_hydra(["--multirun", *texts, f"hydra.sweep.dir={quoted(str(sweep.directory))}"])
    if sweep.problem:
        raise sweep.problem
    return code


@contextlib.contextmanager
def _results_printed(directory: Path) -> Iterator[None]:
    """Afterwards write and print what the sweep has, also where the user interrupted it."""
    try:
        yield
    except DlpipeError:  # the request was refused, and nothing was run
        raise
    except BaseException:
        _print_results(directory)
        raise
    _print_results(directory)


def _print_results(directory: Path) -> None:
    if lines := write_results(directory):
        print(*lines, sep="\n", flush=True)


def _different(requests: list[SweepRequest]) -> list[SweepRequest]:
    """The requests that chose different jobs, the latest form of each."""
    kept: list[SweepRequest] = []
    for request in requests:
        kept = [*(one for one in kept if not one.asks_for_the_same(request)), request]
    return kept


def _claim(directory: Path, request: SweepRequest, force: bool) -> None:
    """Write sweep.yaml, or compare the request with it."""
    if not is_sweep(directory):
        write_sweep(directory, request)
        return
    requests = read_requests(directory)
    different = differences(requests[-1].versions, request.versions)
    if different and not force:
        more = f" (and {len(different) - 3} more)" if len(different) > 3 else ""
        message = f"{directory} was run with others: {format_list(different[:3])}{more}"
        advice = f"jobs may end in other numbers; continue with python -m dlpipe resume {directory} --force"
        raise DlpipeError(f"{message}; {advice}")
    if different or not any(request.asks_for_the_same(earlier) for earlier in requests):
        add_request(directory, request)


def _stored(request: Request, config: DictConfig) -> SweepRequest:
    return SweepRequest(
        overrides=_for_jobs(request.overrides),
        config_dirs=[str(folder) for folder in request.config_dirs],
        working_folder=str(Path.cwd()),
        sweeper=str(config.hydra.sweeper._target_),
        launcher=str(config.hydra.launcher._target_),
        versions=versions(),
    )


def _for_jobs(texts: list[str]) -> list[str]:
    return [text for text in texts if not text.startswith(NOT_STORED)]


def _has_workers(config: DictConfig) -> bool:
    """Whether the launcher has workers that it kills when it is interrupted, as joblib's."""
    return str(config.hydra.launcher._target_).endswith("JoblibLauncher")


def _code_of_jobs_left(directory: Path) -> int:
    """The exit code: 0 if every job has ended without failing; says what to do about the others."""
    jobs = read_jobs(directory)
    left = [job for job in jobs if job.status not in DONE]
    if not left:
        return 0
    failed = sum(job.status == FAILED for job in left)
    again = " --failed" if failed == len(left) else ""
    message = f"{failed} of {len(jobs)} jobs failed" if failed else f"{len(left)} of {len(jobs)} jobs are not done"
    print(f"dlpipe: {message}; run them: python -m dlpipe resume {directory}{again}", file=sys.stderr)
    return 1
