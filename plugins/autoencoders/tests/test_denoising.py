"""The denoising autoencoder against the definition of its loss."""

import pytest
import torch

from dlpipe.testing import check_model
from dlpipe_autoencoders.corruption import corrupt
from dlpipe_autoencoders.denoising import DenoisingAutoencoder

TIGHT = {"rtol": 1e-12, "atol": 1e-14}


@pytest.fixture
def make(build):
    return lambda corruption: build(DenoisingAutoencoder, 12, [1, 3, 4], num_hidden=5, corruption=corruption)


def reconstruct(model, x):
    W, b, b_prime = model.layers.weight, model.layers.hidden_bias, model.layers.visible_bias
    return torch.sigmoid(torch.sigmoid(x @ W + b) @ W.T + b_prime)


def cross_entropy(z, x):
    return -(x * torch.log(z) + (1 - x) * torch.log(1 - z)).sum(1).mean()


@pytest.mark.parametrize("corruption", [0.0, 0.3])
def test_the_clean_input_is_reconstructed_from_a_corrupted_one(make, x, corruption):
    model = make(corruption)
    torch.manual_seed(5)
    loss = model.training_step((x, None), 0)
    torch.manual_seed(5)
    torch.testing.assert_close(loss, cross_entropy(reconstruct(model, corrupt(x, corruption)), x), **TIGHT)


def test_the_gradients_are_those_of_the_definition(make, x):
    model = make(0.3)
    parameters = list(model.parameters())
    torch.manual_seed(5)
    ours = torch.autograd.grad(model.training_step((x, None), 0), parameters)
    torch.manual_seed(5)
    theirs = torch.autograd.grad(cross_entropy(reconstruct(model, corrupt(x, 0.3)), x), parameters)
    for own, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, wanted, **TIGHT)


def test_each_step_corrupts_anew(make, x):
    model = make(0.3)
    assert model.training_step((x, None), 0) != model.training_step((x, None), 0)


@pytest.mark.parametrize(("step", "name"), [("validation_step", "val/loss"), ("test_step", "test/loss")])
def test_it_is_judged_by_the_loss_that_it_is_trained_on(make, x, monkeypatch, step, name):
    model, logged = make(0.3), []
    monkeypatch.setattr(model, "log", lambda *args, **options: logged.append((*args, options)))
    getattr(model, step)((x, None), 0)
    ((found, value, options),) = logged
    assert (found, options) == (name, {"batch_size": 7})
    corrupted = corrupt(x, 0.3, torch.Generator().manual_seed(0))
    torch.testing.assert_close(value, cross_entropy(reconstruct(model, corrupted), x), **TIGHT)


def test_it_is_judged_with_the_same_noise_each_time(make, x, monkeypatch):
    model, logged = make(0.3), []
    monkeypatch.setattr(model, "log", lambda name, value, batch_size: logged.append(value))
    before = torch.get_rng_state()
    for _ in range(2):
        model.validation_step((x, None), 0)
    assert torch.equal(*logged)
    assert torch.equal(torch.get_rng_state(), before)


def test_forward_is_the_reconstruction(make, x):
    model = make(0.3)
    torch.testing.assert_close(model(x), reconstruct(model, x), **TIGHT)


@pytest.mark.parametrize("level", ["-0.1", "1", "1.5"])
def test_a_level_that_is_no_level_is_refused(level):
    with pytest.raises(AssertionError, match=rf"model\.corruption={level}: must be (less|greater) than"):
        check_model("da", f"model.corruption={level}")


def test_its_updates_are_fused(train):
    output = train("model=da", "recipe.max_epochs=1", "trainer.limit_train_batches=5").output
    assert "epoch 1" in output
    assert "Fused updates disabled" not in output
