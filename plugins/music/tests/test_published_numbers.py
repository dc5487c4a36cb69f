"""The tutorial's published log on the real Nottingham, and that a run ends in the same bits when it is left."""

import subprocess
import sys
import time

import pytest

# rnnrbm.txt: the monitor of epochs 1 to 10
PUBLISHED = [-15.0309, -10.4893, -10.2395, -10.1432, -9.7005, -8.5986, -8.3512, -8.2645, -8.2121, -8.1685]


@pytest.mark.slow
def test_the_published_curve_is_reproduced(train, real_music):
    """The seed 1234 came within 0.07 of every epoch."""
    options = ("model=rnn_rbm", "dataset=nottingham", f"dataset.directory={real_music}", "recipe.max_epochs=10")
    _, _, rows = train(*options)
    found = [float(row["train/reconstruction"]) for row in rows if row["train/reconstruction"]]
    assert found == pytest.approx(PUBLISHED, abs=0.5)
    assert found[:4] == pytest.approx(PUBLISHED[:4], abs=0.1)


@pytest.mark.slow
def test_a_killed_run_ends_in_the_same_bits(tmp_path):
    """In mid-epoch, between the pieces of a tune."""
    words = ["model=rnn_rbm", "model.num_hidden=20", "recipe.max_epochs=4", "callbacks.checkpoints.every_n_updates=7"]
    command = [sys.executable, "-m", "dlpipe"]
    subprocess.run([*command, *words, "hydra.run.dir=whole"], cwd=tmp_path, check=True, capture_output=True)
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    with subprocess.Popen([*command, *words, "hydra.run.dir=run"], cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not last.exists():
            time.sleep(0.005)
        time.sleep(0.5)
        process.kill()
    done = subprocess.run([*command, "resume", "run"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "update" in done.stdout + done.stderr
    for name in ("metrics.csv", "weights.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
