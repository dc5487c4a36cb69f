"""torchrun and srun start the ranks themselves; what they started has to be what the config asks for."""

import json
import os
import re
import socket
import subprocess
import sys

import pytest

from dlpipe.runs.directory import read_summary
from dlpipe.training.distributed.rank_info import RankInfo, get_rank_info

SHORT = ("recipe.max_epochs=2", "recipe.patience=null", "hydra.run.dir=run")
DDP = ("trainer=ddp", "trainer.devices=2")


def torchrun(folder, *arguments):
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "dlpipe", *arguments]
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=120)


def test_torchrun_starts_one_run(tmp_path):
    done = torchrun(tmp_path, *DDP, *SHORT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 2, ") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert len(json.loads((tmp_path / "run" / "ranks.json").read_text())) == 2
    assert read_summary(tmp_path / "run")["status"] == "finished"


def start_by_hand(folder, variables, *arguments):
    """What a launcher does: the same command on each rank, with its number in the environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "dlpipe", *(word.format(rank=rank) for word in arguments)],
            cwd=folder,
            env=common | {name: value.format(rank=rank) for name, value in variables.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    said = ["".join(process.communicate(timeout=120)) for process in processes]
    return [process.returncode for process in processes], said


SRUN = {
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "1",
    "SLURM_NODEID": "0",
    "SLURM_PROCID": "{rank}",
    "SLURM_LOCALID": "{rank}",
}
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "one",
    "RANK": "{rank}",
    "LOCAL_RANK": "{rank}",
    "WORLD_SIZE": "2",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_RANK": "0",
}


def test_srun_starts_one_run(tmp_path):
    """Its variables on two processes; there is no SLURM here."""
    codes, said = start_by_hand(tmp_path, SRUN, *DDP, *SHORT)
    assert codes == [0, 0], said
    assert "epoch 2, " in said[0]
    assert "epoch" not in said[1]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert len(json.loads((tmp_path / "run" / "ranks.json").read_text())) == 2


def test_ranks_with_other_configs_end_before_they_train(tmp_path):
    codes, said = start_by_hand(tmp_path, TORCHRUN, *DDP, *SHORT, "optimizer.lr=0.{rank}1")
    assert codes == [1, 1]
    for text in said:
        assert "rank 0 and rank 1 have different configs: optimizer.lr (0.01 and 0.11)" in text
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model=logreg"], r"torchrun started 2 processes, and the trainer asks for 1; set trainer.devices=2"),
        (
            [*DDP, "hydra.job.chdir=true"],
            r"hydra.job.chdir.*: Hydra would apply it only to rank 0 of the processes that torchrun",
        ),
        (["-m", *DDP, "seed=1,2"], r"torchrun started 2 processes, and a sweep starts those of each job itself"),
    ],
)
def test_a_request_that_does_not_fit_the_launcher_is_refused(arguments, message, cli, monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value.format(rank=0))
    result = cli(*arguments)
    assert result.code == 2
    assert re.search(message, result.err)
    assert result.written == []


def test_a_batch_script_of_slurm_is_no_rank(monkeypatch):
    """It has the job's variables, but srun did not start it."""
    for name, value in SRUN.items():
        monkeypatch.setenv(name, value.format(rank=0))
    assert get_rank_info() == RankInfo(0, 2, "srun", 0)
    monkeypatch.delenv("SLURM_STEP_ID")
    assert get_rank_info() == RankInfo(0, 1, None)
