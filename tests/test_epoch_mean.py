"""The mean over an epoch's minibatches."""

import pytest
import torch
from torchmetrics import MeanMetric

from dlpipe.epoch_mean import EpochMean


def test_an_epochs_mean_is_that_of_torchmetrics():
    own, theirs = EpochMean(dtype=torch.float64), MeanMetric().set_dtype(torch.float64)
    for value in torch.rand(9, dtype=torch.float64, generator=torch.Generator().manual_seed(1)):
        own.update(value)
        theirs.update(value)
    assert float(own.compute()) == pytest.approx(float(theirs.compute()), rel=1e-15)


def test_several_values_have_a_mean_each():
    mean = EpochMean(2)
    mean.update(torch.tensor([1.0, 10.0]))
    mean.update(torch.tensor([2.0, 30.0]))
    assert mean.compute().tolist() == [1.5, 20.0]


def test_a_sum_in_double_precision_keeps_what_single_precision_loses():
    mean = EpochMean(dtype=torch.float64)
    mean.update(torch.tensor(2.0**24))
    mean.update(torch.tensor(1.0))
    assert float(mean.compute()) == (2**24 + 1) / 2


def test_after_a_reset_earlier_minibatches_do_not_count():
    mean = EpochMean()
    mean.update(torch.tensor(5.0))
    mean.reset()
    assert mean.compute().isnan()
    mean.update(torch.tensor(7.0))
    assert float(mean.compute()) == 7


def test_no_gradient_is_kept_of_a_value():
    mean, value = EpochMean(), torch.ones((), requires_grad=True)
    mean.update(2 * value)
    assert not mean.compute().requires_grad


def test_a_state_dict_has_the_epoch_so_far():
    before, after = EpochMean(), EpochMean()
    before.update(torch.tensor(4.0))
    after.load_state_dict(before.state_dict())
    after.update(torch.tensor(6.0))
    assert float(after.compute()) == 5
