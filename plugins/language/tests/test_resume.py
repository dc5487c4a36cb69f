"""Killed and resumed, a run ends in the same bits: also what halves the learning rate and what stops by a history."""

import json
import signal
import subprocess

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


@pytest.mark.parametrize("model", ["rnn_slu", pytest.param("lstm", marks=pytest.mark.slow)])
def test_a_killed_run_ends_in_the_same_bits(model, cli, dlpipe_process):
    first, second, place = RUNS[model]
    run = [f"model={model}", *SMALL, *first, *second]
    whole = cli(*run, "hydra.run.dir=whole").folder / "whole"
    killed = whole.with_name("killed")
    words = [*run, f"hydra.run.dir={killed}"]
    with dlpipe_process(words, cwd=killed.parent, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith(place):
                process.kill()
    assert process.returncode == -signal.SIGKILL
    assert "Resuming from checkpoint" in cli("resume", str(killed)).out
    for name in ("metrics.csv", "weights.safetensors"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    found, wanted = (json.loads((directory / "summary.json").read_text()) for directory in (killed, whole))
    for name in ("status", "stopped_by", "epochs", "updates", "best", "test", "evaluated"):
        assert found[name] == wanted[name], name
