"""Whole runs on data that no one here has made: trained, interrupted, resumed, tested, and used to predict."""

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from dlpipe.training.callbacks.console_reporter import ConsoleReporter


@pytest.fixture
def request_of(photographs, wine, digits):
    """A function from the name of a dataset to the overrides of a run on it."""
    sources = {"image_folder": ("directory", photographs), "table": ("file", wine), "idx": ("directory", digits)}

    def overrides(dataset, model):
        key, source = sources[dataset]
        own = {"image_folder": ["recipe.lr=0.02", "recipe.max_epochs=10"]}.get(dataset, ["recipe.max_epochs=3"])
        own += ["model.filter_size=2"] if (dataset, model) == ("idx", "lenet") else []
        return [f"model={model}", f"dataset={dataset}", f"dataset.{key}={source}", *own]

    return overrides


@pytest.fixture
def stop_in_the_second_epoch(monkeypatch):
    """Send SIGTERM to a run in its second epoch, once."""
    original, calls = ConsoleReporter.on_validation_end, []

    def on_validation_end(self, trainer, pl_module):
        original(self, trainer, pl_module)
        if trainer.current_epoch == 1 and not calls:
            calls.append(1)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(ConsoleReporter, "on_validation_end", on_validation_end)


CASES = [
    ("image_folder", "lenet", 0.4),
    ("image_folder", "mlp", 0.5),
    ("table", "mlp", 0.1),
    ("table", "logreg", 0.1),
    ("idx", "lenet", 0.5),
    ("idx", "logreg", 0.2),
]


@pytest.mark.parametrize(("dataset", "model", "error"), CASES)
def test_own_data_needs_a_model_a_dataset_and_a_path(dataset, model, error, train, request_of):
    trained = train(*request_of(dataset, model))
    assert trained.summary["test"]["test/error"] < error
    assert trained.summary["status"] == "finished"


@pytest.mark.parametrize(("dataset", "model"), [("image_folder", "mlp"), ("table", "logreg"), ("idx", "mlp")])
def test_a_run_that_was_interrupted_and_resumed_has_the_bits_of_one_that_was_not(
    dataset, model, cli, request_of, stop_in_the_second_epoch
):
    stopped = cli(*request_of(dataset, model), "hydra.run.dir=a")
    assert stopped.code == 128 + signal.SIGTERM, stopped.err
    folder = stopped.run_dir
    resumed = cli("resume", str(folder))
    assert resumed.code == 0, resumed.err
    assert "may end in other numbers" not in resumed.err
    assert cli(*request_of(dataset, model), "hydra.run.dir=b").code == 0
    assert (folder / "weights.safetensors").read_bytes() == (folder.parent / "b" / "weights.safetensors").read_bytes()
    assert cli("test", str(folder)).code == 0


def test_pictures_are_predicted_as_the_names_of_their_folders_without_the_training_data(
    cli, request_of, photographs, tmp_path
):
    root = shutil.copytree(photographs, tmp_path / "copy")
    overrides = [
        f"dataset.directory={root}" if "directory" in text else text for text in request_of("image_folder", "mlp")
    ]
    run = cli(*overrides).run_dir
    shutil.rmtree(root)
    files = sorted(map(str, photographs.rglob("*.png")))
    lines = cli("predict", str(run), *files).out.splitlines()
    predicted = [line.removeprefix(f"{file}: ").split(",")[0] for file, line in zip(files, lines, strict=True)]
    assert set(predicted) == {"china", "flower"}
    right = [f"/{name}/" in file for file, name in zip(files, predicted, strict=True)]
    assert sum(right) > 0.7 * len(files)
    data = json.loads((run / "provenance.json").read_text())["data"]
    assert [*data] == ["image_folder train", "image_folder val", "image_folder test"]


def test_the_rows_of_a_table_are_predicted_one_by_one(cli, request_of, wine, tmp_path):
    run = cli(*request_of("table", "mlp")).run_dir
    frame = pd.read_csv(wine)
    frame.drop(columns="target").iloc[[0, 80, 170]].to_csv(tmp_path / "new.csv", index=False)
    lines = cli("predict", str(run), str(tmp_path / "new.csv")).out.splitlines()
    assert [line.split("new.csv")[1].split(",")[0] for line in lines] == ["[0]: 0", "[1]: 1", "[2]: 2"]
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["num_features"] == 13
    assert config["dataset"]["class_names"] == ["0", "1", "2"]


def test_an_idx_file_is_predicted_image_by_image(cli, request_of, digits):
    run = cli(*request_of("idx", "logreg")).run_dir
    assert len(cli("predict", str(run), str(digits / "a")).out.splitlines()) == 397


def test_a_classifier_is_refused_for_a_regression(cli, tmp_path):
    (tmp_path / "prices.csv").write_text("area,price\n" + "".join(f"{row},{row / 7}\n" for row in range(50)))
    result = cli("check", "model=mlp", "dataset=table", f"dataset.file={tmp_path / 'prices.csv'}")
    assert result.code == 2
    assert "model.num_classes: dataset 'table' has no num_classes" in result.err


def test_the_dataset_in_the_readme_works(tmp_path, options):
    text = (Path(__file__).parents[1] / "README.md").read_text()
    scope = {}
    exec(text.split("```python\n")[1].split("```")[0], scope)
    x, y = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32), np.arange(20) % 2
    arrays = {f"{split}_{name}": array for split in ("train", "val", "test") for name, array in (("x", x), ("y", y))}
    np.savez(tmp_path / "a.npz", **arrays)
    np.save(tmp_path / "new.npy", x[:2])
    data = scope["NpzFile"](file=str(tmp_path / "a.npz"), **options)
    assert data.options_from_files() == {"num_features": 3, "num_classes": 2}
    data.setup("fit")
    assert data.splits["val"].x.shape == (20, 3)
    assert data.read_examples(tmp_path / "new.npy").shape == (2, 3)
