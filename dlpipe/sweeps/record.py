"""The record of a sweep, jobs.jsonl: a line for each event of a job, written by all processes of the sweep."""

import contextlib
import json
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlpipe.errors import DlpipeError
from dlpipe.operating_system import is_alive, kernel_lock, sync_path
from dlpipe.runs.directory import read_summary
from dlpipe.runs.lock import is_locked

JOBS = "jobs.jsonl"
LOCK = ".jobs.lock"
STARTING_SECONDS = 60.0
LOCK_SECONDS = 60.0  # writing a line takes less than one
# how a job ends; one that has failed may be run again
FINISHED, FAILED, DIVERGED, PRUNED = "finished", "failed", "diverged", "pruned"
DONE = (FINISHED, DIVERGED, PRUNED)  # not to be run again
ENDED = (*DONE, FAILED)
WAITING, RUNNING, INTERRUPTED = "waiting", "running", "interrupted"
PLANNED, STARTED = "planned", "started"
LAUNCHED = "launched"  # by a process that runs the sweep: failures before it do not count any more


@dataclass(frozen=True)
class JobRecord:
    """What the record knows of one job.

    Args:
        name: its directory in the sweep's, also where ``hydra.sweep.subdir`` has several folders.
        identity: equal for the same job, see `dlpipe.sweeps.identity`.
        setting: equal for jobs that differ in nothing but the seed.
        overrides: those of its config, in the order of the request.
        status: waiting, running, finished, failed, diverged, pruned or interrupted.
        error: why it failed, in one line.
        started: when it was started last, None if it never was.
        ended: when it ended.
    """

    name: str
    identity: str
    setting: str
    overrides: list[str] = field(default_factory=list)
    status: str = WAITING
    error: str = ""
    started: datetime | None = None
    ended: datetime | None = None


def append(sweep_dir: Path, event: str, job: str, **values: Any) -> None:
    """Add an event to the record, on disk when this returns."""
    append_all(sweep_dir, [{"event": event, "job": job, **values}])


def append_all(sweep_dir: Path, events: list[dict[str, Any]]) -> None:
    """Add events at once; where a killed process has cut the last line, start a new one."""
    text = "".join(json.dumps({"time": _now(), **event}) + "\n" for event in events)
    lock = None
    with contextlib.suppress(OSError):  # where there are no locks, the lines are appended in one write
        lock = kernel_lock(sweep_dir / LOCK)
        lock.acquire(timeout=LOCK_SECONDS, blocking=True)
    try:
        with (sweep_dir / JOBS).open("ab+") as file:
            if end := file.seek(0, os.SEEK_END):
                file.seek(end - 1)
                text = text if file.read(1) == b"\n" else "\n" + text
            file.write(text.encode())
        sync_path(sweep_dir / JOBS)
    finally:
        if lock is not None:
            lock.release()


def append_started(sweep_dir: Path, job: str) -> None:
    """Record that this process starts or resumes a job."""
    append(sweep_dir, STARTED, job, pid=os.getpid(), host=socket.gethostname())


def read_jobs(sweep_dir: Path) -> list[JobRecord]:
    """The jobs of a sweep in the order in which they were planned; empty if there are none yet.

    Raises:
        DlpipeError: the record cannot be read.
    """
    events: dict[str, list[dict[str, Any]]] = {}
    for event in read_events(sweep_dir):
        events.setdefault(str(event["job"]), []).append(event)
    return [_job(sweep_dir, name, own) for name, own in events.items() if any(e["event"] == PLANNED for e in own)]


def read_events(sweep_dir: Path) -> list[dict[str, Any]]:
    """All events, without lines that a killed process has cut."""
    path = sweep_dir / JOBS
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    except OSError as error:
        raise DlpipeError(f"{path} cannot be read: {error.strerror}") from error
    return list(_whole(text.splitlines()))


def reason_not_to_start(sweep_dir: Path, job: str, most_failures: int | None) -> str | None:
    """Why a job must not start now: another process has ended it meanwhile, or too many jobs have failed."""
    events = read_events(sweep_dir)
    own = [str(event["event"]) for event in events if event["job"] == job]
    if own and own[-1] in DONE:
        return f"another process has run it: {own[-1]}"
    launched = [place for place, event in enumerate(events) if event["event"] == LAUNCHED]
    failures = sum(event["event"] == FAILED for event in events[launched[-1] if launched else 0 :])
    if most_failures is not None and failures >= most_failures:
        return f"{failures} failed, and sweep.on_error or sweep.max_failures stops the sweep then"
    return None


def _whole(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            event = json.loads(line)
            if isinstance(event, dict) and {"time", "event", "job"} <= event.keys():
                yield event


def _job(sweep_dir: Path, name: str, events: list[dict[str, Any]]) -> JobRecord:
    planned = next(event for event in events if event["event"] == PLANNED)
    last = next((event for event in reversed(events) if event["event"] != PLANNED), planned)
    started = [event["time"] for event in events if event["event"] == STARTED]
    status = _status(sweep_dir / name, last)
    return JobRecord(
        name,
        str(planned.get("identity")),
        str(planned.get("setting")),
        [str(text) for text in planned.get("overrides", [])],
        status,
        str(last.get("error", "")) if status in ENDED else "",
        datetime.fromisoformat(started[-1]) if started else None,
        datetime.fromisoformat(last["time"]) if status in ENDED else None,
    )


def _status(run_dir: Path, last: dict[str, Any]) -> str:
    """From the last event, and the run's own files: a job may have been resumed by itself since."""
    event = str(last["event"])
    if event in (PLANNED, FINISHED, PRUNED):
        return WAITING if event == PLANNED else event
    if is_locked(run_dir) or (event == STARTED and _is_starting(last)):
        return RUNNING
    with contextlib.suppress(DlpipeError):  # damaged: it cannot be finished
        own = read_summary(run_dir).get("status")
        if own in DONE:
            return str(own)
    return INTERRUPTED if event == STARTED else event


def _is_starting(started: dict[str, Any]) -> bool:
    """Whether the job's process may not have locked its directory yet, since it imports PyTorch and the model first."""
    age = datetime.now(UTC) - datetime.fromisoformat(started["time"])
    is_here = started.get("host") == socket.gethostname()
    return age.total_seconds() < STARTING_SECONDS and (not is_here or is_alive(int(started.get("pid", 0))))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
