"""``figures`` of a run that still trains, that was ended, that diverged, or that has no checkpoint yet."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlpipe.runs.lock import is_locked

# holds training at the start of the third epoch until there is a file
WAITS = """
import os, time
from pytorch_lightning import Callback

class Waits(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        folder = trainer.default_root_dir
        if trainer.current_epoch == 2:
            open(os.path.join(folder, "waits"), "w").close()
            while not os.path.exists(os.path.join(folder, "go")):
                time.sleep(0.05)
"""
# stops training as if it were killed: no summary is written
ENDS = """
import os
from pytorch_lightning import Callback

class Ends(Callback):
    def __init__(self, update: int):
        self.update = update
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.update:
            raise RuntimeError("ends here")
"""


def names(run_dir):
    return {path.relative_to(run_dir / "figures").as_posix() for path in (run_dir / "figures").rglob("*.png")}


@pytest.fixture
def ended(cli, install):
    """Train until an update, and leave what a killed run leaves: no summary."""
    install("dlpipe-ends", {}, {"acme_ends.py": ENDS})

    def run(update, *overrides):
        end = ("+callbacks.ends._target_=acme_ends.Ends", f"+callbacks.ends.update={update}", "try_one_batch=false")
        cli(*overrides, *end, "hydra.run.dir=run")
        Path("run/summary.json").unlink()
        return Path("run").absolute()

    return run


def test_figures_are_drawn_while_the_run_trains_and_it_ends_with_the_same_weights(cli, install):
    install("dlpipe-waits", {}, {"acme_waits.py": WAITS})
    short = ("model=mlp", "recipe.max_epochs=4", "recipe.keep_every_n_epochs=1", "trainer.limit_train_batches=5")
    waits = "+callbacks.waits._target_=acme_waits.Waits"
    undisturbed = cli(*short, "hydra.run.dir=undisturbed")
    assert undisturbed.code == 0, undisturbed.err
    run_dir = undisturbed.folder / "run"
    command = [sys.executable, "-W", "error", "-m", "dlpipe", *short, waits, "hydra.run.dir=run"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not (run_dir / "waits").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        try:
            assert is_locked(run_dir)
            drawn = cli("figures", "run")
            assert (drawn.code, drawn.err) == (0, "")
            so_far = names(run_dir)
        finally:
            (run_dir / "go").touch()
        assert process.wait(60) == 0, process.stderr.read()
    kept = {f"filters_epoch_000{epoch}.png" for epoch in (1, 2)}
    assert so_far == {"learning_curves.png", "filters.png", "confusion_matrix.png", "filters_by_epoch.png"} | kept
    assert names(run_dir) == names(undisturbed.folder / "undisturbed")
    for file in ("weights.safetensors", "metrics.csv"):
        assert (run_dir / file).read_bytes() == (undisturbed.folder / "undisturbed" / file).read_bytes(), file


def test_figures_of_a_run_that_was_killed_before_a_validation_are_from_its_last_checkpoint(ended, cli):
    run_dir = ended(6, "model=logreg", "callbacks.checkpoints.every_n_updates=2")
    assert not (run_dir / "checkpoints" / "best.ckpt").exists()
    result = cli("figures", "run")
    assert (result.code, result.err) == (0, "")
    assert names(run_dir) == {"filters.png", "confusion_matrix.png"}
    assert set(result.out.split()) == {f"run/figures/{name}" for name in names(run_dir)}


def test_figures_of_a_stage_are_drawn_before_the_last_stage_has_weights(ended, cli):
    sizes = ("model.hidden_sizes=[9,4]", "model.corruption=[0.1,0.1]", "trainer.limit_train_batches=3")
    recipe = ("recipe.stages.pretrain.max_epochs=2", "recipe.stages.pretrain.keep_every_n_epochs=1")
    run_dir = ended(4, "model=sda", *sizes, *recipe)  # in the second epoch of the first stage
    result = cli("figures", "run")
    assert result.code == 0, result.err
    assert result.err == ("dlpipe: run has no checkpoint of its last stage, so the model's own figures are missing\n")
    assert names(run_dir) == {"pretrain/0/filters.png", "pretrain/0/filters_epoch_0001.png"}


def test_learning_curves_are_drawn_without_a_checkpoint(ended, cli):
    run_dir = ended(30, "model=logreg", "~callbacks.checkpoints")
    (run_dir / "metrics.csv").write_text("step,epoch,val/error\n21,0,0.5\n43,1,0.25\n65,2,0.1")  # cut in the last row
    result = cli("figures", "run")
    assert (result.code, result.out) == (0, "run/figures/learning_curves.png\n")
    assert result.err == "dlpipe: run has no checkpoint of its weights, so the model's own figures are missing\n"
    assert names(run_dir) == {"learning_curves.png"}


def test_a_run_that_has_nothing_to_draw_yet_is_refused_with_what_is_missing(ended, cli):
    run_dir = ended(0, "model=logreg")
    (run_dir / "metrics.csv").unlink(missing_ok=True)
    result = cli("figures", "run")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "dlpipe: run has no checkpoint of its weights, so the model's own figures are missing; "
        "learning curves need a metric that was logged twice. Nothing was drawn\n"
    )
    assert not (run_dir / "figures").exists()


def test_the_weights_that_a_run_diverged_to_are_not_drawn_as_its_best(cli):
    diverging = ("model=logreg", "recipe.lr=1e38", "recipe.max_epochs=2", "on_nan=warn")
    assert cli(*diverging, "recipe.keep_every_n_epochs=1", "hydra.run.dir=run").code == 1
    result = cli("figures", "run")
    assert result.code == 0
    assert result.err == "dlpipe: run has no checkpoint of its weights, so the model's own figures are missing\n"
    kept = {"filters_epoch_0001.png", "filters_epoch_0002.png", "filters_by_epoch.png"}
    assert names(result.folder / "run") == kept | {"learning_curves.png"}
