"""Tasks that are no classification: modules and datasets of people who know Lightning and not dlpipe."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

DATASETS = """
import collections
import pytorch_lightning as pl, torch
from torch.utils.data import DataLoader
from dlpipe.data import Split, TensorDataModule

def split(x, y):
    return {"train": Split(x[:20], y[:20]), "val": Split(x[20:30], y[20:30]), "test": Split(x[30:], y[30:])}

class Houses(TensorDataModule):  # regression, two targets, one of them negative
    def load_splits(self):
        x = torch.linspace(0, 1, 40).reshape(40, 1).repeat(1, 4)
        return split(x, torch.stack([x[:, 0], -3 * x[:, 0]], dim=1))

class Prices(Houses):  # one float for each example
    def load_splits(self):
        return {name: Split(x, y[:, 1]) for name, (x, y) in super().load_splits().items()}

class Roads(TensorDataModule):  # a label for each pixel, of which -100 is ignored
    def load_splits(self):
        x = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        y = (x.mean(1) > 0.5).long()
        y[:, 0] = -100
        return split(x, y)

class Tags(TensorDataModule):  # several labels for each example
    def load_splits(self):
        x = torch.rand(40, 6, generator=torch.Generator().manual_seed(0))
        return split(x, x[:, :3] > 0.5)

class Flags(Tags):  # one bool for each example
    def load_splits(self):
        return {name: Split(x, y[:, 0]) for name, (x, y) in super().load_splits().items()}

class Bare(TensorDataModule):  # no labels
    def load_splits(self):
        return {name: Split.unlabelled(x) for name, (x, _) in Tags.load_splits(self).items()}

Pair = collections.namedtuple("Pair", "inputs targets")

class Dicts(pl.LightningDataModule):  # batches as of HuggingFace
    num_classes = 2
    named = False
    def __init__(self, batch_size: int = 5):
        super().__init__()
        self.batch_size = batch_size
    def loader(self, **options):
        x = torch.linspace(0, 1, 40).reshape(40, 1).repeat(1, 4)
        rows = [Pair(a, b) if self.named else {"id": str(i), "inputs": a, "targets": b}
                for i, (a, b) in enumerate(zip(x, x.sum(1, keepdim=True)))]
        return DataLoader(rows, self.batch_size, **options)
    def train_dataloader(self):
        return self.loader(shuffle=True)
    def val_dataloader(self):
        return self.loader()
    def test_dataloader(self):
        return self.loader()

class Named(Dicts):
    named = True

class Two(Dicts):
    def predict_dataloader(self):
        return [self.loader(), self.loader()]
"""
MODELS = """
import pytorch_lightning as pl, torch
from torch import nn
from torch.nn import functional as F

class Base(pl.LightningModule):
    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("train_loss", loss, prog_bar=True, on_epoch=True, on_step=False)
        return loss
    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.loss(batch))
    def test_step(self, batch, batch_idx):
        self.log("test_loss", self.loss(batch))
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)

class Linear(Base):
    def __init__(self, inputs: int = 4, outputs: int = 2):
        super().__init__()
        self.net = nn.Linear(inputs, outputs)
    def forward(self, x):
        return self.net(x)
    def loss(self, batch):
        x, y = batch
        return F.mse_loss(self(x).squeeze(1), y.float())
    def predict_step(self, batch, batch_idx):
        x, _ = batch
        return self(x).squeeze(1)

class Segmenter(Base):
    def __init__(self, kind: str = "logits"):
        super().__init__()
        self.net, self.kind = nn.Conv2d(3, 2, 3, padding=1), kind
    def loss(self, batch):
        return F.cross_entropy(self.net(batch.x), batch.y)
    def predict_step(self, batch, batch_idx):
        logits = self.net(batch[0])
        return logits if self.kind == "logits" else logits.argmax(1).to(torch.uint8)

class Encoder(Linear):  # no labels; predicts with forward alone
    predict_step = pl.LightningModule.predict_step
    def loss(self, batch):
        x, _ = batch
        return F.mse_loss(self(x), x)

class OfDicts(Linear):
    def __init__(self):
        super().__init__(4, 1)
    def parts(self, batch):
        return (batch["inputs"], batch["targets"]) if isinstance(batch, dict) else (batch.inputs, batch.targets)
    def loss(self, batch):
        x, y = self.parts(batch)
        return F.mse_loss(self(x), y)
    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        x, _ = self.parts(batch)
        return {"price": self(x).squeeze(1), "near": [str(float(v)) for v in x[:, 0]]}

class Breaks(Linear):
    def predict_step(self, batch):
        return batch.inputz

class Odd(Linear):
    def predict_step(self, batch, batch_idx):
        return object()

class Mute(Linear):
    forward = pl.LightningModule.forward
    predict_step = pl.LightningModule.predict_step
    test_step = pl.LightningModule.test_step
    def loss(self, batch):
        return F.mse_loss(self.net(batch[0]), batch[1])

class Classes(Base):
    def __init__(self, classes: int):
        super().__init__()
"""
OF_TENSORS = ("Houses", "Prices", "Roads", "Tags", "Flags", "Bare")
PLAIN = ("Dicts", "Named", "Two")
YAML = """
defaults: [digits, _self_]
name: {name}
image_shape: {shape}
num_features: null
num_classes: null
"""
SHORT = ("recipe.batch_size=5", "recipe.max_epochs=2", "hydra.run.dir=r")


@pytest.fixture(autouse=True)
def plugins(install) -> None:
    """The datasets and models above, by the names of their classes."""
    shapes = {"Roads": "[3, 8, 8]"}
    yamls = {
        f"strangedata/conf/dataset/{name}.yaml": YAML.format(name=name, shape=shapes.get(name, "null"))
        for name in OF_TENSORS
    }
    names = {name: f"strangedata:{name}" for name in (*OF_TENSORS, *PLAIN)}
    install("strange-data", names, {"strangedata/__init__.py": DATASETS, **yamls}, kind="datasets")
    models = ("Linear", "Segmenter", "Encoder", "OfDicts", "Breaks", "Odd", "Mute", "Classes")
    files = {
        "strange/__init__.py": MODELS,
        "strange/conf/model/Classes.yaml": "name: Classes\nclasses: ${dataset.num_classes}\n",
    }
    install("strange-models", {name: f"strange:{name}" for name in models}, files)


@pytest.fixture
def train(cli):
    """Train a model on a dataset; returns the command line, and the run's summary."""

    def run(*overrides):
        has_own = any(text == f"dataset={name}" for text in overrides for name in PLAIN)
        short = [text.replace("recipe.batch_size", "dataset.batch_size") if has_own else text for text in SHORT]
        result = cli(*overrides, *short)
        assert result.code == 0, result.out + result.err
        assert "Traceback" not in result.out + result.err
        return json.loads((result.folder / "r" / "summary.json").read_text())

    return run


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "overrides",
    [
        ("dataset=Houses", "model=Linear"),
        ("dataset=Prices", "model=Linear", "model.outputs=1"),
        ("dataset=Roads", "model=Segmenter"),
        ("dataset=Tags", "model=Linear", "model.inputs=6", "model.outputs=3"),
        ("dataset=Flags", "model=Linear", "model.inputs=6", "model.outputs=1"),
        ("dataset=Bare", "model=Encoder", "model.inputs=6", "model.outputs=6"),
    ],
    ids=lambda overrides: overrides[0],
)
def test_any_task_is_trained_validated_and_tested(overrides, train):
    summary = train(*overrides)
    assert summary["best"]["metric"] == "val_loss"
    assert summary["evaluated"] == {"val": 10, "test": 10}
    assert summary["test"].keys() == {"test_loss"}


@pytest.mark.parametrize("dataset", PLAIN)
def test_batches_may_be_dicts_and_named_tuples(dataset, train, cli):
    assert train("model=OfDicts", f"dataset={dataset}")["evaluated"] == {"val": 40, "test": 40}
    assert cli("test", "r").code == 0


def test_option_that_needs_classes_is_named_if_the_dataset_has_none(cli):
    result = cli("dataset=Houses", "model=Classes", *SHORT)
    assert result.code == 2
    message = "model.classes: dataset 'Houses' has no num_classes; choose another dataset, or set model.classes"
    assert message in result.err


def test_float_targets_that_are_no_labels_are_refused_with_what_to_set(cli):
    result = cli("dataset=Prices", "model=Linear", "dataset.num_classes=10", *SHORT)
    assert result.code == 2
    assert "if they are targets of a regression, set dataset.num_classes=null" in result.err


def test_vectors_are_written_as_a_table(train, cli):
    train("dataset=Houses", "model=Linear")
    result = cli("predict", "r")
    assert result.code == 0, result.err
    path = result.folder / "r" / "predictions" / "predictions.csv"
    assert result.out == "r/predictions/predictions.csv: 10 rows of prediction_0 to prediction_1\n"
    rows = table(path)
    assert [row["example"] for row in rows] == [str(index) for index in range(10)]
    from dlpipe import load

    with torch.no_grad():
        expected = load(result.folder / "r")(torch.linspace(0, 1, 40)[30:].reshape(10, 1).repeat(1, 4))
    values = [[float(row["prediction_0"]), float(row["prediction_1"])] for row in rows]
    assert np.allclose(values, expected.numpy(), atol=1e-6)


def test_numbers_are_written_as_one_column(train, cli):
    train("dataset=Prices", "model=Linear", "model.outputs=1")
    result = cli("predict", "r")
    assert result.out == "r/predictions/predictions.csv: 10 rows of prediction\n"


def test_several_labels_of_an_example_are_not_printed_as_one_class(train, cli):
    train("dataset=Tags", "dataset.num_classes=3", "model=Linear", "model.inputs=6", "model.outputs=3")
    assert cli("predict", "r").out == "r/predictions/predictions.csv: 10 rows of prediction_0 to prediction_2\n"


def test_arrays_are_written_as_an_array_and_label_maps_as_pictures(train, cli):
    train("dataset=Roads", "model=Segmenter")
    result = cli("predict", "r")
    assert result.out == "r/predictions/predictions.npy: float32 array 10 x 2 x 8 x 8\n"
    logits = np.load(result.folder / "r" / "predictions" / "predictions.npy")
    cli("dataset=Roads", "model=Segmenter", "model.kind=map", *SHORT[:2], "hydra.run.dir=map")
    result = cli("predict", "map")
    assert result.out == "map/predictions: 00000.png to 00009.png\n"
    picture = np.array(Image.open(result.folder / "map" / "predictions" / "00003.png"))
    assert (picture == logits[3].argmax(0)).all()


def test_a_picture_file_has_the_shape_of_the_datasets_examples(train, cli):
    train("dataset=Roads", "model=Segmenter")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    folder = cli("test", "r").folder
    Image.fromarray(pixels).save(folder / "road.png")
    (folder / "r" / "predictions").mkdir()
    (folder / "r" / "predictions" / "predictions.csv").touch()  # of an earlier call
    assert cli("predict", "r", "road.png").out == "r/predictions/predictions.npy: float32 array 1 x 2 x 8 x 8\n"
    assert [path.name for path in (folder / "r" / "predictions").iterdir()] == ["predictions.npy"]
    from dlpipe import load

    model = load(folder / "r")
    with torch.no_grad():
        expected = model.net(torch.tensor(pixels / 256).float().permute(2, 0, 1)[None])
    assert np.allclose(np.load(folder / "r" / "predictions" / "predictions.npy"), expected, atol=1e-5)


def test_dicts_are_written_as_a_line_for_each_example_of_a_plain_datamodule(train, cli):
    train("model=OfDicts", "dataset=Dicts")
    result = cli("predict", "r")
    assert result.out == "r/predictions/predictions.jsonl: 40 lines\n", result.err
    lines = (result.folder / "r" / "predictions" / "predictions.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    assert first.keys() == {"price", "near"}
    assert isinstance(first["price"], float)
    assert first["near"] == "0.0"


def test_each_of_several_dataloaders_has_a_folder(train, cli):
    train("model=OfDicts", "dataset=Two")
    assert cli("predict", "r").out.splitlines() == [
        "r/predictions/0/predictions.jsonl: 40 lines",
        "r/predictions/1/predictions.jsonl: 40 lines",
    ]


def test_a_model_without_predict_step_predicts_with_its_forward(train, cli):
    train("dataset=Bare", "model=Encoder", "model.inputs=6", "model.outputs=6")
    assert cli("predict", "r").out.splitlines() == [
        "model 'Encoder' has no predict_step: its forward(x) is called with the first item of each batch",
        "r/predictions/predictions.csv: 10 rows of prediction_0 to prediction_5",
    ]


def test_a_model_with_neither_says_so_and_has_no_test_either(train, cli):
    train("dataset=Houses", "model=Mute")
    result = cli("predict", "r")
    assert (result.code, result.out) == (2, "")
    assert result.err == "dlpipe: model 'Mute' cannot predict: it has no predict_step, and no forward\n"
    result = cli("test", "r")
    assert (result.code, result.err) == (2, "dlpipe: r cannot be tested: Mute has no test_step\n")


def test_an_error_in_predict_step_is_the_models_and_names_its_line(train, cli):
    train("dataset=Houses", "model=Breaks")
    result = cli("predict", "r")
    assert result.code == 2
    line = 1 + MODELS.splitlines().index("        return batch.inputz")
    assert f"strange/__init__.py:{line}: return batch.inputz). Its model has an error" in result.err


def test_an_error_of_dlpipe_is_not_called_the_models(train, cli, monkeypatch):
    from dlpipe.runs import predictions

    train("dataset=Houses", "model=Linear")
    monkeypatch.setattr(predictions, "MAX_COLUMNS", None)
    result = cli("predict", "r")
    assert result.code == 2
    assert "The error is not in the code of its model or dataset" in result.err
    assert "Its model has an error" not in result.err


def test_a_prediction_that_no_file_can_hold_is_refused(train, cli):
    train("dataset=Houses", "model=Odd")
    assert "predict_step returned a object, which cannot be written; return tensors" in cli("predict", "r").err


def test_files_are_refused_where_examples_are_no_pictures(train, cli):
    train("dataset=Houses", "model=Linear")
    result = cli("predict", "r", "a.png")
    assert result.code == 2
    assert "dataset 'Houses' has no image_shape, so files cannot be read as its examples" in result.err


def test_all_writes_the_probabilities_of_a_classifier_too(cli):
    cli("model=logreg", "recipe.max_epochs=1", "trainer.limit_train_batches=2", "hydra.run.dir=r")
    assert len(cli("predict", "r").out.splitlines()) == 10
    result = cli("predict", "r", "--all")
    assert result.out == "r/predictions/predictions.csv: 360 rows of prediction_0 to prediction_9\n"
    assert cli("predict", "r", "--all", "a.png").err.startswith("dlpipe: --all predicts the test set: give no FILE")
