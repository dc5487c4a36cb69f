"""A run killed at any safe point and resumed, of modules that a stranger might write: the same bits and logs."""

import contextlib
import csv
import random
import signal
import warnings

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning import callbacks
from pytorch_lightning.accelerators import CPUAccelerator
from torch.utils.data import DataLoader, RandomSampler, TensorDataset
from torchmetrics import MeanMetric

from dlpipe.data import EpochSampler, Split, TensorMinibatches
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.training.callbacks.checkpoints import AtomicCheckpointIO, BestAndLast
from dlpipe.training.callbacks.console_reporter import ConsoleReporter
from dlpipe.training.callbacks.graceful_stop import GracefulStop, StoppedBySignal
from dlpipe.training.callbacks.patience import GeometricPatience
from dlpipe.training.callbacks.train_loss import EpochMeanLoss
from dlpipe.training.loggers.csv import MetricsCsv
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.resume import loops
from dlpipe.training.resume.loops import add_safe_points
from dlpipe.training.resume.run_state import RunState
from dlpipe.training.speed import shapes
from dlpipe.training.speed.chunks import take_chunks
from dlpipe.training.speed.updates import FusedUpdates

EXAMPLES, BATCH, EPOCHS = 43, 4, 4  # 11 minibatches, the last of 3


class Data(pl.LightningDataModule):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        x = torch.randn(EXAMPLES, 6, generator=generator)
        self.split = Split(x, (x[:, 0] * x[:, 1] > 0).long())

    def train_dataloader(self):
        return TensorMinibatches(self.split, BATCH, EpochSampler(EXAMPLES, 5, True))

    def val_dataloader(self):
        return TensorMinibatches(self.split, 20, EpochSampler(EXAMPLES, 5, False))


class Unshuffled(Data):
    def train_dataloader(self):
        return TensorMinibatches(self.split, BATCH, EpochSampler(EXAMPLES, 5, False))


class Loader(Data):
    def train_dataloader(self):
        return DataLoader(TensorDataset(*self.split), BATCH, shuffle=True)


class OwnGenerator(Data):
    def train_dataloader(self):
        sampler = RandomSampler(self.split.x, generator=torch.Generator().manual_seed(8))
        return DataLoader(TensorDataset(*self.split), BATCH, sampler=sampler)


class Stateful(Data):
    """Its loader saves its own position, as torchdata's do."""

    def train_dataloader(self):
        class Place(TensorMinibatches):
            def state_dict(self):
                return {"epoch": self.sampler.epoch, "yielded": self.yielded}

            def load_state_dict(self, state):
                self.sampler.epoch, self.skip = state["epoch"], state["yielded"] % len(self)

            def __iter__(self):
                self.yielded = self.skip
                for batch in super().__iter__():
                    self.yielded += 1
                    yield batch

        return Place(self.split, BATCH, EpochSampler(EXAMPLES, 5, True))


class EverNewShapes(Data):
    """Of which only some are worth tracing."""

    def train_dataloader(self):
        class Cut(TensorMinibatches):
            def __iter__(self):
                first = self.skip
                for index, (x, y) in enumerate(super().__iter__(), start=first):
                    yield Split(x[: 1 + index % 4], y[: 1 + index % 4])

        return Cut(self.split, BATCH, EpochSampler(EXAMPLES, 5, True))


class Module(pl.LightningModule):
    """Dropout, a metric a step, an epoch's mean, a validation that draws."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 2))

    def loss(self, batch):
        return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def training_step(self, batch, batch_idx):
        return self.loss(batch)

    def validation_step(self, batch, batch_idx):
        noisy = self.net(batch[0] + 0.1 * torch.randn_like(batch[0]))
        self.log("val/error", (noisy.argmax(1) != batch[1]).double().mean(), batch_size=len(batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, weight_decay=1e-4)


class Classifier(Module):
    """Whose improvements McNemar's test can judge."""

    def predict_step(self, batch, batch_idx):
        return self.net(batch[0]).softmax(1)


class Adam(Module):
    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=100)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


class Plateau(Module):
    """Whose rate follows a metric of the epoch before."""

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val/error"}}


class PlateauInMidEpoch(Module):
    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.9)
        watch = {"scheduler": schedule, "monitor": "val/error", "interval": "step", "frequency": 3, "strict": False}
        return {"optimizer": optimizer, "lr_scheduler": watch}


class Logs(Module):
    """Means, sums and extremes of an epoch, in a step, at its start, and by torchmetrics."""

    def __init__(self):
        super().__init__()
        self.mean = MeanMetric()

    def on_train_epoch_start(self):
        self.log("begun", torch.rand(()))

    def training_step(self, batch, batch_idx):
        loss = self.loss(batch)
        self.log("mean", loss, on_step=True, on_epoch=True)
        self.log("sum", loss, on_step=False, on_epoch=True, reduce_fx="sum")
        self.log("most", loss, on_step=False, on_epoch=True, reduce_fx="max")
        self.mean(loss)
        self.log("metric", self.mean, on_step=False, on_epoch=True)
        return loss


class LogsValidationBatches(Module):
    """Under steps that count the batches of all validations."""

    def validation_step(self, batch, batch_idx):
        self.log("val/error", self.loss(batch), on_step=True, on_epoch=True, batch_size=len(batch[1]))


class DrawsFromEveryGenerator(Module):
    """From every generator there is, its own included."""

    def __init__(self):
        super().__init__()
        self.torch = torch.Generator().manual_seed(4)
        self.numpy = np.random.default_rng(4)
        self.philox = np.random.Generator(np.random.Philox(4))
        self.python = random.Random(4)

    def training_step(self, batch, batch_idx):
        noise = torch.rand((), generator=self.torch) + self.numpy.normal() + self.philox.normal() + self.python.random()
        return self.loss(batch) * (1 + noise + random.random() + np.random.rand() + torch.rand(()))


class EveryMinibatch(Module):
    """Counts what Lightning calls it for."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(3, dtype=torch.long))

    def on_train_epoch_start(self):
        self.seen[0] += 1

    def on_train_batch_end(self, *arguments):
        self.seen[1] += 1

    def on_train_epoch_end(self):
        self.seen[2] += 1


class Backbone(Module):
    def __init__(self):
        super().__init__()
        self.backbone = self.net[0]

    def configure_optimizers(self):
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return torch.optim.SGD(trained, lr=0.1)


class ByHand(Module):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.loss(batch))
        optimizer.step()


CASES = {
    "chunks": {},
    "one by one": {"chunk": 1},
    "fused, of float64": {"chunk": 5, "fused": True},
    "some of it fused": {"make_data": EverNewShapes, "fused": True},
    "unshuffled": {"make_data": Unshuffled},
    "a DataLoader": {"make_data": Loader},
    "a DataLoader, one by one": {"make_data": Loader, "chunk": 1},
    "a generator of the sampler": {"make_data": OwnGenerator},
    "a stateful loader": {"make_data": Stateful},
    "momenta and a schedule": {"make_module": Adam},
    "a plateau": {"make_module": Plateau},
    "a plateau in mid-epoch": {"make_module": PlateauInMidEpoch, "val_check_interval": 4},
    "what is logged": {"make_module": Logs, "log_every_n_steps": 3},
    "what is logged for each batch of validation": {"make_module": LogsValidationBatches},
    "generators": {"make_module": DrawsFromEveryGenerator},
    "hooks": {"make_module": EveryMinibatch},
    "by hand": {"make_module": ByHand},
    "validation in mid-epoch": {"val_check_interval": 4},
    "validation across epochs": {"val_check_interval": 7, "check_val_every_n_epoch": None},
    "validation now and then": {"check_val_every_n_epoch": 2},
    "accumulation": {"accumulate_grad_batches": 3},
    "patience": {"patience": 17},
    "patience for significant improvements": {"make_module": Classifier, "patience": 14, "significance": 0.01},
    "no validation": {"limit_val_batches": 0},
    "so many steps": {"max_steps": 27},
    "early stopping": {"own": lambda: [callbacks.EarlyStopping("val/error", patience=0, mode="max")]},
    "an exponential average of weights": {"own": lambda: [callbacks.EMAWeightAveraging(decay=0.8)], "fused": True},
    "an average of weights": {"own": lambda: [callbacks.WeightAveraging()]},
    "a schedule of accumulation": {"own": lambda: [callbacks.GradientAccumulationScheduler({1: 3, 3: 2})]},
    "a schedule of accumulation, fused": {
        "own": lambda: [callbacks.GradientAccumulationScheduler({1: 3, 3: 2})],
        "fused": True,
    },
    "learning rates": {"own": lambda: [callbacks.LearningRateMonitor("step")], "make_module": Adam},
    "a timer": {"own": lambda: [callbacks.Timer("00:01:00:00")]},
    "Lightning's checkpoints": {
        "own": lambda: [callbacks.ModelCheckpoint(monitor="val/error", save_top_k=2, every_n_train_steps=3)]
    },
    "a frozen backbone": {"own": lambda: [callbacks.BackboneFinetuning(1, verbose=False)], "make_module": Backbone},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No power is cut here: files need not reach the disk; and few traces are enough for a short run."""
    monkeypatch.setattr(shapes, "FREE_TRACES", 2)
    monkeypatch.setattr("os.fsync", lambda file: None)


class KilledError(BaseException):
    """In place of a signal that nothing can catch."""


def fit(
    folder,
    checkpoint=None,
    make_module=Module,
    make_data=Data,
    chunk=4,
    fused=False,
    patience=None,
    significance=None,
    own=None,
    **options,
):
    """A run, or a resumed one; gives its module, its checkpoints and the text of its metrics.csv."""
    torch.manual_seed(1)  # random numbers used before make no difference
    if checkpoint:
        torch.rand(17)
    defaults = {"max_epochs": EPOCHS, "num_sanity_val_steps": 0, "accelerator": "cpu", "log_every_n_steps": 50}
    checkpoints = BestAndLast(str(folder), every_n_updates=1)
    usual = [
        EpochMeanLoss(),
        GeometricPatience(patience, significance=significance),
        ConsoleReporter(),
        checkpoints,
        RunState({"model": {"name": "logreg"}, "trainer": {}, "callbacks": {}, "logger": {"csv": {}}}),
        *(own() if own else []),
    ]
    trainer = pl.Trainer(
        callbacks=usual + ([FusedUpdates()] if fused else []),
        logger=[MetricsCsv(str(folder / "metrics.csv"))],
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
        **defaults | options,
    )
    add_safe_points(trainer)
    take_chunks(trainer, chunk, seed=1234)
    torch.manual_seed(2)
    module = make_module()
    if fused:
        module.double()
    data = make_data()
    if fused:
        data.split = Split(data.split.x.double(), data.split.y)
    with quiet_lightning(), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*does not have many workers|.*smaller than the logging|.*num_workers"
        )
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*|.*ReduceLROnPlateau conditioned on metric")
        with contextlib.suppress(KilledError):
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    record = folder / "metrics.csv"
    return module, checkpoints, record.read_text() if record.exists() else ""


def test_of_ever_new_shapes_few_are_traced(tmp_path, monkeypatch):
    """Or the case above would not be what its name says."""
    counted = []
    monkeypatch.setattr(
        FusedUpdates, "on_train_end", lambda self, *_: counted.append((self.updates, self.budget.traces))
    )
    fit(tmp_path, make_data=EverNewShapes, fused=True)
    assert counted == [(24, 2)]


def killed_after(monkeypatch, count):
    """Kill the process after so many safe points."""
    left = [count]
    real = loops.safe_point

    def killing(trainer):
        real(trainer)
        left[0] -= 1
        if left[0] == 0:
            raise KilledError

    monkeypatch.setattr(loops, "safe_point", killing)


def position(trainer):
    """Updates, and minibatches of an epoch that is not over."""
    loop = trainer.fit_loop.epoch_loop
    done = loop.batch_progress.current.ready
    return trainer.global_step, 0 if loop._num_ready_batches_reached() else done


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_a_run_killed_at_any_safe_point_and_resumed_ends_in_the_same_bits(options, tmp_path, monkeypatch):
    safe_points = []
    with monkeypatch.context() as counted:
        real = loops.safe_point
        counted.setattr(loops, "safe_point", lambda trainer: (safe_points.append(position(trainer)), real(trainer)))
        whole, best, record = fit(tmp_path / "whole", **options)
    assert len(safe_points) > 5
    ends = [count for count, (_, done) in enumerate(safe_points, start=1) if not done]  # of epochs
    for count in {ends[0], ends[-1] - 1, random.Random(1).randrange(1, len(safe_points) + 1)}:
        folder = tmp_path / f"killed after {count}"
        with monkeypatch.context() as killing:
            killed_after(killing, count)
            fit(folder, **options)
        module, found, text = fit(folder, folder / "last.ckpt", **options)
        message = f"killed after safe point {count} of {len(safe_points)}, update {safe_points[count - 1][0]}"
        assert text == record, message
        assert found.best == best.best, message
        for name, tensor in whole.state_dict().items():
            assert torch.equal(module.state_dict()[name], tensor), f"{message}: {name}"


class Unrolled(Module):
    """As many operations as examples."""

    def loss(self, batch):
        return sum(super(Unrolled, self).loss((x[None], y[None])) for x, y in zip(*batch, strict=True))


@pytest.mark.parametrize(
    ("make_module", "limits", "counts"),
    [
        # the shapes in turn: the first has a trace of its own, and one of variable sizes is for the others
        (Module, {"OF_FIXED_SIZES": 1, "FREE_TRACES": 2}, (44, 2)),
        # two shapes are traced at once, and the others when they are seen for the fourth time
        (Unrolled, {"OF_FIXED_SIZES": 9, "SEEN_BEFORE_TRACE": 4, "UPDATES_PER_TRACE": 1}, (38, 4)),
    ],
)
def test_a_resumed_run_traces_the_shapes_that_a_whole_one_does(make_module, limits, counts, tmp_path, monkeypatch):
    for name, value in limits.items():
        monkeypatch.setattr(shapes, name, value)
    options = {"make_module": make_module, "make_data": EverNewShapes, "fused": True}
    counted = []
    with monkeypatch.context() as counting:
        counting.setattr(
            FusedUpdates, "on_train_end", lambda self, *_: counted.append((self.updates, self.budget.traces))
        )
        fit(tmp_path / "counted", **options)
    assert counted == [counts]
    test_a_run_killed_at_any_safe_point_and_resumed_ends_in_the_same_bits(options, tmp_path, monkeypatch)


def columns(record, names):
    """These columns of a metrics.csv."""
    return [[row[name] for name in names] for row in csv.DictReader(record.splitlines())]


class WithFlops(Module):
    flops_per_batch = 1


@pytest.mark.parametrize(
    ("own", "measured"),
    [
        (lambda: [callbacks.ThroughputMonitor(len)], "train/time"),
        (lambda: [callbacks.DeviceStatsMonitor()], "DeviceStatsMonitor.on_train_batch_end/cpu_percent"),
    ],
)
def test_a_run_that_measures_itself_resumes_to_the_same_bits_in_all_but_the_measurements(
    own, measured, tmp_path, monkeypatch
):
    monkeypatch.setattr("pytorch_lightning.accelerators.cpu._PSUTIL_AVAILABLE", True)
    monkeypatch.setattr("pytorch_lightning.callbacks.device_stats_monitor._PSUTIL_AVAILABLE", True, raising=False)
    monkeypatch.setattr(CPUAccelerator, "get_device_stats", lambda *_: {"cpu_percent": random.SystemRandom().random()})
    options = {"own": own, "make_module": WithFlops, "log_every_n_steps": 3}
    whole, best, record = fit(tmp_path / "whole", **options)
    assert any(value for (value,) in columns(record, [measured]))
    with monkeypatch.context() as killing:
        killed_after(killing, 19)
        fit(tmp_path / "killed", **options)
    module, found, text = fit(tmp_path / "killed", tmp_path / "killed" / "last.ckpt", **options)
    names = ("step", "epoch", "train/loss", "val/error")
    assert columns(text, names) == columns(record, names)
    assert found.best == best.best
    for name, tensor in whole.state_dict().items():
        assert torch.equal(module.state_dict()[name], tensor)


def test_lightnings_spike_detection_cannot_be_resumed(tmp_path, monkeypatch):
    """So the checks refuse it, until Lightning reads the state that it writes."""
    options = {"own": lambda: [callbacks.SpikeDetection(warmup=1000)]}
    with monkeypatch.context() as killing:
        killed_after(killing, 19)
        fit(tmp_path, **options)
    with pytest.raises(AttributeError, match="'SpikeDetection' object has no attribute 'running'"):
        fit(tmp_path, tmp_path / "last.ckpt", **options)


def test_training_that_is_done_is_not_resumed(tmp_path):
    whole, _, record = fit(tmp_path, patience=17)
    module, _, text = fit(tmp_path, tmp_path / "last.ckpt", patience=17)
    assert text == record
    for name, tensor in whole.state_dict().items():
        assert torch.equal(module.state_dict()[name], tensor)


class SignalAt(pl.Callback):
    """Sends SIGTERM during a minibatch of the second epoch."""

    def __init__(self, minibatch):
        self.minibatch = minibatch

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (1, self.minibatch):
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(("minibatch", "updates"), [(3, 6), (4, 6), (5, 6), (9, 8)])
def test_a_run_stopped_by_a_signal_in_an_accumulation_makes_the_update_and_resumes_to_the_same_bits(
    minibatch, updates, tmp_path
):
    """An epoch has the updates after minibatches 2, 5, 8 and 10, counted from 0."""
    options = {"accumulate_grad_batches": 3}
    whole, _, record = fit(tmp_path / "whole", **options)
    folder = tmp_path / "stopped"
    with pytest.raises(StoppedBySignal):
        fit(folder, own=lambda: [SignalAt(minibatch), GracefulStop()], **options)
    assert read_checkpoint(folder / "last.ckpt")["global_step"] == updates
    module, _, text = fit(folder, folder / "last.ckpt", **options)
    assert text == record
    for name, tensor in whole.state_dict().items():
        assert torch.equal(module.state_dict()[name], tensor)
