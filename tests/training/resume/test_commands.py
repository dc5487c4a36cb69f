"""``resume`` and ``resume=auto`` as one types them: real processes, killed and resumed."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest
import torch

from dlpipe import DlpipeError
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.lock import run_directory_lock
from dlpipe.training import run as run_module
from dlpipe.training.callbacks.graceful_stop import GracefulStop
from dlpipe.training.run import _remove_leftovers

RUN = ["model=mlp", "model.num_hidden=20", "recipe.batch_size=20", "recipe.max_epochs=6", "recipe.shuffle=true"]
OFTEN = "callbacks.checkpoints.every_n_updates=7"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, run_dlpipe):
    """The run that nothing interrupts; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("whole")
    run_dlpipe([*RUN, OFTEN, "hydra.run.dir=run"], cwd=folder, check=True)
    return folder / "run"


def same(one, other):
    for name in ("metrics.csv", "weights.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    summaries = [json.loads((run / "summary.json").read_text()) for run in (one, other)]
    for name in ("status", "stopped_by", "epochs", "updates", "best", "test", "evaluated"):
        assert summaries[0][name] == summaries[1][name]


def test_a_killed_run_ends_in_the_same_bits(whole, tmp_path, dlpipe_process, run_dlpipe):
    words = [*RUN, OFTEN, "hydra.run.dir=run"]
    delays = random.Random(5)
    for _ in range(2):
        with dlpipe_process(words, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
            last, before = tmp_path / "run" / "checkpoints" / "last.ckpt", time.time()
            while process.poll() is None and not (last.exists() and last.stat().st_mtime > before):
                time.sleep(0.005)
            time.sleep(delays.random() * 0.2)
            process.kill()
        words = ["resume", "run"]
    run_dlpipe(words, cwd=tmp_path, check=True)
    same(tmp_path / "run", whole)
    assert len(json.loads((tmp_path / "run" / "provenance.json").read_text())["resumed"]) >= 1


def test_a_run_that_starts_from_scratch_truncates_its_metrics_whatever_the_files_name(cli):
    words = ("model=logreg", "recipe.max_epochs=2", "logger.csv.path=${output_dir}/record.csv", "hydra.run.dir=run")
    run_dir = cli(*words).run_dir
    record = (run_dir / "record.csv").read_bytes()
    shutil.rmtree(run_dir / "checkpoints")
    (run_dir / "summary.json").unlink()
    result = cli("resume", str(run_dir))
    assert result.code == 0
    assert "No checkpoint found; starting from scratch" in result.out
    assert (run_dir / "record.csv").read_bytes() == record


def test_a_missing_metrics_file_is_reported_and_started_again(copy, cli):
    (copy / "metrics.csv").unlink()
    result = cli("resume", str(copy))
    assert result.code == 0
    assert f"{copy / 'metrics.csv'} lacks " in result.out
    header, *rows = (copy / "metrics.csv").read_text().splitlines()
    assert header.startswith("step,epoch,")
    assert len(rows) == 2  # of the last epoch, which the checkpoint has, and of the test


@pytest.fixture
def copy(whole, tmp_path):
    """The finished run without its end, as if it had been killed before the test."""
    run = tmp_path / "copied"
    shutil.copytree(whole, run)
    (run / "summary.json").unlink()
    return run


def test_a_finished_run_is_left_as_it_is(whole, cli):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*") if path.suffix in (".ckpt", ".csv", ".json")}
    result = cli("resume", str(whole))
    assert result.code == 0
    assert f"{whole} is finished: nothing is left to train" in result.out
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_run_killed_before_its_test_is_tested(copy, whole, cli):
    result = cli("resume", str(copy))
    assert result.code == 0
    assert "epoch" not in result.out.partition("best validation")[0]  # trained nothing
    same(copy, whole)


class KilledError(BaseException):
    """In place of a signal that nothing can catch."""


def test_a_run_killed_between_its_test_and_its_end_loses_nothing(whole, cli, tmp_path, monkeypatch):
    def killed(*arguments):
        raise KilledError

    with monkeypatch.context() as killing:
        killing.setattr(run_module, "export_weights", killed)
        with pytest.raises(KilledError):
            cli(*RUN, OFTEN, f"hydra.run.dir={tmp_path / 'run'}")
    assert not (tmp_path / "run" / "summary.json").exists()
    assert cli("resume", str(tmp_path / "run")).code == 0
    same(tmp_path / "run", whole)


def test_a_signal_in_the_last_step_ends_the_run_too(whole, cli, tmp_path, monkeypatch):
    restore_handlers = GracefulStop._restore_handlers

    def signalled_late(self):
        signal.raise_signal(signal.SIGTERM)
        restore_handlers(self)

    with monkeypatch.context() as late:
        late.setattr(GracefulStop, "_restore_handlers", signalled_late)
        assert cli(*RUN, OFTEN, f"hydra.run.dir={tmp_path / 'run'}").code == 128 + signal.SIGTERM
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "interrupted"
    assert cli("resume", str(tmp_path / "run")).code == 0
    same(tmp_path / "run", whole)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(copy, whole, cli):
    last = copy / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-200])
    result = cli("resume", str(copy))
    assert result.code == 0
    assert f"{last} cannot be read" in result.out
    assert f"Resuming from checkpoint {copy / 'checkpoints' / 'previous.ckpt'}" in result.out
    same(copy, whole)


def test_where_no_checkpoint_can_be_read_nothing_is_touched(copy, cli):
    for name in ("last", "previous"):
        (copy / "checkpoints" / f"{name}.ckpt").write_bytes(b"PK\x03\x04 no archive")
    before = (copy / "metrics.csv").read_bytes()
    result = cli("resume", str(copy))
    assert result.code == 1
    assert "can be read; start the run in another directory" in result.out
    assert (copy / "metrics.csv").read_bytes() == before


def test_without_a_checkpoint_it_starts_from_scratch(copy, whole, cli):
    shutil.rmtree(copy / "checkpoints")
    (copy / "checkpoints").mkdir()
    (copy / "checkpoints" / ".last.ckpt.4711.tmp").write_bytes(b"half")  # of a kill while it was written
    result = cli("resume", str(copy))
    assert "No checkpoint found; starting from scratch" in result.out
    assert not list(copy.rglob(".*.tmp"))
    same(copy, whole)


def test_resuming_removes_what_the_run_left_and_not_what_a_command_writes_now(tmp_path):
    left = [tmp_path / ".summary.json.4711.tmp", tmp_path / "checkpoints" / "pretrain" / "0" / ".last.ckpt.4711.tmp"]
    writing, old = (tmp_path / "figures" / f".{name}.png.{'0' * 16}.tmp" for name in "ab")
    for path in (*left, writing, old):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    _remove_leftovers(tmp_path)
    assert [path for path in (*left, writing, old) if path.exists()] == [writing]


def test_two_processes_do_not_work_in_one_directory(copy, cli):
    with run_directory_lock(copy):
        result = cli("resume", str(copy))
        assert result.code == 1
        assert f"{copy} is in use by process {os.getpid()} on " in result.out
        with pytest.raises(DlpipeError, match="is in use by process"), run_directory_lock(copy):
            pass
    with run_directory_lock(copy):  # and then it is free
        pass


def test_what_is_no_run_is_refused(cli, tmp_path):
    result = cli("resume", str(tmp_path))
    assert result.code == 2
    assert f"{tmp_path} is not a run's directory: it has no config.yaml" in result.err


def test_auto_starts_and_resumes_a_run_and_leaves_a_finished_one(cli, whole):
    words = [*RUN, OFTEN, "hydra.run.dir=auto", "resume=auto"]
    first = cli(*words)
    assert first.code == 0
    run = first.run_dir
    same(run, whole)
    (run / "summary.json").unlink()
    (run / "checkpoints" / "last.ckpt").unlink()
    again = cli(*words)
    assert again.code == 0
    assert f"Resuming from checkpoint {run / 'checkpoints' / 'previous.ckpt'}" in again.out
    same(run, whole)
    assert "nothing is left to train" in cli(*words).out


def test_auto_refuses_another_run(cli, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "other")
    result = cli(*RUN, OFTEN, "recipe.lr=0.5", f"hydra.run.dir={tmp_path / 'other'}", "resume=auto")
    assert result.code == 1
    assert f"{tmp_path / 'other'} holds another run: " in result.out
    assert "recipe.lr (0.2, asked for 0.5)" in result.out


def test_auto_needs_a_directory_that_stays(cli):
    result = cli(*RUN, "resume=auto")
    assert result.code == 2
    assert (
        "resume=auto: needs hydra.run.dir=DIRECTORY, the same each time: the directory of the run to resume"
        in result.err
    )
    assert result.written == []


def test_another_library_or_machine_is_reported(copy, cli):
    path = copy / "provenance.json"
    known = json.loads(path.read_text())
    known["libraries"]["torch"] = "1.0"
    path.write_text(json.dumps(known))
    result = cli("resume", str(copy))
    assert f"libraries: torch was 1.0 and is {known['machine'] and torch.__version__}" in result.out
    assert "the run may end in other numbers" in result.out


def test_full_batch_methods_start_from_scratch(cli):
    words = ["model=logreg", "optimizer=cg", "recipe.max_epochs=4"]
    run = cli(*words, "hydra.run.dir=whole").run_dir
    other = run.parent / "killed"
    shutil.copytree(run, other)
    (other / "summary.json").unlink()
    (other / "checkpoints" / "last.ckpt").unlink()  # the one before is of mid-search
    result = cli("resume", str(other))
    assert result.code == 0
    assert "cannot be checkpointed; its search starts again from scratch" in result.out
    same(run, other)


def test_a_run_is_reproduced_to_the_last_bit(whole, cli, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    result = cli("reproduce", str(tmp_path / "run"))
    assert result.code == 0
    assert f"the same to the last bit as {tmp_path / 'run'}" in result.out
    same(tmp_path / "run", tmp_path / "run-again-1")


def test_differences_are_reported_before_and_after_a_run_is_reproduced(whole, cli, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    known = json.loads((run / "provenance.json").read_text())
    known["code"]["dlpipe"] = "another"
    (run / "provenance.json").write_text(json.dumps(known))
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("seed: 1234", "seed: 1"))
    result = cli("reproduce", str(run))
    assert result.code == 1
    said = result.out
    assert said.index("code: dlpipe was another and is ") < said.index("epoch 1, ")
    assert "output.weight differs by up to " in said
    assert "metrics.csv differs" in said


def test_only_a_finished_run_is_reproduced(copy, cli):
    result = cli("reproduce", str(copy))
    assert result.code == 2
    assert "is not a finished run: no summary.json" in result.err


@pytest.mark.skipif(not hasattr(signal, "SIGKILL") or os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_ends_the_run_with_a_clear_error_and_an_intact_checkpoint(tmp_path, run_dlpipe):
    small = tmp_path / "small"
    small.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=False)
    if done.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        words = [*RUN, "recipe.max_epochs=50", "model.num_hidden=100", f"hydra.run.dir={small}/run"]
        done = run_dlpipe(words, capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        assert "could not be written" in said
        assert "Traceback" not in said
        checkpoints = small / "run" / "checkpoints"
        assert read_checkpoint(checkpoints / ("last.ckpt" if (checkpoints / "last.ckpt").exists() else "best.ckpt"))
        assert not list(small.rglob(".*.tmp"))
    finally:
        subprocess.run(["umount", str(small)], check=True)
