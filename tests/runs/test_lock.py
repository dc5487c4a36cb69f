"""The lock of a run's directory."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys

import pytest

from dlpipe import DlpipeError
from dlpipe.runs.lock import HOLDER, LOCK, run_directory_lock

# a run with a worker, which is still alive when the run is killed
RUN_WITH_WORKER = """
import os, sys, time
from pathlib import Path
from dlpipe.runs.lock import run_directory_lock

with run_directory_lock(Path(sys.argv[1])):
    if not os.fork():
        time.sleep(0.1)  # the parent prints meanwhile
        print("worker", flush=True)
        time.sleep(60)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of ``tmp_path``."""
    command = [sys.executable, "-c", RUN_WITH_WORKER, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout.readline() == "worker\n"
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()


def test_the_error_names_the_process_that_holds_the_lock(holder, tmp_path):
    message = f"{tmp_path} is in use by process {holder.pid} on .*; wait for it, or end it"
    with pytest.raises(DlpipeError, match=message), run_directory_lock(tmp_path):
        pass


def test_a_killed_run_releases_the_lock_though_its_worker_lives(holder, tmp_path):
    holder.kill()
    holder.wait()
    os.killpg(holder.pid, 0)  # the worker is alive
    with run_directory_lock(tmp_path):
        assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_holder_that_cannot_be_read_is_another_process(content, holder, tmp_path):
    (tmp_path / HOLDER).write_text(content)
    with pytest.raises(DlpipeError, match="is in use by another process"), run_directory_lock(tmp_path):
        pass


def test_a_symlink_is_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("content")
    (tmp_path / LOCK).symlink_to(precious)
    with pytest.raises(DlpipeError, match="is a symlink; refusing to follow it"), run_directory_lock(tmp_path):
        pass
    assert precious.read_text() == "content"


def test_a_symlink_in_place_of_the_holder_is_replaced(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("content")
    (tmp_path / HOLDER).symlink_to(precious)
    with run_directory_lock(tmp_path):
        pass
    assert precious.read_text() == "content"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_costs_a_warning(number, tmp_path, monkeypatch, caplog):
    def flock(descriptor, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with run_directory_lock(tmp_path), run_directory_lock(tmp_path):
        pass
    assert f"{tmp_path} cannot be locked ([Errno {number}] " in caplog.text


def test_a_lock_file_that_cannot_be_opened_is_an_error(tmp_path):
    (tmp_path / LOCK).mkdir()
    with pytest.raises(IsADirectoryError), run_directory_lock(tmp_path):
        pass
