"""The order of the examples, and minibatches."""

import itertools

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlpipe.data import EpochSampler, Split, TensorMinibatches
from dlpipe.training.quiet import quiet_lightning


def permutation(seed, epoch, num_examples=50):
    order = EpochSampler(num_examples, seed, shuffle=True)
    order.set_epoch(epoch)
    return order.permutation()


def numbered(num_examples):
    """Examples whose feature and label are both the row number."""
    rows = torch.arange(num_examples)
    return Split(rows[:, None].float(), rows)


def epoch_of(num_examples, batch_size, shuffle=True, drop_last=False, epoch=0):
    order = EpochSampler(num_examples, seed=1234, shuffle=shuffle)
    order.set_epoch(epoch)
    return TensorMinibatches(numbered(num_examples), batch_size, order, drop_last)


SIZES = {"num_examples": st.integers(1, 120), "batch_size": st.integers(1, 40)}


def test_order_is_a_function_of_seed_and_epoch_alone():
    asked_often = EpochSampler(50, seed=7, shuffle=True)
    for epoch in (0, 1, 1, 9, 2):
        asked_often.set_epoch(epoch)
        asked_often.permutation()
        torch.rand(3)
    asked_often.set_epoch(3)
    assert torch.equal(asked_often.permutation(), permutation(7, 3))


def test_asking_for_the_order_leaves_the_global_random_state_alone():
    state = torch.get_rng_state()
    permutation(7, 3)
    assert torch.equal(torch.get_rng_state(), state)


def test_every_seed_and_epoch_has_its_own_order():
    pairs = list(itertools.product((0, 1, 2, 1234, 2**31, 2**32 - 1), range(20)))
    orders = {tuple(permutation(*pair).tolist()) for pair in pairs}
    assert len(orders) == len(pairs)


@given(st.integers(0, 2**32 - 1), st.integers(0, 1000), st.integers(1, 1000))
def test_no_seed_repeats_the_epochs_of_another_seed_later(seed, epoch, later):
    # the seed that a generator which reads 32 bits of seed * golden + epoch would confuse with this one
    golden = 0x7F4A7C15
    confused = (seed - later * pow(golden, -1, 2**32)) % 2**32
    assert not torch.equal(permutation(seed, epoch), permutation(confused, epoch + later))


def test_orders_of_few_examples_are_equally_likely():
    counts = torch.zeros(6)
    for epoch in range(6000):
        first, second, _ = permutation(0, epoch, num_examples=3).tolist()
        counts[2 * first + (second > 3 - first - second)] += 1
    # each of the six orders is binomial(6000, 1/6): five standard errors
    assert (counts - 1000).abs().max() < 5 * (6000 * 1 / 6 * 5 / 6) ** 0.5


def test_without_shuffling_every_epoch_has_the_original_order():
    for epoch in (0, 5):
        batches = epoch_of(25, 10, shuffle=False, epoch=epoch)
        assert [batch.y.tolist() for batch in batches] == [
            list(range(10)),
            list(range(10, 20)),
            list(range(20, 25)),
        ]


@given(**SIZES)
def test_a_shuffled_epoch_visits_every_example_once(num_examples, batch_size):
    rows = torch.cat([batch.y for batch in epoch_of(num_examples, batch_size)])
    assert sorted(rows.tolist()) == list(range(num_examples))


def test_a_shuffled_epoch_is_not_the_original_order():
    rows = torch.cat([batch.y for batch in epoch_of(50, 10)])
    assert rows.tolist() != list(range(50))


@pytest.mark.parametrize("shuffle", [False, True])
def test_labels_stay_with_their_examples(shuffle):
    for x, y in epoch_of(25, 10, shuffle=shuffle):
        assert x[:, 0].tolist() == y.tolist()


@given(**SIZES)
def test_drop_last_yields_full_minibatches_only(num_examples, batch_size):
    sizes = {len(batch.y) for batch in epoch_of(num_examples, batch_size, drop_last=True)}
    assert sizes <= {batch_size}


@given(**SIZES, drop_last=st.booleans())
def test_length_is_the_number_of_minibatches(num_examples, batch_size, drop_last):
    batches = epoch_of(num_examples, batch_size, drop_last=drop_last)
    assert len(batches) == len(list(batches))


@given(**SIZES, drop_last=st.booleans())
def test_num_examples_is_what_an_epoch_visits(num_examples, batch_size, drop_last):
    batches = epoch_of(num_examples, batch_size, drop_last=drop_last)
    assert batches.num_examples == sum(len(batch.y) for batch in batches)


def test_minibatches_in_the_original_order_share_memory_with_the_resident_tensors():
    batches = epoch_of(25, 10, shuffle=False)
    for index, (x, y) in enumerate(batches):
        assert x.data_ptr() == batches.split.x[10 * index].data_ptr()
        assert y.data_ptr() == batches.split.y[10 * index].data_ptr()


def test_the_first_examples_of_a_split_share_memory_with_it():
    split = numbered(5)
    assert split.first(2).x.data_ptr() == split.x.data_ptr()


class Recorder(pl.LightningModule):
    """Records the labels it is trained on."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.automatic_optimization = False
        self.seen = {}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)

    def training_step(self, batch, batch_idx):
        self.seen.setdefault(self.current_epoch, []).extend(batch[1].tolist())


def test_lightning_trains_each_epoch_in_its_own_order(tmp_path):
    recorder = Recorder()
    with quiet_lightning():
        trainer = pl.Trainer(
            max_epochs=3,
            accelerator="cpu",
            default_root_dir=tmp_path,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(recorder, epoch_of(50, 10))
    assert recorder.seen == {epoch: permutation(1234, epoch).tolist() for epoch in range(3)}
