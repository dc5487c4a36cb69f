"""The verb export: models and datasets of others, what it refuses, and its documentation."""

import builtins
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import dlpipe

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "export.md").read_text()
HEAD = """
import torch
from pytorch_lightning import LightningModule
from torch import nn

class Net(LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(784, 10)

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.linear(batch[0]), batch[1])

"""
DATA = """
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

class Points(LightningDataModule):
    def train_dataloader(self):
        generator = torch.Generator().manual_seed(0)
        points = torch.randn(30, 3, generator=generator)
        examples = [{"point": point, "names": {"weight": point[:1].exp(), "label": 0}, "text": "a"} for point in points]
        return DataLoader([(KEEP)(example) for example in examples], batch_size=7)

    test_dataloader = train_dataloader
"""


@pytest.fixture
def run_with(install: Callable, cli: Callable) -> Callable[..., Path]:
    """A function that trains a `Net` with more methods for one update and gives the run's directory."""

    def run(methods: str, *overrides: str) -> Path:
        install("dlpipe-net", {"net": "net:Net"}, {"net/__init__.py": HEAD + methods})
        result = cli("model=net", "trainer.max_steps=1", *overrides)
        assert result.code == 0, result.err
        return result.run_dir

    return run


@pytest.fixture
def points(install: Callable, cli: Callable) -> Callable[[str], Path]:
    """A function that trains on batches that are dicts; KEEP is an expression of what stays of an example."""

    def run(keep: str) -> Path:
        install("dlpipe-points", {"points": "points:Points"}, {"points.py": DATA.replace("KEEP", keep)}, "datasets")
        model = """
    def training_step(self, batch, batch_idx):
        return self(batch["point"]).square().mean()

    def forward(self, point):
        return nn.functional.pad(point, (0, 781)) @ self.linear.weight.t()

    def predict_step(self, batch):
        out = self(batch["point"]) * batch["names"]["weight"]
        return {"scores": out, "best": (out.argmax(1), out.amax(1))}
"""
        install("dlpipe-net", {"net": "net:Net"}, {"net/__init__.py": HEAD + model})
        result = cli("model=net", "dataset=points", "trainer.max_steps=1")
        assert result.code == 0, result.err
        return result.run_dir

    return run


def refused(cli: Callable, *words: object) -> str:
    """The one line with which the verb refuses."""
    result = cli("export", *map(str, words))
    assert result.code == 2
    assert "Traceback" not in result.out + result.err
    (line,) = result.err.splitlines()
    return line


@pytest.fixture(scope="module")
def trained(run_of: Callable) -> Path:
    """A short run; each test works on a copy."""
    return run_of("model=logreg", "recipe.max_epochs=1")


@pytest.fixture
def logreg(trained: Path, cli: Callable) -> Path:
    return shutil.copytree(trained, cli("--version").folder / "run")


def test_help_imports_no_torch():
    code = "import sys; from dlpipe.cli.main import main; main(['export', '--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: python -m dlpipe export" in done.stdout
    assert "--format {onnx,torch_export,safetensors}" in done.stdout


def test_the_plugin_of_the_tutorial_is_exported(install, cli):
    package = ROOT / "tests" / "acme_plugin" / "dlpipe_acme"
    files = {f"dlpipe_acme/{path.relative_to(package)}": path.read_text() for path in package.rglob("*.yaml")}
    files["dlpipe_acme/__init__.py"] = (package / "__init__.py").read_text()
    install("dlpipe-acme", {"softmax": "dlpipe_acme:Softmax"}, files)
    directory = cli("model=softmax", "recipe.max_epochs=1").run_dir
    assert cli("export", str(directory)).code == 0
    run = dlpipe.Run(directory)
    (batch,) = run.data.test_dataloader()
    session = onnxruntime.InferenceSession(directory / "exports" / "softmax.onnx")
    (predicted,) = session.run(None, {"x": batch.x.numpy()})
    np.testing.assert_allclose(predicted, run.predict(batch).numpy(), rtol=1e-4, atol=1e-6)


def test_dicts_of_tensors_are_named_by_their_keys(points, cli):
    directory = points('lambda each: {"point": each["point"], "names": {"weight": each["names"]["weight"]}}')
    result = cli("export", str(directory))
    assert result.code == 0, result.err
    session = onnxruntime.InferenceSession(directory / "exports" / "net.onnx")
    assert {each.name: each.shape for each in session.get_inputs()} == {
        "point": ["batch", 3],
        "names_weight": ["batch", 1],
    }
    assert [each.name for each in session.get_outputs()] == ["scores", "best_0", "best_1"]
    run = dlpipe.Run(directory)
    batch = next(iter(run.data.test_dataloader()))
    feed = {"point": batch["point"].numpy(), "names_weight": batch["names"]["weight"].numpy()}
    expected = run.predict(batch)  # also where predict_step takes no batch_idx
    for ours, theirs in zip(session.run(None, feed), (expected["scores"], *expected["best"]), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-6)


def test_a_batch_that_is_no_nest_of_tensors_is_refused(points, cli):
    directory = points("lambda each: each")
    assert refused(cli, directory) == (
        "dlpipe: a batch of dataset 'points' cannot be described: text_0 is a str; only tensors in tuples, lists "
        "and dicts can be"
    )


def test_the_labels_size_alone_makes_them_no_input(run_with, cli):
    directory = run_with("""
    def predict_step(self, batch, batch_idx):
        x, y = batch
        return self.linear(x).softmax(1).view(y.shape[0], 5, 2)
""")
    result = cli("export", str(directory))
    assert "  inputs  x: float32 (batch, 784)\n  outputs  prediction: float32 (batch, 5, 2)\n" in result.out


def test_a_run_that_is_not_finished_is_refused(logreg, cli):
    path = logreg / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "interrupted"}))
    resume = f"finish it first: python -m dlpipe resume {logreg}"
    assert refused(cli, logreg) == f"dlpipe: {logreg} is interrupted; {resume}"
    path.unlink()
    assert refused(cli, logreg) == f"dlpipe: {logreg} is not finished: it has no summary.json; {resume}"


def test_an_unknown_format_is_refused_with_the_known_ones(logreg, cli):
    result = cli("export", str(logreg), "--format", "tflite")
    assert result.code == 2
    assert "argument --format: invalid choice: 'tflite' (choose from" in result.err
    assert all(name in result.err for name in ("onnx", "torch_export", "safetensors"))


def test_a_file_named_for_another_format_is_refused(logreg, cli, tmp_path):
    path = tmp_path / "model.pt2"
    message = f"dlpipe: {path} is not the name of a file in the format onnx; add --format torch_export"
    assert refused(cli, logreg, "-o", path) == message


def test_a_folder_that_is_no_run_is_refused(cli, tmp_path):
    assert refused(cli, tmp_path) == f"dlpipe: {tmp_path} is not a run's directory: it has no config.yaml"


def test_an_existing_file_is_replaced_with_force_only(logreg, cli, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    words = (logreg, "--format", "safetensors", "-o", path)
    assert refused(cli, *words) == (
        f"dlpipe: {path} exists; replace it with --force, or name another file with -o FILE"
    )
    assert path.read_text() == "mine"
    assert cli("export", *map(str, words), "--force").code == 0
    assert path.read_bytes() != b"mine"


def test_a_folder_is_no_file_to_write(logreg, cli, tmp_path):
    assert refused(cli, logreg, "-o", tmp_path) == f"dlpipe: {tmp_path} is a folder; name a file with -o FILE"


def test_a_file_where_a_folder_is_needed_is_refused(logreg, cli, tmp_path):
    (tmp_path / "taken").touch()
    path = tmp_path / "taken" / "a.safetensors"
    line = refused(cli, logreg, "--format", "safetensors", "-o", path)
    assert line.startswith(f"dlpipe: {path} cannot be written: ")
    assert line.endswith("; name another file with -o")


def test_without_onnx_the_message_names_the_extra(logreg, cli, monkeypatch):
    without(monkeypatch, "onnxscript")
    assert refused(cli, logreg) == (
        "dlpipe: --format onnx needs onnxscript: pip install 'dlpipe[onnx]', or take --format torch_export"
    )


def without(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Hide a package."""
    find_spec, import_ = importlib.util.find_spec, builtins.__import__

    def refuse(name, *arguments, **options):
        if name == missing:
            raise ModuleNotFoundError(name)
        return import_(name, *arguments, **options)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == missing else find_spec(name, *a))
    monkeypatch.setattr(builtins, "__import__", refuse)


def test_without_onnxruntime_the_graph_is_compared_in_torch(logreg, cli, monkeypatch):
    without(monkeypatch, "onnxruntime")
    result = cli("export", str(logreg))
    assert result.code == 0, result.err
    assert "compared with predict_step in torch, since onnxruntime is not installed, on 360 test examples" in result.out


def test_a_model_that_cannot_predict_is_refused(plain_model, cli):
    directory = cli(f"model={plain_model}", "trainer.max_steps=1").run_dir
    assert refused(cli, directory) == (
        "dlpipe: model 'plain' cannot predict: it has no predict_step, and no forward; --format safetensors exports "
        "its weights"
    )


def test_a_prediction_that_draws_is_refused(run_with, cli):
    directory = run_with("""
    def predict_step(self, batch, batch_idx):
        return nn.functional.dropout(self.linear(batch[0]), 0.5)
""")
    assert refused(cli, directory) == (
        "dlpipe: predict_step draws at random: two calls with the same batch differ, so that no exported file can be "
        "compared with it; make it deterministic in evaluation mode"
    )


def test_a_prediction_of_other_things_than_tensors_is_refused(run_with, cli):
    directory = run_with("""
    def predict_step(self, batch, batch_idx):
        return ["a label" for _ in batch[0]]
""")
    assert refused(cli, directory) == (
        "dlpipe: what predict_step returns cannot be described: prediction_0 is a str; only tensors in tuples, lists "
        "and dicts can be"
    )


def test_a_prediction_that_fails_is_told_in_one_line(run_with, cli):
    directory = run_with("""
    def predict_step(self, batch, batch_idx):
        raise ValueError("no such thing\\nand more")
""")
    assert refused(cli, directory) == "dlpipe: predict_step fails on a test batch: ValueError: no such thing"


@pytest.mark.parametrize(
    ("line", "torch_says"),
    [("len(x) > 100", "Constraints violated (batch)"), ("bool(x.sum() > 0)", "Could not guard on data-dependent")],
)
def test_what_torch_cannot_export_is_told_in_one_line(line, torch_says, run_with, cli):
    directory = run_with(f"""
    def predict_step(self, batch, batch_idx):
        x, _ = batch
        return self.linear(x) if {line} else self.linear(-x)
""")
    message = refused(cli, directory)
    assert message.startswith("dlpipe: torch.export cannot export predict_step: ")
    assert torch_says in message
    assert message.endswith(
        "; the model must work for any number of examples and steps: take x.shape[0], not len(x), and no branch or "
        "loop on it"
    )
    assert not list(directory.rglob("exports/*"))


def test_what_onnx_lacks_is_told_in_one_line(run_with, cli):
    directory = run_with("""
    def predict_step(self, batch, batch_idx):
        return self.linear(batch[0]) * torch.linalg.eigvalsh(self.linear.weight[:, :10])
""")
    message = refused(cli, directory)
    assert message.startswith("dlpipe: torch.onnx cannot export the model: DispatchError: No ONNX function found for ")
    assert message.endswith("; --format torch_export may")
    assert cli("export", str(directory), "--format", "torch_export").code == 0


def test_a_file_that_predicts_something_else_is_not_written(run_with, cli):
    directory = run_with("""
    def predict_step(self, batch, batch_idx):
        return self.linear(batch[0]) + (0.5 if torch.compiler.is_compiling() else 0.0)
""")
    message = refused(cli, directory)
    assert message == (
        "dlpipe: the exported model disagrees with the original: 20 of 20 values of prediction differ, by up to 0.5; "
        "allowed are 1e-06 + 0.0001 of the value. Nothing was written"
    )
    assert not list(directory.rglob("exports/*"))


def test_the_page_prints_what_export_prints(cli, tmp_path, monkeypatch, capsys):
    directory = cli("model=lenet", "recipe.max_epochs=1").run_dir
    path = directory / "exports" / "lenet.onnx"
    printed = cli("export", str(directory)).out.splitlines()
    shown = re.search(r"\$ python -m dlpipe export last\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()
    assert printed[0] == f"{path}: " + shown[0].partition(": ")[2]
    assert printed[1:3] == shown[1:3]
    assert printed[3].rpartition(" ")[0] == shown[3].rpartition(" ")[0]
    shutil.copy(path, tmp_path / "lenet.onnx")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, {})
    (expected,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert capsys.readouterr().out.splitlines()[:2] == expected.splitlines()[:2]
