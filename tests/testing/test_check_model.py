"""`dlpipe.testing` on plugins that each break the contract in one way."""

import pytest

from dlpipe.testing import check_model

MODEL = '''
import torch
from pathlib import Path
from pytorch_lightning import LightningModule

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
'''


@pytest.fixture
def check(install):
    """Run `check_model` on a plugin with this model: `MODEL` with one text replaced and another added."""

    def run(*overrides: str, replace: tuple[str, str] = ("", ""), add: str = "", files: dict[str, str] | None = None):
        old, new = replace
        assert old in MODEL
        source = (MODEL.replace(old, new) if old else MODEL) + add
        install("dlpipe-acme", {"toy": "acme:Model"}, {"acme/__init__.py": source, **(files or {})})
        check_model("toy", *overrides)

    return run


def test_model_that_keeps_the_contract_passes(check):
    check()


def test_model_with_yaml_passes(check):
    check(files={"acme/conf/model/toy.yaml": "name: toy\nnum_features: ${dataset.num_features}\ninit: 0.0\n"})


def test_module_without_validation_passes(check):
    check(replace=("validation_step", "unused"))


def test_bundled_model_passes():
    check_model("mlp", "model.num_hidden=5")


def test_overrides_reach_the_run(check):
    with pytest.raises(AssertionError, match=r"does not go through training: .*shapes cannot be multiplied"):
        check("model.num_features=3")


def test_every_problem_of_a_failed_check_is_reported(check):
    with pytest.raises(
        AssertionError, match=r"model 'toy' does not pass the checks before a run:\n.*'init'\? "
    ) as message:
        check("model.inti=1", "model.num_features=many")
    assert "model.num_features=many: must be a valid integer" in str(message.value)


def test_yaml_without_an_argument_is_refused(check):
    with pytest.raises(AssertionError, match=r"model/toy\.yaml has no init: its keys are the constructor's arguments"):
        check(files={"acme/conf/model/toy.yaml": "name: toy\nnum_features: 784\n"})


def test_error_of_the_model_is_reported_with_its_type(check):
    with pytest.raises(AssertionError, match="one minibatch does not go through training: KeyError: 'image'"):
        check(replace=("return self.loss(batch)", "return {}['image']"))


def test_model_that_learns_nothing_is_refused(check):
    with pytest.raises(AssertionError, match="model 'toy' learnt nothing: training did not change its state_dict"):
        check(replace=("return self.loss(batch)", "return 0 * self.loss(batch)"))


def test_model_without_a_monitored_metric_is_refused(check):
    message = (
        r"logged no val/error and no val/loss and no val_loss, .*; it logged train/loss, val_mse\. "
        r"Log one, or set recipe\.monitor"
    )
    with pytest.raises(AssertionError, match=message):
        check(replace=('"val/loss"', '"val_mse"'))


def test_recipe_monitor_that_is_not_logged_is_refused(check):
    with pytest.raises(AssertionError, match=r"recipe\.monitor=val/los was not logged; did you mean 'val/loss'\?"):
        check("recipe.monitor=val/los")


def test_monitored_metric_that_is_nan_is_refused(check):
    with pytest.raises(AssertionError, match=r"the run of model 'toy' failed: val/loss is nan in epoch 1"):
        check(replace=("self.loss(batch), batch_size", "self.loss(batch) * torch.nan, batch_size"))


def test_checkpoint_with_more_than_plain_containers_is_refused(check):
    hook = "    def on_save_checkpoint(self, checkpoint):\n        checkpoint['where'] = print\n"
    with pytest.raises(AssertionError, match=r"a checkpoint of this model could not be read back: its where is a "):
        check(add="\n" + hook)


def test_module_that_its_constructor_does_not_complete_is_refused(check):
    hook = "    def setup(self, stage):\n        self.late = torch.nn.Linear(2, 2)\n"
    message = r"(?s)dlpipe\.load cannot rebuild model 'toy' from its config and best checkpoint: .*late\.weight"
    with pytest.raises(AssertionError, match=message):
        check(add="\n" + hook)


def test_module_that_does_not_restore_its_weights_is_refused(check):
    hook = "    def load_state_dict(self, state, strict=True):\n        pass\n"
    with pytest.raises(
        AssertionError,
        match=r"does not restore the weights of model 'toy' from its best checkpoint: linear\.weight, linear\.bias",
    ):
        check(add="\n" + hook)


def test_class_that_creates_instances_of_another_is_refused(check):
    other = "class Inner(Model): ...\n\nModel.__new__ = lambda cls, *a, **k: object.__new__(Inner)\n"
    with pytest.raises(AssertionError, match="model 'toy' is a Inner, but its entry point names Model"):
        check(add="\n" + other)
