"""The restricted Boltzmann machine as a module: what an update does, what is logged and drawn."""

import io
import types
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from dlpipe_boltzmann.energy import free_energy, hidden_mean, visible_preactivation
from dlpipe_boltzmann.exact import log_likelihood
from dlpipe_boltzmann.pseudo_likelihood import pseudo_likelihood, stochastic_pseudo_likelihood
from dlpipe_boltzmann.rbm import RBM

LABELS = torch.zeros(4, dtype=torch.int64)


@pytest.fixture
def make(build):
    """A machine on 2 x 3 pixels; what it logs is in ``logged``."""

    def run(**options):
        model = build(RBM, 6, [1, 2, 3], num_hidden=5, **{"num_chains": 4, **options})
        model.logged = {}
        model.log = lambda name, value, **_: model.logged.update({name: float(value.detach())})
        model._trainer = types.SimpleNamespace(world_size=1)
        return model

    return run


@pytest.fixture
def batches():
    x = torch.rand(8, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return [(rows, LABELS) for rows in x]


def update(model, batch, lr=0.1):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    optimizer.zero_grad()
    loss = model.training_step(batch, 0)
    loss.backward()
    optimizer.step()
    return loss.detach()


def test_it_has_as_many_parameters_as_in_the_tutorial():
    model = RBM(784, [1, 28, 28])
    assert sum(parameter.numel() for parameter in model.parameters()) == 393_284


def test_weights_fill_the_tutorials_interval_and_the_rest_is_zero():
    torch.manual_seed(0)
    model = RBM(784, [1, 28, 28])
    assert model.W.abs().max() < 0.27344 + 5e-6
    assert model.W.min() < -0.99 * 0.27344
    assert model.W.max() > 0.99 * 0.27344
    assert not any(value.any() for value in (model.b, model.c, model.chain))
    assert model.chain.shape == (20, 500)


@pytest.mark.parametrize("persistent", [True, False])
def test_the_loss_is_a_difference_of_mean_free_energies(make, batches, persistent):
    model = make(persistent=persistent, k=2)
    torch.manual_seed(3)
    loss = model.training_step(batches[0], 0)
    assert loss.shape == ()
    gradient = torch.autograd.grad(loss - free_energy(model.machine, batches[0][0]).mean(), model.b)[0]
    # what is left of the visible bias' gradient is the mean of the chains' ends, which are binary
    ends = gradient * 4
    torch.testing.assert_close(ends, ends.round(), rtol=0, atol=1e-9)
    assert ends.min() >= 0
    assert ends.max() <= 4


def test_persistent_chains_begin_at_zero_and_go_on_binary(make, batches):
    model = make()
    assert not model.chain.any()
    seen = []
    for batch in batches:
        update(model, batch)
        assert model.chain.shape == (4, 5)
        assert set(model.chain.unique().tolist()) <= {0.0, 1.0}
        seen.append(model.chain.clone())
    assert any(not torch.equal(*pair) for pair in pairwise(seen))


def test_an_update_begins_at_the_chains_that_are_kept(make, batches):
    model = make(k=1)
    model.c.data.fill_(-1000)  # no hidden unit comes on by itself, nor through the first step
    model.b.data.fill_(-1000)
    model.W.data.fill_(1500)
    model.chain.fill_(1)
    update(model, batches[0], lr=0)
    assert model.chain.all()
    model.chain.zero_()
    update(model, batches[0], lr=0)
    assert not model.chain.any()


def test_the_monitored_bit_moves_on_by_one_every_update_and_begins_again(make, batches):
    model = make()
    bits = []
    for batch in batches:
        bits.append(int(model.bit))
        update(model, batch)
    assert bits == [0, 1, 2, 3, 4, 5, 0, 1]


def test_the_epoch_logs_the_mean_of_the_tutorials_pseudo_likelihood(make, batches):
    model = make()
    wanted = []
    for index, batch in enumerate(batches):
        x = batch[0].round()
        flipped = x.clone()
        flipped[:, index % 6] = 1 - flipped[:, index % 6]
        machine = model.machine.detach()  # before the update
        wanted.append(float((6 * F.logsigmoid(free_energy(machine, flipped) - free_energy(machine, x))).mean()))
        update(model, batch)
    model.on_train_epoch_end()
    assert model.logged == {"train/pseudo_likelihood": pytest.approx(sum(wanted) / 8, rel=1e-12)}


def test_the_next_epoch_counts_from_zero_and_goes_on_with_the_bits(make, batches):
    model = make()
    for batch in batches:
        update(model, batch)
    model.on_train_epoch_end()
    machine = model.machine.detach()
    wanted = stochastic_pseudo_likelihood(machine, batches[0][0].round(), torch.tensor([2])).mean()
    update(model, batches[0])
    model.on_train_epoch_end()
    assert model.logged == {"train/pseudo_likelihood": pytest.approx(float(wanted), rel=1e-12)}


def test_cd_logs_the_reconstruction_by_the_chain_that_trains(make, batches):
    model = make(persistent=False, k=1)
    x = batches[0][0]
    torch.manual_seed(7)
    h = torch.rand(4, 5, dtype=torch.float64).lt(hidden_mean(model.machine, x)).double()  # as the chain begins
    logits = visible_preactivation(model.machine, h)
    wanted = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
    torch.manual_seed(7)
    update(model, batches[0])
    model.on_train_epoch_end()
    assert model.logged == {"train/reconstruction": pytest.approx(float(wanted.detach()), rel=1e-12)}


def test_cd_keeps_no_chain(make):
    assert make(persistent=False).chain is None
    assert "chain" not in make(persistent=False).state_dict()


def test_a_run_depends_on_nothing_but_the_state_dict(make, batches):
    model, other = make(), make()
    for batch in batches[:3]:
        update(model, batch)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for trained in (model, other):
        torch.manual_seed(5)
        for batch in batches[3:]:
            update(trained, batch)
        trained.on_train_epoch_end()
    assert model.logged == other.logged
    assert all(
        torch.equal(*pair) for pair in zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("options", [{"k": 5}, {"k": 1, "persistent": False}], ids=["PCD", "CD"])
def test_training_raises_the_likelihood_above_what_independent_units_can_have(options):
    torch.manual_seed(1)
    model = RBM(4, [1, 2, 2], num_hidden=4, num_chains=100, **options)
    x = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]]).repeat(50, 1)
    for _ in range(600):
        update(model, (x, LABELS), lr=0.05)
    # log(1/2) at best, log(1/16) for four units that know nothing of each other
    assert -1 < log_likelihood(model.machine.detach(), x).mean() < -0.693


def test_validation_flips_bits_that_are_spread_over_the_examples(make, batches):
    model = make()
    x = batches[0][0]
    wanted = stochastic_pseudo_likelihood(model.machine.detach(), x.round(), torch.tensor([0, 1, 3, 4])).mean()
    model.validation_step(batches[0], 0)
    assert model.logged == {"val/pseudo_likelihood": pytest.approx(float(wanted), rel=1e-12)}


def test_validation_of_cd_reconstructs_by_means(make, batches):
    model = make(persistent=False)
    x = batches[0][0]
    machine = model.machine.detach()
    means = torch.sigmoid(visible_preactivation(machine, hidden_mean(machine, x)))
    wanted = (x * means.log() + (1 - x) * (1 - means).log()).sum(1).mean()
    model.validation_step(batches[0], 0)
    assert model.logged == {"val/reconstruction": pytest.approx(float(wanted), rel=1e-12)}


def test_the_test_takes_all_bits(make, batches):
    model = make()
    model.test_step(batches[0], 0)
    wanted = pseudo_likelihood(model.machine.detach(), batches[0][0].round()).mean()
    assert model.logged == {"test/pseudo_likelihood": pytest.approx(float(wanted), rel=1e-12)}


def test_forward_gives_hidden_means(make, batches):
    model = make()
    x = batches[0][0]
    torch.testing.assert_close(model(x), torch.sigmoid(x @ model.W + model.c))
