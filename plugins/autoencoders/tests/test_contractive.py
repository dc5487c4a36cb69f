"""The contractive autoencoder against the definition of its loss."""

import csv
import types

import pytest
import torch
from torch.func import jacrev, vmap

from dlpipe.testing import check_model
from dlpipe_autoencoders.contraction import squared_jacobian_norm
from dlpipe_autoencoders.contractive import ContractiveAutoencoder

TIGHT = {"rtol": 1e-12, "atol": 1e-14}


@pytest.fixture
def make(build):
    return lambda contraction: build(ContractiveAutoencoder, 12, [1, 3, 4], num_hidden=5, contraction=contraction)


def definition(model, x):
    """Cross-entropy, and the mean squared norm of the Jacobians."""
    W, b, b_prime = model.layers.weight, model.layers.hidden_bias, model.layers.visible_bias
    z = torch.sigmoid(torch.sigmoid(x @ W + b) @ W.T + b_prime)
    jacobians = vmap(jacrev(lambda example: torch.sigmoid(example @ W + b)))(x)
    cross_entropy = -(x * torch.log(z) + (1 - x) * torch.log(1 - z)).sum(1).mean()
    return cross_entropy, jacobians.square().sum((1, 2)).mean()


@pytest.mark.parametrize("contraction", [0.0, 0.1, 2.0])
def test_loss_and_gradients_are_those_of_the_definition(make, x, contraction):
    model = make(contraction)
    reconstruction, penalty = definition(model, x)
    losses = model.training_step((x, None), 0), reconstruction + contraction * penalty
    torch.testing.assert_close(*losses, **TIGHT)
    for own, wanted in zip(*(torch.autograd.grad(loss, list(model.parameters())) for loss in losses), strict=True):
        torch.testing.assert_close(own, wanted, **TIGHT)


def test_a_larger_weight_gives_codes_that_change_less(make, x):
    norms = []
    for contraction in (0.0, 1.0):
        model = make(contraction)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for _ in range(200):
            optimizer.zero_grad()
            model.training_step((x, None), 0).backward()
            optimizer.step()
        norms.append(squared_jacobian_norm(model.encode(x), model.layers.weight).item())
    assert norms[1] < norms[0] / 2


def test_an_epoch_reports_the_means_of_both_parts_and_the_next_begins_anew(make, x, monkeypatch):
    model, logged = make(0.1), []
    model._trainer = types.SimpleNamespace(world_size=1)
    monkeypatch.setattr(model, "log_dict", lambda means, **_: logged.append(means))
    for epoch in (x.split([2, 2, 3]), x.split([3, 4])):
        for minibatch in epoch:
            model.training_step((minibatch, None), 0)
        model.on_train_epoch_end()
        parts = torch.stack([torch.stack(definition(model, minibatch)) for minibatch in epoch]).detach()
        found = torch.stack([logged[-1]["train/reconstruction"], logged[-1]["train/contraction"]])
        torch.testing.assert_close(found, parts.mean(0), **TIGHT)


@pytest.mark.parametrize(("step", "name"), [("validation_step", "val/loss"), ("test_step", "test/loss")])
def test_it_is_judged_by_the_reconstruction(make, x, monkeypatch, step, name):
    model, logged = make(0.1), {}
    monkeypatch.setattr(model, "log", lambda name, value, batch_size: logged.update({name: (value, batch_size)}))
    getattr(model, step)((x, None), 0)
    assert logged.keys() == {name}
    torch.testing.assert_close(logged[name][0], definition(model, x)[0], **TIGHT)
    assert logged[name][1] == 7


def test_a_negative_weight_is_refused():
    with pytest.raises(AssertionError, match=r"model\.contraction=-0\.1: must be greater than or equal to 0"):
        check_model("ca", "model.contraction=-0.1")


def test_its_updates_are_fused(train):
    output = train("model=ca", "recipe.max_epochs=1", "trainer.limit_train_batches=5").output
    assert "epoch 1" in output
    assert "Fused updates disabled" not in output


def test_the_two_parts_of_a_run_add_up_to_its_loss(cli):
    with (cli("model=ca", "recipe.max_epochs=2", "trainer.limit_train_batches=9").run_dir / "metrics.csv").open(
        newline=""
    ) as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    assert len(rows) == 2
    for row in rows:
        loss, reconstruction, contraction = (
            float(row[f"train/{name}"]) for name in ("loss", "reconstruction", "contraction")
        )
        assert loss == pytest.approx(reconstruction + 0.1 * contraction, rel=1e-5)
        assert contraction > 0
