"""Geometric patience against the tutorials' own loop, written out in plain Python."""

import random

import pytest
import pytorch_lightning as pl
import torch

from dlpipe.training.callbacks.checkpoints import BestAndLast
from dlpipe.training.callbacks.patience import GeometricPatience, Patience
from dlpipe.training.quiet import quiet_lightning


def tutorial_loop(curve, batches, max_epochs, patience, increase, threshold):
    """The loop of "Early-Stopping": updates validated after, the last update, best update and value."""
    best, best_update, validated = float("inf"), None, []
    frequency = min(batches, patience // 2)
    for epoch in range(max_epochs):
        for minibatch in range(batches):
            update = epoch * batches + minibatch
            if (update + 1) % frequency == 0:
                value = curve[len(validated)]
                validated.append(update)
                if value < best:
                    if value < best * threshold:
                        patience = max(patience, update * increase)
                    best, best_update = value, update
            if patience <= update:
                return validated, update, best_update, best, True
    return validated, update, best_update, best, False


class Scripted(pl.LightningModule):
    """Its validation error is the next value of a given curve; it notes after which update it was asked."""

    def __init__(self, curve):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.curve = curve
        self.validated = []

    def training_step(self, batch, batch_idx):
        return self.weight * 0.0

    def validation_step(self, batch, batch_idx):
        self.log("val/error", torch.tensor(self.curve[len(self.validated)], dtype=torch.float64), batch_size=1)
        self.validated.append(self.trainer.global_step - 1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Batches(pl.LightningDataModule):
    def __init__(self, count):
        super().__init__()
        self.count = count

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.zeros(self.count, 1))

    def val_dataloader(self):
        return torch.utils.data.DataLoader(torch.zeros(1, 1))


def random_case(seed):
    random_ = random.Random(seed)
    batches = random_.randint(1, 12)
    max_epochs = random_.randint(1, 12)
    patience = random_.randint(2, 60)
    level, curve = 1.0, []
    for _ in range(batches * max_epochs + 1):
        level *= random_.choice([0.7, 0.99, 0.996, 0.9949, 1.0, 1.01])
        curve.append(level)
    return curve, batches, max_epochs, patience, random_.choice([1, 1.5, 2, 3]), random_.choice([0.995, 0.9, 1.0])


CASES = [random_case(seed) for seed in range(60)]


def fit(case, tmp_path, *callbacks, **trainer_options):
    curve, batches, max_epochs, patience, increase, threshold = case
    module = Scripted(curve)
    stopper = GeometricPatience(patience, increase, threshold)
    checkpoints = BestAndLast(str(tmp_path))
    with quiet_lightning():
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=max_epochs,
            callbacks=[*callbacks, stopper, checkpoints],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            **trainer_options,
        )
        trainer.fit(module, datamodule=Batches(batches))
    return trainer, module, stopper, checkpoints


def test_cases_stop_early_in_mid_epoch_and_at_the_cap():
    ends = [tutorial_loop(*case) for case in CASES]
    assert any(stopped and (update + 1) % case[1] for (_, update, _, _, stopped), case in zip(ends, CASES, strict=True))
    assert any(stopped for *_, stopped in ends)
    assert any(not stopped for *_, stopped in ends)
    assert any(case[3] // 2 < case[1] for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_lightning_with_patience_does_what_the_tutorials_loop_does(case, tmp_path):
    validated, last, best_update, best, stopped = tutorial_loop(*case)
    trainer, module, stopper, checkpoints = fit(case, tmp_path)
    assert trainer.global_step - 1 == last
    assert stopper.stopped == stopped
    assert module.validated == validated
    assert trainer.limit_val_batches == 1.0
    if best_update is not None:
        assert (checkpoints.best["update"] - 1, checkpoints.best["value"]) == (best_update, best)


def test_a_stop_in_mid_epoch_validates_nothing_more(tmp_path):
    # validated after updates 4 and 9; patience 10 ends at update 10, where the curve would be far better
    case = ([0.5, 0.6, 0.1, 0.1], 5, 10, 10, 2, 0.995)
    _, module, stopper, checkpoints = fit(case, tmp_path)
    assert module.validated == [4, 9]
    assert stopper.state.best == 0.5
    assert checkpoints.best == {"metric": "val/error", "value": 0.5, "update": 5, "epoch": 1, "mode": "min"}


def test_an_improvement_at_the_very_update_where_patience_ends_keeps_training(tmp_path):
    # validated after updates 4, 9 and 14; patience 14 would end there, but the third value is far better
    case = ([0.5, 0.6, 0.1, 0.2, 0.2, 0.2], 5, 10, 14, 2, 0.995)
    assert tutorial_loop(*case)[1] == 28
    assert fit(case, tmp_path)[0].global_step - 1 == 28


def test_a_stop_at_the_end_of_an_epoch_validates_nothing_more_either(tmp_path):
    # 12 minibatches, validated after every 5; patience 11 ends with the epoch, at update 11
    case = ([0.5, 0.6, 0.1, 0.1], 12, 3, 11, 1, 0.995)
    _, module, stopper, checkpoints = fit(case, tmp_path)
    assert tutorial_loop(*case)[:2] == ([4, 9], 11)
    assert module.validated == [4, 9]
    assert (stopper.state.best, checkpoints.best["update"]) == (0.5, 5)


@pytest.mark.parametrize("epochs", [2, 3])
def test_an_explicit_interval_in_epochs_is_kept(epochs, tmp_path):
    _, module, _, _ = fit(([0.5] * 10, 4, 6, 100, 2, 0.995), tmp_path, check_val_every_n_epoch=epochs)
    assert module.validated == [4 * epoch - 1 for epoch in range(epochs, 7, epochs)]


class StopAt(pl.Callback):
    """Somebody else's early stop, such as a timer's."""

    def __init__(self, update):
        self.update = update

    def on_train_batch_end(self, trainer, *arguments):
        trainer.should_stop = trainer.should_stop or trainer.global_step - 1 == self.update


def test_the_extra_validation_of_somebody_elses_stop_changes_neither_best_nor_patience(tmp_path):
    case = ([0.5, 0.6, 0.1, 0.1], 5, 10, 50, 2, 0.995)
    _, module, stopper, checkpoints = fit(case, tmp_path, StopAt(11))
    assert module.validated == [4, 9, 11]  # Lightning's doing
    assert stopper.state.best == 0.5
    assert checkpoints.best == {"metric": "val/error", "value": 0.5, "update": 5, "epoch": 1, "mode": "min"}


def test_published_stops_without_improvement():
    """Acceptance check 2 of the tutorials: the first update i with patience <= i, counted from 0."""
    for patience in (5000, 10000, 20000, 500000):
        state = Patience(patience, 2, 0.995, "min", float("inf"))
        state.validated(1, 0.5)
        assert not state.is_exhausted(patience - 1)
        assert state.is_exhausted(patience)


def test_published_logistic_regression_doubles_at_update_3070_and_ends_at_6140():
    state = Patience(5000, 2, 0.995, "min", float("inf"))
    state.validated(82, 0.12)
    state.validated(3070, 0.08)
    state.validated(6058, 0.0799)  # an improvement, but not by 0.5 per cent
    assert (state.patience, state.best) == (6140, 0.0799)


def test_more_is_better_in_mode_max():
    state = Patience(10, 2, 0.995, "max", float("-inf"))
    for update, value in [(10, 0.5), (20, 0.501), (30, 0.6)]:
        state.validated(update, value)
    assert (state.patience, state.best) == (60, 0.6)


def test_nan_is_never_an_improvement():
    state = Patience(10, 2, 0.995, "min", 0.5)
    state.validated(30, float("nan"))
    assert (state.patience, state.best) == (10, 0.5)


def test_without_patience_nothing_stops_and_validation_is_once_an_epoch(tmp_path):
    _, module, stopper, _ = fit(([0.5] * 10, 4, 3, None, 2, 0.995), tmp_path)
    assert module.validated == [3, 7, 11]
    assert not stopper.stopped


def test_an_explicit_validation_interval_is_kept(tmp_path):
    _, module, _, _ = fit(([0.5] * 10, 4, 2, 100, 2, 0.995), tmp_path, val_check_interval=2)
    assert module.validated == [1, 3, 5, 7]


def test_patience_counts_updates_not_minibatches_when_gradients_are_accumulated(tmp_path):
    trainer, module, _, _ = fit(([0.5] * 50, 6, 10, 8, 1, 0.995), tmp_path, accumulate_grad_batches=2)
    # 3 updates an epoch, validated after each third; the first update i with 8 <= i
    assert trainer.global_step - 1 == 8
    assert module.validated[:2] == [2, 5]


def test_state_survives_a_round_trip():
    before = GeometricPatience(10)
    before.state.validated(9, 0.5)
    after = GeometricPatience(10)
    after.load_state_dict(before.state_dict())
    assert after.state == before.state
