"""Chunks against Lightning's own loop: the same checkpoints, to the last bit, at the same places."""

import copy
import warnings

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    EarlyStopping,
    GradientAccumulationScheduler,
    LearningRateMonitor,
    ModelCheckpoint,
)
from pytorch_lightning.loggers import CSVLogger
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from dlpipe.data import EpochSampler, Split, TensorMinibatches
from dlpipe.training.callbacks.patience import GeometricPatience
from dlpipe.training.callbacks.train_loss import EpochMeanLoss
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.speed import chunks
from dlpipe.training.speed.chunks import take_chunks
from dlpipe.training.speed.updates import FusedUpdates

EXAMPLES, BATCH = 107, 5  # 22 minibatches, the last of 2


class Data(pl.LightningDataModule):
    def __init__(self, shuffle=False, stock=False):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        x = torch.randn(EXAMPLES, 6, generator=generator)
        self.split = Split(x, (x[:, 0] * x[:, 1] > 0).long())
        self.shuffle, self.stock = shuffle, stock

    def train_dataloader(self):
        if self.stock:
            return DataLoader(TensorDataset(*self.split), BATCH)
        return TensorMinibatches(self.split, BATCH, EpochSampler(EXAMPLES, 5, self.shuffle))

    def val_dataloader(self):
        return TensorMinibatches(self.split, 50, EpochSampler(EXAMPLES, 5, False))


class Model(pl.LightningModule):
    """An ordinary module: dropout, a loss that depends on Lightning's counts, an LR scheduler per update."""

    def __init__(self, schedule=None, logs=(), optimizer=torch.optim.SGD, **options):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 2))
        self.schedule, self.logs, self.optimizer_class = schedule, logs, optimizer
        self.options = {"lr": 0.1, **options}

    def training_step(self, batch, batch_idx):
        loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        for name, where in self.logs:
            self.log(name, loss, **where)
        return loss * (1 + 0.01 * self.global_step + 0.001 * batch_idx)

    def validation_step(self, batch, batch_idx):
        logits = self.net(batch[0])
        self.log("val/error", (logits.argmax(1) != batch[1]).double().mean(), batch_size=len(batch[1]))

    def configure_optimizers(self):
        optimizer = self.optimizer_class(self.parameters(), **self.options)
        if not self.schedule:
            return optimizer
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, **self.schedule}}


class Named(Data):
    """A dict of one loader, whose minibatches Lightning gives as dicts."""

    def train_dataloader(self):
        return {"only": super().train_dataloader()}


class TakesNamed(Model):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch["only"], batch_idx)


class Same(Model):
    """A module whose steps are the same operations at every minibatch, so that they can be traced."""

    def training_step(self, batch, batch_idx):
        loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        for name, where in self.logs:
            self.log(name, loss, **where)
        return loss


class KeepsHalf(torch.optim.SGD):
    """Whose zero_grad leaves something, so that one that is not called shows."""

    def zero_grad(self, set_to_none=True):
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is not None:
                parameter.grad.mul_(0.5)


class SaveStates(pl.Callback):
    """Everything a checkpoint holds, and the mean loss, at every validation and at the end."""

    def __init__(self):
        self.states = []

    def _note(self, trainer):
        state = trainer._checkpoint_connector.dump_checkpoint()
        state["metrics"] = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.states.append(copy.deepcopy(state))

    def on_validation_end(self, trainer, pl_module):
        self._note(trainer)

    def on_train_epoch_end(self, trainer, pl_module):
        self._note(trainer)

    def on_train_end(self, trainer, pl_module):
        self._note(trainer)


def fit(chunk, make_model, data=None, callbacks=lambda: [], logger=None, fused=False, **options):
    """States and logged rows of one fit; with ``chunk`` None of Lightning's own loop."""
    with quiet_lightning(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Checkpoint directory|.*`dataloader_iter`")
        return _fit(chunk, make_model, data, callbacks, logger, fused, options)


def _fit(chunk, make_model, data, callbacks, logger, fused, options):
    torch.manual_seed(1)
    saved, logger = SaveStates(), logger() if logger else False
    defaults = {"max_epochs": 3, "num_sanity_val_steps": 0, "accelerator": "cpu", "enable_checkpointing": False}
    trainer = pl.Trainer(
        callbacks=[EpochMeanLoss(), *([FusedUpdates()] if fused else []), *callbacks(), saved],
        logger=logger,
        enable_progress_bar=False,
        enable_model_summary=False,
        **defaults | options,
    )
    loop = take_chunks(trainer, chunk) if chunk else None
    trainer.fit(make_model(), datamodule=data or Data())
    return saved.states, trainer, loop


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


CASES = {
    "validation after each epoch": {},
    "shuffled": {"data": Data(shuffle=True)},
    "a DataLoader": {"data": Data(stock=True)},
    "a dict of one loader": {"data": Named(), "make_model": TakesNamed},
    "validation every seven updates over epochs": {"val_check_interval": 7, "check_val_every_n_epoch": None},
    "validation every seven updates of an epoch": {"val_check_interval": 7},
    "validation twice an epoch": {"val_check_interval": 0.5},
    "validation every second epoch": {"check_val_every_n_epoch": 2},
    "a last update in mid-epoch": {"max_steps": 37, "max_epochs": -1},
    "a part of each epoch": {"limit_train_batches": 9},
    "patience that ends in mid-epoch": {"callbacks": lambda: [GeometricPatience(13, 1.1)], "max_epochs": 9},
    "early stopping": {"callbacks": lambda: [EarlyStopping("val/error", patience=1)], "max_epochs": 9},
    "schedule per update": {"make_model": lambda: Model(schedule={"interval": "step"})},
    "schedule per second update": {"make_model": lambda: Model(schedule={"interval": "step", "frequency": 2})},
    "schedule per epoch": {"make_model": lambda: Model(schedule={"interval": "epoch"})},
    "adam": {"make_model": lambda: Model(optimizer=torch.optim.Adam)},
    "momentum": {"make_model": lambda: Model(momentum=0.9)},
    "an optimizer with a zero_grad of its own": {"make_model": lambda: Model(optimizer=KeepsHalf, lr=0.01)},
    "logs an epoch's mean": {"make_model": lambda: Model(logs=[("a", {"on_epoch": True, "on_step": False})])},
    "logs both": {"make_model": lambda: Model(logs=[("a", {"on_epoch": True, "on_step": True})])},
    "clipped by norm": {"gradient_clip_val": 0.1},
    "clipped by value": {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    "accumulated": {"accumulate_grad_batches": 2},
    "accumulated, the last window shorter": {"accumulate_grad_batches": 5},
    "accumulated, scheduled": {
        "accumulate_grad_batches": 3,
        "make_model": lambda: Model(schedule={"interval": "step"}, optimizer=torch.optim.Adam),
    },
    "accumulated, validation in a window": {"accumulate_grad_batches": 4, "val_check_interval": 6},
    "accumulated, a last update in mid-epoch": {"accumulate_grad_batches": 3, "max_steps": 17, "max_epochs": -1},
    "accumulated, patience": {
        "accumulate_grad_batches": 3,
        "callbacks": lambda: [GeometricPatience(5, 1.1)],
        "max_epochs": 9,
    },
    "accumulated, zero_grad of its own": {
        "accumulate_grad_batches": 3,
        "make_model": lambda: Model(optimizer=KeepsHalf, lr=0.01),
    },
    "accumulated as scheduled": {"callbacks": lambda: [GradientAccumulationScheduler({0: 1, 1: 3})]},
    "fused, accumulated and clipped": {
        "fused": True,
        "make_model": lambda: Same(optimizer=torch.optim.Adam, schedule={"interval": "step"}),
        "accumulate_grad_batches": 3,
        "gradient_clip_val": 0.1,
    },
    "fused, momentum": {"fused": True, "make_model": lambda: Same(momentum=0.9)},
    "fused, accumulated as scheduled": {
        "fused": True,
        "make_model": Same,
        "callbacks": lambda: [GradientAccumulationScheduler({0: 1, 1: 3})],
    },
    "not to be fused": {"fused": True, "make_model": lambda: Model(weight_decay=0.01)},
    "fused": {"fused": True, "make_model": lambda: Same(weight_decay=0.01)},
    "fused, scheduled": {"fused": True, "make_model": lambda: Same(schedule={"interval": "step"}, weight_decay=0.01)},
    "fused, logs": {"fused": True, "make_model": lambda: Same(logs=[("a", {"on_epoch": True, "on_step": True})])},
    "fused, patience": {
        "fused": True,
        "make_model": Same,
        "callbacks": lambda: [GeometricPatience(13, 1.1)],
        "max_epochs": 9,
    },
}


@pytest.mark.parametrize("size", [2, 4, 50])
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_chunks_leave_what_lightning_leaves(options, size):
    options = {"make_model": Model} | options
    # fused updates are not Lightning's own, so there the same with one minibatch a step
    stock, _, _ = fit(1 if "fused" in options else None, **options)
    chunked, _, loop = fit(size, **options)
    assert len(stock) > 2
    assert loop.size == size  # chunks were not disabled
    assert_same(stock, chunked)


@pytest.mark.parametrize(("every", "window"), [(5, 1), (2, 3)])
@pytest.mark.parametrize(("module", "fused"), [(Model, False), (Same, True)])
def test_what_a_step_logs_is_written_at_the_same_steps(module, fused, every, window, tmp_path):
    """The row of every fifth update; with chunks too it is of that very minibatch."""

    def make_model():
        return module(logs=[("loss", {"on_step": True}), ("mean", {"on_epoch": True})])

    texts = []
    options = {"fused": fused, "log_every_n_steps": every, "accumulate_grad_batches": window}
    for name, size in (("one by one", 1), ("chunked", 50)):
        fit(size, make_model, logger=lambda name=name: CSVLogger(tmp_path, name, ""), **options)
        texts.append((tmp_path / name / "metrics.csv").read_text())
    assert texts[0] == texts[1]
    assert texts[0].count("\n") > 3 * (22 // window // every)


@pytest.mark.parametrize(
    ("module", "fused", "logger"),
    [(Model, False, False), (Same, True, False), (Same, True, True)],
    ids=["chunked", "fused", "fused, with a logger that a step has nothing for"],
)
def test_most_minibatches_do_not_go_through_lightning(module, fused, logger, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "MAX_CHUNK_SECONDS", float("inf"))  # a busy machine is no reason
    seen = []
    make_logger = (lambda: CSVLogger(tmp_path)) if logger else None

    class Seeing(pl.Callback):
        def on_train_batch_end(self, *arguments):
            seen.append(1)

        def next_update(self):
            return float("inf")

    options = {"logger": make_logger, "fused": fused, "log_every_n_steps": 5, "max_epochs": 3}
    fit(50, module, callbacks=lambda: [Seeing()], **options)
    assert len(seen) == 4  # the first, and the last of each epoch


class HookOfTheModule(Model):
    def on_after_backward(self):
        pass


class ByHand(Model):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        self.manual_backward(super().training_step(batch, batch_idx))
        self.optimizers().step()


class TakesIterator(Model):
    def training_step(self, dataloader_iter):
        batch, index, _ = next(dataloader_iter)
        return super().training_step(batch, index)


class Looking(pl.Callback):
    def on_before_zero_grad(self, *arguments):
        pass


class Stream(Data):
    def train_dataloader(self):
        class Rows(IterableDataset):
            def __iter__(this):  # noqa: N805
                return iter(zip(*self.split, strict=True))

        return DataLoader(Rows(), BATCH)


class NeedsLoss(torch.optim.SGD):
    def step(self, closure):
        return super().step(closure)


def halve_gradients(optimizer, *_):
    """Before the step: in Lightning these are the gradients of the update before."""
    for parameter in optimizer.param_groups[0]["params"]:
        if parameter.grad is not None:
            parameter.grad.mul_(0.5)


def register_every_optimizers_hook(optimizer, hook):
    return register_optimizer_step_pre_hook(hook)


class HalvesGradients(torch.optim.SGD):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.register_step_pre_hook(halve_gradients)


ONE_BY_ONE = {
    "a hook of the module": ({"make_model": HookOfTheModule}, "HookOfTheModule overrides on_after_backward"),
    "a hook of a callback": ({"callbacks": lambda: [Looking()]}, "Looking overrides on_before_zero_grad"),
    "a callback of Lightning's": (
        {"callbacks": lambda: [LearningRateMonitor()], "logger": True},
        "LearningRateMonitor",
    ),
    "checkpoints of Lightning's": (
        {"callbacks": lambda: [ModelCheckpoint()], "enable_checkpointing": True},
        "ModelCheckpoint overrides",
    ),
    "optimization by hand": ({"make_model": ByHand}, "optimizes by hand"),
    "an iterator for training_step": ({"make_model": TakesIterator}, "takes the iterator"),
    "an optimizer that calls": ({"make_model": lambda: Model(optimizer=NeedsLoss)}, "evaluates the loss itself"),
    "a hook before the step": ({"make_model": lambda: Model(optimizer=HalvesGradients)}, "hooks that precede its step"),
    "data without a length": ({"data": Stream()}, "the training data has no length"),
    "a profiler": ({"profiler": "simple"}, "a profiler is on"),
    "the user": ({}, None),
}


@pytest.mark.parametrize(("options", "why"), ONE_BY_ONE.values(), ids=ONE_BY_ONE)
def test_what_needs_every_minibatch_gets_every_minibatch(options, why, tmp_path, caplog):
    if options.pop("logger", None):
        options["logger"] = lambda: CSVLogger(tmp_path)
    options = {"make_model": Model, "default_root_dir": tmp_path} | options
    with caplog.at_level("INFO"):
        chunked, _, loop = fit(50 if why else 1, **options)
    assert loop.size == 1
    assert (loop.reason_chunks_disabled is None) if why is None else (why in loop.reason_chunks_disabled)
    assert (loop.reason_chunks_disabled or "") in caplog.text
    stock, _, _ = fit(None, **options)
    assert_same(stock[-1]["state_dict"], chunked[-1]["state_dict"])


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("register", [torch.optim.Optimizer.register_step_pre_hook, register_every_optimizers_hook])
def test_a_hook_that_is_registered_in_mid_run_gets_every_minibatch(register, fused):
    class Register(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                self.handle = register(trainer.optimizers[0], halve_gradients)

        def on_train_end(self, trainer, pl_module):
            self.handle.remove()

    stock, _, _ = fit(None, Model, callbacks=lambda: [Register()], fused=fused)
    chunked, _, loop = fit(50, Model, callbacks=lambda: [Register()], fused=fused)
    assert loop.reason_chunks_disabled == "the optimizer has hooks that precede its step"
    assert_same(stock[-1]["state_dict"], chunked[-1]["state_dict"])


def test_counts_are_right_where_a_minibatch_raises():
    class Raising(Model):
        def training_step(self, batch, batch_idx):
            if self.global_step == 30:
                raise KeyError("thirty")
            return super().training_step(batch, batch_idx)

    class Note(pl.Callback):
        def on_exception(self, trainer, pl_module, exception):
            loops.append(trainer.fit_loop.epoch_loop.state_dict())

    loops = []
    for size in (None, 50):
        with pytest.raises(KeyError, match="thirty"):
            fit(size, Raising, callbacks=lambda: [Note()])
    assert_same(*loops)


def test_a_chunk_ends_after_a_while(monkeypatch):
    monkeypatch.setattr(chunks, "MAX_CHUNK_SECONDS", 0.0)
    stock, _, _ = fit(None, Model)
    chunked, _, _ = fit(50, Model)
    assert_same(stock, chunked)
