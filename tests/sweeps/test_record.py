"""jobs.jsonl: the status of each job, with several writers, and after a kill."""

import json
import multiprocessing
import os
import socket
from datetime import UTC, datetime, timedelta

import pytest

from dlpipe.errors import DlpipeError
from dlpipe.runs.lock import run_directory_lock
from dlpipe.sweeps.record import JOBS, append, append_started, read_events, read_jobs, reason_not_to_start


def plan(sweep, *names):
    for name in names:
        append(sweep, "planned", name, identity=f"id of {name}", setting="s", overrides=["seed=1"])


def status(sweep, name="0-mlp"):
    return next(job.status for job in read_jobs(sweep) if job.name == name)


def test_a_job_is_waiting_until_it_starts_and_has_the_status_of_its_end(tmp_path):
    plan(tmp_path, "0-mlp")
    assert status(tmp_path) == "waiting"
    append_started(tmp_path, "0-mlp")
    assert status(tmp_path) == "running"  # this process lives, and may be importing PyTorch
    append(tmp_path, "failed", "0-mlp", error="ValueError: no")
    (job,) = read_jobs(tmp_path)
    assert (job.status, job.error, job.identity, job.overrides) == (
        "failed",
        "ValueError: no",
        "id of 0-mlp",
        ["seed=1"],
    )
    assert job.started <= job.ended
    append_started(tmp_path, "0-mlp")
    append(tmp_path, "finished", "0-mlp")
    assert (status(tmp_path), read_jobs(tmp_path)[0].error) == ("finished", "")


def started(sweep, **changes):
    event = {"event": "started", "job": "0-mlp", "pid": os.getpid(), "host": socket.gethostname()}
    long_ago = datetime.now(UTC) - timedelta(minutes=10)
    with (sweep / JOBS).open("a") as file:
        file.write(json.dumps({"time": long_ago.isoformat(), **event, **changes}) + "\n")


def test_a_started_job_whose_process_has_gone_is_interrupted(tmp_path):
    plan(tmp_path, "0-mlp")
    gone = multiprocessing.get_context("spawn").Process(target=int)
    gone.start()
    gone.join()
    append(tmp_path, "started", "0-mlp", pid=gone.pid, host=socket.gethostname())
    assert status(tmp_path) == "interrupted"


def test_a_job_of_another_host_runs_while_its_directory_is_locked(tmp_path):
    plan(tmp_path, "0-mlp")
    started(tmp_path, host="elsewhere")
    assert status(tmp_path) == "interrupted"
    (tmp_path / "0-mlp").mkdir()
    with run_directory_lock(tmp_path / "0-mlp"):
        assert status(tmp_path) == "running"
    assert status(tmp_path) == "interrupted"


def test_to_ask_for_the_status_does_not_keep_a_job_from_its_directory(tmp_path):
    plan(tmp_path, "0-mlp")
    started(tmp_path)
    (tmp_path / "0-mlp").mkdir()
    with run_directory_lock(tmp_path / "0-mlp"):
        pass
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    asking = context.Process(target=ask, args=(tmp_path, stop))
    asking.start()
    try:
        for _ in range(30):
            with run_directory_lock(tmp_path / "0-mlp"):
                pass
    finally:
        stop.set()
        asking.join()
    assert asking.exitcode == 0


def ask(sweep, stop):
    while not stop.is_set():
        read_jobs(sweep)


def test_a_run_that_was_resumed_by_itself_has_ended(tmp_path):
    plan(tmp_path, "0-mlp")
    started(tmp_path)
    (tmp_path / "0-mlp").mkdir()
    (tmp_path / "0-mlp" / "summary.json").write_text('{"status": "finished"}')
    assert status(tmp_path) == "finished"


@pytest.mark.parametrize("cut", ['{"time": "2026', "null\n[1]\n", '{"event": "finished", "job": "0-mlp"}\n', "\xff\n"])
def test_a_line_that_a_kill_has_cut_costs_only_its_own_event(cut, tmp_path):
    plan(tmp_path, "0-mlp", "1-mlp")
    with (tmp_path / JOBS).open("a", encoding="latin-1") as file:
        file.write(cut)
    append(tmp_path, "finished", "1-mlp")
    assert [job.status for job in read_jobs(tmp_path)] == ["waiting", "finished"]


def write_many(sweep, name):
    for _ in range(20):
        append(sweep, "started", name, text="x" * 5000)


def test_several_processes_write_whole_lines(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(tmp_path, str(number))) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(read_events(tmp_path)) == 60 == len((tmp_path / JOBS).read_text().splitlines())


def test_a_record_that_cannot_be_read_is_an_error_in_one_line(tmp_path):
    (tmp_path / JOBS).mkdir()
    with pytest.raises(DlpipeError, match=r"jobs.jsonl cannot be read: Is a directory"):
        read_jobs(tmp_path)


def test_a_job_does_not_start_if_it_has_ended_or_too_many_have_failed(tmp_path):
    plan(tmp_path, "0-mlp", "1-mlp", "2-mlp")
    append(tmp_path, "failed", "0-mlp", error="old")
    append(tmp_path, "launched", "")
    assert reason_not_to_start(tmp_path, "1-mlp", 1) is None  # failures of an earlier start do not count
    append(tmp_path, "failed", "0-mlp", error="new")
    assert reason_not_to_start(tmp_path, "1-mlp", None) is None
    assert reason_not_to_start(tmp_path, "1-mlp", 2) is None
    assert reason_not_to_start(tmp_path, "1-mlp", 1).startswith("1 failed")
    append(tmp_path, "finished", "2-mlp")
    assert reason_not_to_start(tmp_path, "2-mlp", None) == "another process has run it: finished"
