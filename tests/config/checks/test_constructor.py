"""Arguments that a constructor takes, also those that it passes on with ``**kwargs``."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

from dlpipe.config.checks.constructor import constructor_problems, signature


def problems(cls, supplied=(), **options):
    return [str(problem) for problem in constructor_problems(cls, options, "node", supplied)]


class OwnCallback(ModelCheckpoint):
    def __init__(self, note: str = "", **kwargs):
        super().__init__(save_top_k=1, **kwargs)


class OwnOptimizer(torch.optim.SGD):
    def __init__(self, params, warmup: int = 0, **kwargs):
        super().__init__(params, momentum=0.9, **kwargs)


class BaseModule(pl.LightningModule):
    def __init__(self, num_hidden: int, depth: int = 1):
        super().__init__()


class OwnModule(BaseModule):
    def __init__(self, width: int = 8, *args, **kwargs):
        super().__init__(width, *args, **kwargs)


class BareModule(pl.LightningModule):
    def __init__(self, width: int = 8, **kwargs):
        super().__init__(**kwargs)


class OwnData(pl.LightningDataModule):
    def __init__(self, directory: str, **kwargs):
        super().__init__(**kwargs)


SIBLINGS = {
    "callback": (OwnCallback, {"note": "a", "monitor": "val/error"}, "save_top_k"),
    "optimizer": (OwnOptimizer, {"warmup": 1, "lr": 0.1}, "momentum"),
    "module": (OwnModule, {"width": 4, "depth": 2}, "num_hidden"),
    "module of Lightning's class": (BareModule, {"width": 4}, "num_hidden"),
    "data module": (OwnData, {"directory": "a"}, "root"),
}


@pytest.mark.parametrize(("cls", "options", "given"), SIBLINGS.values(), ids=SIBLINGS)
def test_arguments_of_a_base_class_are_those_that_the_class_passes_on(cls, options, given):
    supplied = ("params",)
    assert problems(cls, supplied, **options) == []
    (problem,) = problems(cls, supplied, **options, **{given: 1})
    assert problem.startswith(f"node.{given}=1: no such argument; ")


def test_a_misspelt_argument_of_a_base_class_is_refused_with_a_suggestion():
    (problem,) = problems(OwnCallback, montior="val/error")
    assert "no such argument; did you mean 'monitor'?" in problem


def test_the_type_of_an_argument_of_a_base_class_is_checked():
    assert problems(OwnModule, depth="two") == ["node.depth=two: must be a valid integer"]


class NeedsHidden(BaseModule):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)


def test_an_argument_that_the_class_leaves_to_the_user_is_required():
    assert problems(NeedsHidden) == ["node.num_hidden: has no default in NeedsHidden; set node.num_hidden=..."]


class Middle(BaseModule):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)


class GivesThroughTheMiddle(Middle):
    def __init__(self, **kwargs):
        super().__init__(num_hidden=3, **kwargs)


def test_an_argument_that_is_given_two_classes_up_is_not_asked_for():
    assert problems(GivesThroughTheMiddle, depth=1) == []
    assert list(signature(GivesThroughTheMiddle).parameters) == ["depth"]


class ChangesKwargs(BaseModule):
    def __init__(self, **kwargs):
        kwargs.setdefault("num_hidden", 3)
        super().__init__(**kwargs)


class NamesItsBase(BaseModule):
    def __init__(self, **kwargs):
        BaseModule.__init__(self, 3, **kwargs)


class Keeps(pl.Callback):
    def __init__(self, **kwargs):
        self.options = kwargs


def call(**kwargs) -> pl.Callback:
    return Keeps(**kwargs)


@pytest.mark.parametrize("cls", [ChangesKwargs, NamesItsBase, Keeps, call], ids=lambda cls: cls.__name__)
def test_what_becomes_of_kwargs_in_another_way_is_left_to_the_call(cls):
    assert problems(cls, anything=1) == []


def test_tensorboards_logger_takes_its_own_arguments_and_those_of_the_writer():
    assert problems(TensorBoardLogger, save_dir="a", name="b", flush_secs=10) == []
    assert problems(TensorBoardLogger) == ["node.save_dir: has no default in TensorBoardLogger; set node.save_dir=..."]
