"""The files in a run's directory, and how `dlpipe.load` reads them."""

import csv
import json
import shutil

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file

from dlpipe import DlpipeError, load


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, run_dlpipe):
    """One short run, shared by the tests of this file; none of them changes it."""
    folder = tmp_path_factory.mktemp("runs")
    words = ["model=mlp", "model.num_hidden=20", "recipe.batch_size=20", "recipe.max_epochs=3", "hydra.run.dir=run"]
    done = run_dlpipe(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder / "run" / "said.txt").write_text(done.stdout)
    return folder / "run"


def test_run_directory_holds_all_documented_files(run_dir):
    names = {str(path.relative_to(run_dir)) for path in run_dir.rglob("*")}
    assert {
        "config.yaml",
        ".hydra/overrides.yaml",
        "provenance.json",
        "metrics.csv",
        "summary.json",
        "weights.safetensors",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "figures/filters.png",
        "figures/confusion_matrix.png",
        "dlpipe.log",
    } <= names
    assert not [name for name in names if name.endswith(".tmp")]


def test_the_config_is_resolved_and_plain(run_dir):
    config = OmegaConf.load(run_dir / "config.yaml")
    assert config.model.num_hidden == 20
    assert config.model.num_features == 784
    assert config.output_dir == str(run_dir)
    assert "${" not in (run_dir / "config.yaml").read_text()


def test_the_summary_agrees_with_the_metrics_and_the_terminal(run_dir):
    summary = json.loads((run_dir / "summary.json").read_text())
    rows = list(csv.DictReader((run_dir / "metrics.csv").read_text().splitlines()))
    errors = [float(row["val/error"]) for row in rows if row["val/error"]]
    assert summary["best"]["value"] == min(errors)
    assert summary["epochs"] == 3
    assert summary["updates"] == 162
    assert summary["updates_per_second"] == pytest.approx(162 / summary["seconds"])
    said = (run_dir / "said.txt").read_text()
    assert f"best validation error {100 * min(errors):f} %" in said
    assert f"test error {100 * summary['test']['test/error']:f} %" in said
    assert f"run directory: {run_dir}" in said


def test_the_best_checkpoint_is_the_epoch_with_the_least_error(run_dir):
    best = torch.load(run_dir / "checkpoints" / "best.ckpt", weights_only=True)
    summary = json.loads((run_dir / "summary.json").read_text())
    assert best["global_step"] == summary["best"]["update"]


def test_load_gives_the_module_with_its_best_weights(run_dir):
    module = load(run_dir)
    best = torch.load(run_dir / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    exported = load_file(run_dir / "weights.safetensors")
    assert not module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, best[name])
        assert torch.equal(value, exported[name])
    assert module(torch.zeros(2, 784)).shape == (2, 10)


def test_provenance_names_versions_machine_and_data(run_dir):
    provenance = json.loads((run_dir / "provenance.json").read_text())
    assert provenance["libraries"]["torch"] == torch.__version__
    assert {"dlpipe", "scipy", "safetensors", "torchmetrics", "arviz-stats"} <= provenance["libraries"].keys()
    assert provenance["plugins"]["dlpipe-supervised"] == "0.1.0"
    assert set(provenance["data"]) == {"train", "val", "test"}
    assert provenance["machine"]["cpus"] > 0


def test_the_same_command_gives_the_same_weights(run_dir, cli):
    result = cli("model=mlp", "model.num_hidden=20", "recipe.batch_size=20", "recipe.max_epochs=3")
    again, first = load(result.run_dir).state_dict(), load(run_dir).state_dict()
    assert all(torch.equal(again[name], first[name]) for name in first)


def test_failing_figures_do_not_fail_the_run(cli, install):
    code = """
import pytorch_lightning as pl, torch
class Artless(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(784, 10)
    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.linear(batch[0]), batch[1])
    def figures(self):
        raise RuntimeError("no ink")
"""
    install("dlpipe-artless", {"artless": "artless:Artless"}, {"artless/__init__.py": code})
    result = cli("model=artless", "recipe.max_epochs=1")
    assert result.code == 0
    assert "the figures could not be drawn; fix the error, then run: python -m dlpipe figures" in result.out
    assert "no ink" in result.out
    assert f"run directory: {result.run_dir}" in result.out
    assert json.loads((result.run_dir / "summary.json").read_text())["status"] == "finished"


def test_seed_0_is_valid(cli):
    config = OmegaConf.load(cli("model=mlp", "seed=0", "recipe.max_epochs=1").run_dir / "config.yaml")
    assert config.seed == 0
    assert config.dataset.seed == 0


def test_load_refuses_a_folder_that_is_not_a_run(tmp_path):
    with pytest.raises(DlpipeError, match=r"is not a run's directory: it has no config.yaml"):
        load(tmp_path)


def test_load_refuses_a_config_without_a_model(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\n")
    with pytest.raises(DlpipeError, match="is not a run's config: it has no model"):
        load(tmp_path)


def test_load_reports_a_missing_checkpoint(run_dir, tmp_path):
    shutil.copy(run_dir / "config.yaml", tmp_path)
    with pytest.raises(DlpipeError, match=r"no checkpoint .*best.ckpt: the run did not get as far as a validation"):
        load(tmp_path)


def test_load_refuses_a_checkpoint_that_would_run_code(run_dir, tmp_path):
    import os

    class Malicious:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'ran'}",)

    shutil.copy(run_dir / "config.yaml", tmp_path)
    (tmp_path / "checkpoints").mkdir()
    torch.save({"state_dict": Malicious()}, tmp_path / "checkpoints" / "best.ckpt")
    with pytest.raises(DlpipeError, match="cannot be loaded as plain weights"):
        load(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_load_reports_a_missing_plugin(run_dir, monkeypatch):
    monkeypatch.setenv("DLPIPE_PLUGINS", "-supervised")
    with pytest.raises(DlpipeError, match=r"config.yaml cannot be used here:\n .*denied by DLPIPE_PLUGINS"):
        load(run_dir)
