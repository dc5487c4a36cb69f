"""Plugins that each break the contract in one way: exactly one check fails, and its message says what to do."""

import pytest

from dlpipe.testing.cases import OF_DATASET, OF_MODEL, cases_of_distribution
from dlpipe.testing.result import Broken, NotApplicable

MODEL = '''
import os
import torch
from pytorch_lightning import LightningModule

SCALE = 1.0

class Model(LightningModule):
    """A linear classifier."""

    def __init__(self, num_features: int = 784, init: float = 0.0) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(num_features, 10)

    def loss(self, batch):
        return torch.nn.functional.cross_entropy(self.linear(batch[0]), batch[1])

    def training_step(self, batch, batch_idx):
        return self.loss(batch)

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.loss(batch), batch_size=len(batch[1]))

    def test_step(self, batch, batch_idx):
        error = (self.linear(batch[0]).argmax(1) != batch[1]).double().mean()
        self.log("test/error", error, batch_size=len(batch[1]))

    def predict_step(self, batch, batch_idx):
        return self.linear(batch[0]).softmax(1)
'''
YAML = "name: toy\nnum_features: ${dataset.num_features}\ninit: 0.0\n"
STEP = "        return self.loss(batch)\n"
# a count that no checkpoint has
COUNTS = """        self.count = getattr(self, "count", 0) + 1
        return self.loss(batch) / self.count
"""
GLOBAL = """        return self.loss(batch) * SCALE

    def on_train_epoch_start(self):
        global SCALE
        SCALE = 1.0 / (1 + self.current_epoch)
"""
# counts that are behind within a chunk
PROGRESS = """        started = self.trainer.fit_loop.epoch_loop.batch_progress.current.started
        return self.loss(batch) / (1 + started)
"""
ASCENT = """
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01, maximize=True)
"""
LIGHTNING = {
    "lightning/__init__.py": "",
    "lightning/pytorch.py": "class LightningModule: ...\nclass Callback: ...\n",
}
TARGET = "targets:\n  - {dataset: digits, metric: test/eror, value: 0.1, source: me}\n"
MODELS = {
    "listing_imports_no_plugin": ((), {"hydra_plugins/acme_sweeper.py": "import torch\n"}, "imports torch"),
    "built_on_pytorch_lightning": (
        ("import LightningModule\n", "import LightningModule\nfrom lightning.pytorch import Callback\n"),
        LIGHTNING,
        "acme.Callback comes from `lightning`",
    ),
    "has_a_docstring": (('    """A linear classifier."""\n', ""), {}, "has no docstring"),
    "options_are_arguments": ((), {"acme/conf/model/toy.yaml": "name: toy\ninit: 0.0\n"}, "has no num_features"),
    "every_step_runs": (('"test/error", error', '"test/error", eror'), {}, "NameError: name 'eror'"),
    "training_changes_the_weights": ((STEP, "        return 0 * self.loss(batch)\n"), {}, "learnt nothing"),
    "loss_falls": (
        ("return self.linear(batch[0]).softmax(1)\n", "return self.linear(batch[0]).softmax(1)\n" + ASCENT),
        {},
        "does not fall",
    ),
    "monitored_metric_is_logged": (('"val/loss"', '"val_mse"'), {}, "logged no val/error"),
    "targets_are_logged": ((), {"acme/conf/recipe/toy.yaml": TARGET}, "is of test/eror, which was not logged"),
    "weights_are_restored": (
        (
            "    def predict_step",
            "    def load_state_dict(self, state, strict=True):\n        pass\n\n    def predict_step",
        ),
        {},
        "does not restore the weights",
    ),
    "predictions_are_of_examples": (
        ("batch[0]).softmax(1)", "batch[0]).softmax(0)"),
        {},
        "predicts other values for half",
    ),
    "same_seed_same_bits": (
        (STEP, "        return self.loss(batch) * (1 + os.urandom(1)[0] / 2550)\n"),
        {},
        "with the same seed differ",
    ),
    "chunks_same_bits": ((STEP, PROGRESS), {}, "from a run with max_chunk_batches=1"),
    "fused_same_numbers": ((STEP, GLOBAL), {}, "from a run with fused=false"),
    "resumed_same_bits": ((STEP, COUNTS), {}, "must be saved"),
    "two_processes_same_numbers": ((STEP, "        return len(batch[1]) * self.loss(batch)\n"), {}, "not their sum"),
}
DATASET = '''
import numpy as np
import torch
from dlpipe.data import Split, TensorDataModule

class Points(TensorDataModule):
    """Points of a plane."""

    def __init__(self, batch_size: int, num_features: int = 2, extra: int = 0):
        super().__init__(num_features=num_features, num_classes=2, batch_size=batch_size, shuffle=True,
                         drop_last=False, eval_batch_size=4, eval_drop_last=False, seed=1)

    def load_splits(self):
        x = torch.randn(30, 2, generator=torch.Generator().manual_seed(1))
        split = Split(x, (x.sum(1) > 0).long())
        return {"train": split, "val": split, "test": split}
'''
POINTS = "name: points\nbatch_size: 5\nnum_features: 2\nextra: 0\n"
DATASETS = {
    "has_a_docstring": (('    """Points of a plane."""\n', ""), POINTS, "has no docstring"),
    "dataset_options_are_arguments": ((), POINTS.replace("extra: 0\n", ""), "has no extra"),
    "splits_are_as_stated": (('"test": split}', '"test": split.first(0)}'), POINTS, "test has no examples"),
    "same_seed_same_order": (
        ("split = Split(x,", "x = x[np.random.default_rng().permutation(30)]\n        split = Split(x,"),
        POINTS,
        "built twice, gives other minibatches",
    ),
}


def broken_checks(cases):
    """The messages of the checks that fail."""
    messages = {}
    for case in cases:
        try:
            case.run()
        except NotApplicable:
            continue
        except Broken as error:
            messages[case.name] = str(error)
    return messages


def replaced(text, change):
    old, new = change or ("", "")
    assert old in text
    return text.replace(old, new) if old else text


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_breaks_one_rule_fails_one_check(name, install):
    change, files, message = MODELS[name]
    files = {"acme/conf/model/toy.yaml": YAML, "acme/__init__.py": replaced(MODEL, change), **files}
    install("dlpipe-acme", {"toy": "acme:Model"}, files)
    cases = cases_of_distribution("acme", {})
    if name != "two_processes_same_numbers":
        cases = [case for case in cases if case.name != "two_processes_same_numbers"]
    found = broken_checks(cases)
    assert set(found) == {name}
    assert message in found[name]


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_that_breaks_one_rule_fails_one_check(name, install):
    change, yaml, message = DATASETS[name]
    files = {"acme/__init__.py": replaced(DATASET, change), "acme/conf/dataset/points.yaml": yaml}
    install("dlpipe-acme", {"points": "acme:Points"}, files, kind="datasets")
    found = broken_checks(cases_of_distribution("dlpipe-acme", {}))
    assert set(found) == {name}
    assert message in found[name]


def test_every_check_has_a_plugin_that_breaks_it():
    assert {check.__name__ for check in OF_MODEL} == set(MODELS)
    assert {check.__name__ for check in OF_DATASET} - set(MODELS) <= set(DATASETS)
