"""How ranks divide a minibatch: every example once, and a mean of gradients that is the gradient of the mean."""

import logging
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from dlpipe.data import EpochSampler, Split, TensorMinibatches
from dlpipe.data.minibatches import Shard
from dlpipe.training.distributed.rank_info import RankInfo
from dlpipe.training.distributed.sharding import UnevenShardLossScaling, UnshardedLoader, shard_training_data


def loaders(num_examples, world_size, batch_size=3, shuffle=False, drop_last=False):
    x = torch.randn(num_examples, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(num_examples))
    split = Split(x, torch.arange(num_examples))
    return [
        TensorMinibatches(split, batch_size, EpochSampler(num_examples, 7, shuffle), drop_last, Shard(rank, world_size))
        for rank in range(world_size)
    ]


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
@pytest.mark.parametrize("shuffle", [False, True])
def test_the_ranks_together_see_what_one_process_with_the_common_minibatch_sees(world_size, shuffle):
    for num_examples in range(1, 40):
        (alone,) = loaders(num_examples, 1, 3 * world_size, shuffle)
        together = loaders(num_examples, world_size, 3, shuffle)
        assert {len(loader) for loader in together} == {len(alone)}
        for index, (whole, parts) in enumerate(zip(alone, zip(*together, strict=True), strict=True)):
            shares = [loader.loss_weight(index) for loader in together]
            counted = [part.y for part, share in zip(parts, shares, strict=True) if share]
            assert torch.equal(torch.cat(counted), whole.y)
            assert all(len(part.y) > 0 for part in parts)
            assert sum(shares) == pytest.approx(world_size)
            if len(whole.y) == 3 * world_size:
                assert shares == [1.0] * world_size


@pytest.mark.parametrize("world_size", [2, 3, 5])
def test_a_common_minibatch_that_is_not_full_is_dropped_as_a_whole(world_size):
    for loader in loaders(31, world_size, drop_last=True):
        assert len(loader) == 31 // (3 * world_size)
        assert [len(batch.x) for batch in loader] == [3] * len(loader)


@pytest.mark.parametrize("num_examples", [10, 11, 12, 13, 14, 15, 18])
def test_the_mean_of_the_ranks_gradients_is_the_gradient_of_the_mean_loss(num_examples):
    """As the callback weighs them and DistributedDataParallel takes their mean; exact in float64."""
    (alone,) = loaders(num_examples, 1, 9)
    together = loaders(num_examples, 3)
    for index, whole in enumerate(alone):
        weight = torch.linspace(-1, 1, 4, dtype=torch.float64).requires_grad_()
        loss(weight, whole).backward()
        gradients = []
        for loader in together:
            own = weight.detach().clone().requires_grad_()
            callback, trainer = UnevenShardLossScaling(), SimpleNamespace(train_dataloader=loader)
            callback.on_train_batch_start(trainer, None, None, index)
            value = loss(own, list(loader)[index])
            callback.on_before_backward(trainer, None, value)
            value.backward()
            gradients.append(own.grad)
        torch.testing.assert_close(torch.stack(gradients).mean(0), weight.grad, rtol=0, atol=1e-15)


def loss(weight, batch):
    return torch.nn.functional.softplus(batch.x @ weight).mean()


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(6))


@pytest.mark.parametrize("rank", [0, 1])
def test_training_data_that_cannot_be_divided_is_said_once(rank, caplog):
    data = pl.LightningDataModule()
    data.train_dataloader = lambda: DataLoader(Stream())
    shard_training_data(data, RankInfo(rank, 2, "torchrun"))
    with caplog.at_level(logging.WARNING):
        assert isinstance(data.train_dataloader(), DataLoader)
    assert ("cannot be sharded over 2 processes: each trains on all of it" in caplog.text) == (rank == 0)


@pytest.mark.parametrize("several", [list, dict, None])
def test_evaluation_loaders_are_whole_in_whatever_they_come(several):
    class Data(pl.LightningDataModule):
        def train_dataloader(self):
            return DataLoader(TensorDataset(torch.arange(6)))

        def val_dataloader(self):
            one, other = self.train_dataloader(), self.train_dataloader()
            return {list: [one, other], dict: {"a": one, "b": other}, None: one}[several]

    data = Data()
    shard_training_data(data, RankInfo(1, 2, "torchrun"))
    found = data.val_dataloader()
    leaves = list(found.values()) if several is dict else found if several is list else [found]
    assert [(type(loader), len(loader)) for loader in leaves] == [(UnshardedLoader, 6)] * len(leaves)
    assert not is_overridden("test_dataloader", data, pl.LightningDataModule)  # there is none, as before
