"""``test``, ``predict``, ``figures`` and ``check``: what can be done with a run, and with a request."""

import gzip
import json
import os
import shutil
import struct
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from dlpipe.data.digits import _splits


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, run_dlpipe):
    """One short run, shared by the tests of this file; a test that changes it works on a copy."""
    folder = tmp_path_factory.mktemp("runs")
    overrides = ["model=lenet", "recipe.max_epochs=2", "callbacks.checkpoints.every_n_epochs=1", "hydra.run.dir=run"]
    run_dlpipe(overrides, cwd=folder, capture_output=True, text=True, check=True)
    return folder / "run"


@pytest.fixture
def copied(run_dir, tmp_path):
    return shutil.copytree(run_dir, tmp_path / "run")


def test_test_gives_the_numbers_of_the_runs_own_test(run_dir, cli):
    result = cli("test", str(run_dir))
    assert result.code == 0, result.err
    error = json.loads((run_dir / "summary.json").read_text())["test"]["test/error"]
    assert f"test error {100 * error:f} %: as the run" in result.out
    assert result.written == []


def test_test_says_when_a_number_differs(copied, cli):
    summary = json.loads((copied / "summary.json").read_text())
    summary["test"]["test/error"] = 0.5
    (copied / "summary.json").write_text(json.dumps(summary))
    result = cli("test", str(copied))
    assert result.code == 1
    assert "the run had 50.000000 %" in result.out


@pytest.mark.parametrize(("factor", "code"), [(1.001, 0), (1.5, 1)])
def test_on_another_machine_the_numbers_need_be_close_only(factor, code, copied, cli):
    provenance = json.loads((copied / "provenance.json").read_text())
    provenance["machine"]["gpus"] = ["NVIDIA H100"]
    (copied / "provenance.json").write_text(json.dumps(provenance))
    summary = json.loads((copied / "summary.json").read_text())
    summary["test"]["test/loss"] *= factor
    (copied / "summary.json").write_text(json.dumps(summary))
    result = cli("test", str(copied))
    assert result.code == code
    assert "machine: gpus was ['NVIDIA H100'] and is [" in result.out
    assert "test error" in result.out
    assert "the run had" in result.out


def test_a_diverged_runs_nan_is_the_same_as_nan(copied, cli):
    for name in ("best", "last"):
        path = copied / "checkpoints" / f"{name}.ckpt"
        checkpoint = torch.load(path, weights_only=True)
        checkpoint["state_dict"]["output.bias"].fill_(float("nan"))
        torch.save(checkpoint, path)
    summary = json.loads((copied / "summary.json").read_text())
    summary["test"] = {"test/error": summary["test"]["test/error"], "test/loss": None}
    (copied / "summary.json").write_text(json.dumps(summary))
    assert "test loss nan: as the run" in cli("test", str(copied)).out


def test_predict_tells_the_first_ten_test_examples_with_their_labels(run_dir, cli):
    lines = cli("predict", str(run_dir)).out.splitlines()
    assert len(lines) == 10
    labels = _splits()["test"].y[:10].tolist()
    assert [int(line.rpartition(" ")[2]) for line in lines] == labels


def test_predict_reads_png_and_idx_and_agrees_with_the_module(run_dir, cli, tmp_path):
    from dlpipe import load

    images = (_splits()["test"].x[:3] * 255).round().to(torch.uint8).reshape(3, 28, 28).numpy()
    Image.fromarray(images[0]).save(tmp_path / "one.png")
    Image.fromarray(images[1]).convert("RGB").save(tmp_path / "two.png")
    idx = struct.pack(">BBBB3I", 0, 0, 8, 3, *images.shape) + images.tobytes()
    (tmp_path / "three-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    files = [str(tmp_path / name) for name in ("one.png", "two.png", "three-idx3-ubyte.gz")]
    result = cli("predict", str(run_dir), *files)
    assert result.code == 0, result.err
    x = torch.tensor(images.reshape(3, -1) / 256, dtype=torch.float32)
    with torch.no_grad():
        expected = load(run_dir)(x).softmax(1)
    message = [
        (int(line.split(": ")[1].split(",")[0]), float(line.rpartition(" ")[2])) for line in result.out.splitlines()
    ]
    for (label, probability), row in zip(message, expected[[0, 1, 0, 1, 2]], strict=True):
        assert label == int(row.argmax())
        assert probability == pytest.approx(float(row.max()), abs=1e-5)


def test_figures_draws_from_the_checkpoints_again(copied, cli):
    shutil.rmtree(copied / "figures")
    result = cli("figures", str(copied))
    assert result.code == 0, result.err
    names = {path.name for path in (copied / "figures").iterdir()}
    assert names == {
        "learning_curves.png",
        "filters.png",
        "confusion_matrix.png",
        "filters_epoch_0001.png",
        "filters_epoch_0002.png",
        "filters_by_epoch.png",
    }
    first, second = (np.array(Image.open(copied / "figures" / f"filters_epoch_000{n}.png")) for n in (1, 2))
    assert (first != second).any()


def test_check_runs_both_passes_and_nothing_else(cli):
    result = cli("check", "model=mlp", "optimizer=adam")
    assert result.code == 0
    assert "nothing is wrong with it: model=mlp dataset=digits" in result.out
    assert result.written == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "model=lenett"], "no model 'lenett'"),
        (["check", "optimizer.lr=-1"], "Invalid learning rate"),
        (["check", "-m", "optimizer.lr=0.1,-1"], "Invalid learning rate"),
        (["check", "--cfg", "job"], "check takes overrides, --multirun and --config-dir only"),
        (["test"], "usage: python -m dlpipe test RUN"),
        (["test", "nowhere"], "nowhere is not a run's directory: it does not exist. There are no runs below outputs/"),
        (["predict", "nowhere"], "nowhere is not a run's directory"),
        (["figures", "nowhere"], "nowhere is not a run's directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_requests_are_refused(arguments, message, cli):
    result = cli(*arguments)
    assert result.code == 2
    assert message in result.err
    assert result.written == []


def test_an_unfinished_run_is_not_tested(copied, cli):
    summary = json.loads((copied / "summary.json").read_text())
    (copied / "summary.json").write_text(json.dumps({**summary, "status": "interrupted"}))
    result = cli("test", str(copied))
    assert result.code == 2
    assert "is not a finished run: interrupted" in result.err


@pytest.mark.parametrize("verb", ["test", "predict", "figures"])
def test_a_run_without_a_checkpoint_is_refused(verb, copied, cli):
    (copied / "checkpoints" / "best.ckpt").unlink()
    result = cli(verb, str(copied))
    assert result.code == 2
    assert "the run did not get as far as a validation" in result.err


def test_another_models_checkpoint_is_refused(copied, cli):
    torch.save({"state_dict": {"linear.weight": torch.zeros(10, 784)}}, copied / "checkpoints" / "best.ckpt")
    result = cli("predict", str(copied))
    assert result.code == 2
    assert "holds the weights of another model: conv1.bias" in result.err


def test_predict_inverts_a_picture_whose_ground_is_not_the_datasets(run_dir, cli, tmp_path):
    image = (_splits()["test"].x[0] * 255).round().to(torch.uint8).reshape(28, 28).numpy()
    lines = []
    for name, pixels in (("light.png", image), ("dark.png", 255 - image)):
        Image.fromarray(pixels).save(tmp_path / name)
        lines.append(cli("predict", str(run_dir), str(tmp_path / name)).out.rpartition(".png: ")[2])
    assert lines[0] == lines[1] != ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no file"),
        (b"not a picture", "is not an image"),
        ((10, 12), "is 10 x 12; the model was trained on 28 x 28"),
    ],
    ids=["missing", "text", "other size"],
)
def test_files_that_are_no_such_pictures_are_refused(content, message, run_dir, tmp_path, cli):
    path = tmp_path / "picture.png"
    if isinstance(content, tuple):
        Image.fromarray(np.zeros(content, np.uint8)).save(path)
    elif content:
        path.write_bytes(content)
    result = cli("predict", str(run_dir), str(path))
    assert result.code == 2
    assert f"{path} {message}" in result.err or f"{message} {path}" in result.err
    assert result.out == ""


def test_a_model_without_predict_step_says_so(cli, plain_model):
    trained = cli(f"model={plain_model}", "recipe.max_epochs=1", "trainer.limit_train_batches=2")
    result = cli("predict", str(trained.run_dir))
    assert result.code == 2
    assert "model 'plain' cannot predict: it has no predict_step" in result.err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_run_in_a_folder_whose_name_is_not_utf_8_is_trained_tested_and_used(tmp_path, run_dlpipe):
    folder = tmp_path / os.fsdecode(b"w\xe9")
    folder.mkdir()
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(folder / "a.png")
    picture = (folder / "a.png").rename(folder / os.fsdecode(b"caf\xe9.png"))

    def dlpipe(*arguments):
        result = run_dlpipe(arguments, cwd=folder, capture_output=True)
        assert b"Traceback" not in result.stderr
        return result.returncode, (result.stdout + result.stderr).decode()

    trained = dlpipe("model=logreg", "recipe.max_epochs=1", "trainer.limit_train_batches=2", "hydra.run.dir=r")
    assert trained[0] == 0, trained[1]
    assert r"w\udce9/r" in (folder / "r" / "dlpipe.log").read_text(encoding="utf-8")
    assert dlpipe("predict", "r", picture.name)[1].startswith(r"caf\udce9.png: ")
    assert r"no file no\udce9.png" in dlpipe("predict", "r", os.fsdecode(b"no\xe9.png"))[1]
