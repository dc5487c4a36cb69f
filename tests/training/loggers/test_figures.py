"""The figures of each logger are the files in the run's figures/: those of stages and of kept epochs, too."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# a run with three loggers takes most of a minute
pytestmark = pytest.mark.slow

STEPS = 2 * 2 + 2 * 2 + 2 * 2  # two stages and the fine-tuning, two epochs of two minibatches each


@pytest.fixture(scope="module")
def run_dir(resumed_run, tmp_path_factory):
    """A run in stages with three loggers, each epoch of which is kept."""
    folder = tmp_path_factory.mktemp("work")
    shutil.copy(resumed_run.parent / "mlflow.db", folder)  # MLflow takes seconds to create one
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "WANDB_"))}
    environment |= {"WANDB_MODE": "offline", "HOME": str(folder), "WANDB_ERROR_REPORTING": "false"}
    command = [sys.executable, "-W", "error", "-m", "dlpipe", "model=sda", "logger=[tensorboard,mlflow,wandb]"]
    sizes = ("model.hidden_sizes=[9,4]", "model.corruption=[0.1,0.1]", "trainer.limit_train_batches=2")
    epochs = ("recipe.max_epochs=2", "recipe.stages.pretrain.max_epochs=2", "recipe.keep_every_n_epochs=1")
    run = [*command, *sizes, *epochs, "hydra.run.dir=run"]
    done = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def figures(run_dir):
    """Name to pixels of the files."""
    paths = (run_dir / "figures").rglob("*.png")
    found = {path.relative_to(run_dir).with_suffix("").as_posix(): pixels(path) for path in paths}
    of_stages = [f"figures/pretrain/0/filters_{which}" for which in ("epoch_0001", "epoch_0002", "by_epoch")]
    of_model = ["figures/learning_curves", "figures/filters", "figures/confusion_matrix"]
    assert {*of_stages, *of_model} < found.keys()
    return found


def pixels(file):
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def assert_same(logged, figures):
    assert logged.keys() == figures.keys()
    for name, picture in figures.items():
        assert (logged[name] == picture).all(), name


def test_tensorboard_shows_the_files_in_figures(run_dir, figures):
    events = EventAccumulator(str(run_dir / "tensorboard"), {"images": 0}).Reload()
    rows = {tag: events.Images(tag) for tag in events.Tags()["images"]}
    assert {tag: [row.step for row in found] for tag, found in rows.items()} == {name: [STEPS] for name in figures}
    assert_same({tag: pixels(io.BytesIO(found[0].encoded_image_string)) for tag, found in rows.items()}, figures)


def test_mlflow_shows_the_files_in_figures(run_dir, figures):
    client = MlflowClient(f"sqlite:///{run_dir.parent}/mlflow.db")
    run = client.get_run((run_dir / "mlflow_run_id").read_text())
    folder = Path(urlparse(run.info.artifact_uri).path)
    paths = list(folder.rglob("*.png"))
    assert_same({path.relative_to(folder).with_suffix("").as_posix(): pixels(path) for path in paths}, figures)


def test_wandb_shows_the_files_in_figures(run_dir, figures):
    (log,) = run_dir.glob("wandb/offline-run-*/*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(log)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    rows = [record["history"]["item"] for record in map(json.loads, text.splitlines()) if record["type"] == "history"]
    logged, steps = {}, {}
    for row in rows:
        for key in [key for key in row if key.endswith(".filenames")]:
            (file,) = row[key]
            name = key.removesuffix(".filenames")
            logged[name] = pixels(log.parent / "files" / file)
            steps[name] = row["trainer/global_step"]
    assert steps == dict.fromkeys(figures, STEPS)
    assert_same(logged, figures)
