"""Killed and resumed, a run ends in the same bits: also what halves the learning rate and what stops by a history."""

import json
import signal
import subprocess
import sys

import pytest

SMALL = ("model.embedding_size=6", "model.num_hidden=6", "callbacks.checkpoints.every_n_updates=5")
RUNS = {
    "rnn_slu": (
        ("recipe.lr=1.0", "recipe.max_epochs=8", "model.window=3", "model.halve_after=1", "model.least_lr=0.01"),
        ("trainer.limit_train_batches=15", "model.input_dropout=0.1"),
        "epoch 4,",
    ),
    "lstm": (
        ("optimizer=graves_rmsprop", "optimizer.lr=0.01", "model.validate_every=50", "model.patience=2"),
        ("recipe.max_epochs=5", "dataset.bucket=4"),
        "epoch 2,",
    ),
}


@pytest.mark.parametrize("model", RUNS)
def test_a_killed_run_ends_in_the_same_bits(model, tmp_path):
    first, second, place = RUNS[model]
    command = [sys.executable, "-m", "dlpipe"]
    run = [*command, f"model={model}", *SMALL, *first, *second]
    subprocess.run([*run, "hydra.run.dir=whole"], cwd=tmp_path, check=True, capture_output=True)
    with subprocess.Popen([*run, "hydra.run.dir=killed"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith(place):
                process.kill()
    assert process.returncode == -signal.SIGKILL
    done = subprocess.run([*command, "resume", "killed"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "going on from" in done.stdout
    for name in ("metrics.csv", "weights.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    found, wanted = (json.loads((tmp_path / run / "summary.json").read_text()) for run in ("killed", "whole"))
    for name in ("status", "stopped_by", "epochs", "updates", "best", "test", "evaluated"):
        assert found[name] == wanted[name], name
