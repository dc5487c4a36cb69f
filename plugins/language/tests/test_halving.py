"""Halving of the learning rate: against the tutorial's loop written out, where two names are one object."""

import copy
import random
from types import SimpleNamespace

import pytest
import torch

from dlpipe import PluginError
from dlpipe_language.halving import HalveAndGoBack

EPOCHS, LEAST = 3, 0.01


def trained(weight, rate, epoch):
    """An epoch of training, such that the order of epochs and rates shows in the weight."""
    return weight * 0.9 + rate * (epoch + 1)


def tutorial(values):
    """Weight and rate after each epoch: as ``main`` has it, with lists for networks, so that copies are copies."""
    network, best, best_value, best_epoch, rate = [1.0], None, -1.0, 0, 1.0
    for epoch, value in enumerate(values):
        network[0] = trained(network[0], rate, epoch)
        if value > best_value:
            best, best_value, best_epoch = copy.deepcopy(network), value, epoch
        if abs(best_epoch - epoch) >= EPOCHS:
            rate *= 0.5
            network = best
        yield network[0], rate
        if rate < LEAST:
            return


def by_callback(values, leave_at=None):
    """The same by the callback; one that is left after an epoch is taken up by another from its state."""
    module, optimizer = torch.nn.Linear(1, 1, bias=False), None
    module.weight.data.fill_(1.0)
    module.double()
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    callback = HalveAndGoBack("val/f1", EPOCHS, LEAST)
    trainer = SimpleNamespace(
        sanity_checking=False,
        state=SimpleNamespace(fn="fit"),
        strategy=SimpleNamespace(broadcast=lambda value: value),
        optimizers=[optimizer],
        should_stop=False,
    )
    for epoch, value in enumerate(values):
        trainer.current_epoch, trainer.callback_metrics = epoch, {"val/f1": torch.tensor(value)}
        module.weight.data.fill_(trained(module.weight.item(), optimizer.param_groups[0]["lr"], epoch))
        callback.on_validation_end(trainer, module)
        yield module.weight.item(), optimizer.param_groups[0]["lr"]
        if trainer.should_stop:
            return
        if epoch == leave_at:
            state = copy.deepcopy(callback.state_dict())
            callback = HalveAndGoBack("val/f1", EPOCHS, LEAST)
            callback.load_state_dict(state)


@pytest.mark.parametrize("seed", range(30))
def test_weights_and_rates_are_the_tutorials(seed):
    draw = random.Random(seed)
    values = [round(draw.random(), 2) for _ in range(40)]
    values[draw.randrange(10, 20)] = 1.5  # a new best after a halving
    found, wanted = list(by_callback(values)), list(tutorial(values))
    assert len(found) == len(wanted)
    assert found == [(pytest.approx(weight), rate) for weight, rate in wanted]
    assert list(by_callback(values, leave_at=draw.randrange(30))) == found


def test_the_rate_is_halved_once_an_epoch_however_often_it_is_validated():
    module = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    callback = HalveAndGoBack("val/f1", 1, LEAST)
    strategy = SimpleNamespace(broadcast=lambda value: value)
    state = SimpleNamespace(fn="fit")
    trainer = SimpleNamespace(sanity_checking=False, state=state, strategy=strategy, optimizers=[optimizer])
    trainer.callback_metrics = {"val/f1": torch.tensor(0.5)}
    for epoch in (0, 0, 1, 1, 1, 2, 2):
        trainer.current_epoch = epoch
        callback.on_validation_end(trainer, module)
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_a_schedule_beside_it_is_refused():
    trainer = SimpleNamespace(lr_scheduler_configs=[SimpleNamespace(scheduler="one")])
    message = "model.halve_after=1 halves the learning rate that str sets: set model.halve_after=null or scheduler=none"
    with pytest.raises(PluginError, match=message):
        HalveAndGoBack("val/f1", 1, LEAST).on_train_start(trainer, torch.nn.Linear(1, 1))
