"""Exported files beside the models that they come from."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from pytorch_lightning import LightningDataModule
from safetensors import safe_open
from safetensors.torch import load_file

import dlpipe
from dlpipe.data import SequenceBatch
from dlpipe_authoring.export.description import describe_preparation

RTOL, ATOL = 1e-4, 1e-6  # as the verb's own comparison
PREDICT = ("logreg", "mlp", "lenet", "sda", "dbn", "lstm", "elman", "jordan", "bidirectional")


def session_of(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def feed(session, batch):
    """The inputs of the session from a batch whose fields have their names."""
    return {each.name: getattr(batch, each.name).numpy() for each in session.get_inputs()}


def metadata_of(path):
    return session_of(path).get_modelmeta().custom_metadata_map


def as_parts(batch):
    """The batch, its first example alone, and seven of its examples, sequences at half their length."""
    yield batch
    yield type(batch)(*(tensor[:1] for tensor in batch))
    if isinstance(batch, SequenceBatch):
        half = batch.x.shape[1] // 2 + 1
        yield SequenceBatch(batch.x[3:10, :half], batch.y[3:10], batch.lengths[3:10].clamp(max=half))
    else:
        yield type(batch)(*(tensor[3:10] for tensor in batch))


# the others differ from these in a layer, or are exported by another test
QUICK = ("logreg", "lenet", "sda", "lstm", "bidirectional")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PREDICT]
)
def test_onnx_predicts_as_the_model_on_the_test_set(name, run_of, onnx_of):
    run, session = dlpipe.Run(run_of(name)), session_of(onnx_of(name))
    for batch in run.data.test_dataloader():
        for part in as_parts(batch):
            (predicted,) = session.run(None, feed(session, part))
            np.testing.assert_allclose(predicted, run.predict(part).numpy(), rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("name", ["da", "ca"])
def test_a_model_without_predict_step_exports_its_forward(name, run_of, cli):
    directory = run_of(name)
    result = cli("export", str(directory))
    assert "compared with forward in onnxruntime on 360 test examples" in result.out
    run = dlpipe.Run(directory)
    session = session_of(directory / "exports" / f"{name}.onnx")
    for batch in run.data.test_dataloader():
        (predicted,) = session.run(None, feed(session, batch))
        with torch.no_grad():
            np.testing.assert_allclose(predicted, run.model(batch.x).numpy(), rtol=RTOL, atol=ATOL)


def test_what_export_prints(run_of, cli):
    directory = run_of("elman")
    path = directory / "other.onnx"
    first, *lines = cli("export", str(directory), "-o", str(path)).out.splitlines()
    assert first.startswith(f"{path}: rnn_slu trained on synthetic_flights, ")
    assert lines[:2] == ["  inputs  x: int64 (batch, length)", "  outputs  prediction: float32 (batch, length, 23)"]
    assert lines[2].startswith("compared with predict_step in onnxruntime on 150 test examples: largest difference ")
    assert len(lines) == 3


def test_no_temporary_file_is_left(onnx_of):
    assert {path.name for path in onnx_of("mlp").parent.iterdir()} <= {"mlp.onnx", "mlp.safetensors"}


@pytest.mark.parametrize("name", ["mlp", pytest.param("jordan", marks=pytest.mark.slow)])
def test_torch_export_predicts_as_the_model_without_its_code(name, run_of, cli, tmp_path):
    directory, path = run_of(name), tmp_path / "model.pt2"
    result = cli("export", str(directory), "--format", "torch_export", "-o", str(path))
    assert result.code == 0, result.err
    run = dlpipe.Run(directory)
    (batch, *_) = run.data.test_dataloader()
    inputs = [getattr(batch, each["name"]) for each in torch_export_metadata(path)["inputs"]]
    torch.save([inputs, run.predict(batch)], tmp_path / "expected.pt")
    code = f"""
import sys, torch
inputs, expected = torch.load({str(tmp_path / "expected.pt")!r})
predicted = torch.export.load({str(path)!r}).module()(*inputs)
torch.testing.assert_close(predicted, expected, rtol={RTOL}, atol={ATOL})
assert not [name for name in sys.modules if name.startswith("dlpipe")]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def torch_export_metadata(path):
    extra = {"dlpipe.json": ""}
    torch.export.load(path, extra_files=extra)
    return json.loads(extra["dlpipe.json"])


def test_safetensors_has_the_weights_and_the_description(run_of, cli):
    directory = run_of("mlp")
    assert cli("export", str(directory), "--format", "safetensors").code == 0
    path = directory / "exports" / "mlp.safetensors"
    weights, state = load_file(path), dlpipe.Run(directory).model.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[name], state[name]) for name in state)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert (metadata["model"], metadata["dataset"]) == ("mlp", "digits")


def test_the_metadata_names_the_run_the_model_and_the_versions(onnx_of):
    metadata = metadata_of(onnx_of("elman"))
    expected = {
        "dlpipe_version": dlpipe.__version__,
        "torch_version": torch.__version__,
        "run": "elman",
        "model": "rnn_slu",
        "model_class": "dlpipe_language.slot_filling.RnnSlu",
        "dataset": "synthetic_flights",
        "dataset_class": "dlpipe_language.flights.SyntheticFlights",
        "seed": "3",
        "inputs": '[{"name": "x", "type": "int64", "shape": ["batch", "length"]}]',
        "outputs": '[{"name": "prediction", "type": "float32", "shape": ["batch", "length", 23]}]',
    }
    assert {name: metadata[name] for name in expected} == expected


def test_the_metadata_says_how_a_picture_becomes_an_input(onnx_of):
    preparation = json.loads(metadata_of(onnx_of("mlp"))["preparation"])
    assert preparation["image_shape"] == [1, 28, 28]
    assert preparation["range"] == [0, 1]
    assert preparation["pixels"] == (
        "value / 256 of the pixel's 0 to 255, row by row from the top left; light on a dark ground"
    )
    assert preparation["dataset_description"].startswith("1,797 grey digits of 8 x 8 pixels, enlarged to 28 x 28")


def test_a_request_is_labelled_with_nothing_but_the_file(run_of, onnx_of):
    session = session_of(onnx_of("bidirectional"))
    preparation = json.loads(session.get_modelmeta().custom_metadata_map["preparation"])
    words = ["flights", "from", "boston", "to", "denver"]
    numbers = [[preparation["vocabulary"].index(word) for word in words]]
    (predicted,) = session.run(None, {"x": np.array(numbers)})
    labels = [preparation["class_names"][label] for label in predicted[0].argmax(1)]
    run = dlpipe.Run(run_of("bidirectional"))
    expected = [line.split()[1] for line in run.model.predict_text(" ".join(words), run.data)]
    assert labels == expected


def test_the_metadata_of_reviews_names_the_classes_and_the_padding(onnx_of):
    metadata = metadata_of(onnx_of("lstm"))
    preparation = json.loads(metadata["preparation"])
    assert preparation["class_names"] == ["negative", "positive"]
    assert (preparation["padding_value"], preparation["vocabulary"][:2]) == (0, ["<PAD>", "<UNK>"])
    assert [each["name"] for each in json.loads(metadata["inputs"])] == ["x", "lengths"]


def test_the_metadata_of_a_table_has_what_a_row_is_standardised_with():
    columns = ['{"name": "age", "mean": 40.0, "std": 10.0}']
    table = LightningDataModule()
    table.columns = columns
    assert describe_preparation(torch.nn.Linear(1, 2), table)["columns"] == columns


@pytest.mark.parametrize("name", ["rbm", "hmc", "rnn_rbm"])
def test_a_generative_model_is_refused(name, run_of, cli):
    directory = run_of(name)
    result = cli("export", str(directory))
    assert result.code == 2
    assert result.err == (
        f"dlpipe: model '{name}' has no predict_step: it is a generative model, whose method sample draws at random, "
        "so there is no prediction to export; python -m dlpipe sample RUN samples it, --format safetensors exports its "
        "weights\n"
    )
    assert not list(directory.rglob("exports/*"))


def test_the_weights_of_a_generative_model_are_exported(run_of, cli):
    directory = run_of("rbm")
    assert cli("export", str(directory), "--format", "safetensors").code == 0
    assert load_file(directory / "exports" / "rbm.safetensors")["W"].shape == (784, 20)


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_a_run_of_another_precision_is_exported(precision, cli):
    run_dir = cli("model=mlp", "model.num_hidden=8", "recipe.max_epochs=1", f"trainer.precision={precision}").run_dir
    result = cli("export", str(run_dir))
    assert result.code == 0, result.err
    kind = "float64" if precision == "64-true" else "float32"
    assert f"  inputs  x: {kind} (batch, 784)\n" in result.out
