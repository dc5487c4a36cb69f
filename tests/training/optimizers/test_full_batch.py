"""Full-batch methods against SciPy's own loop, and what they ask of a model."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize

from dlpipe.training.optimizers.full_batch import FullBatch

METHODS = ["CG", "L-BFGS-B"]


@pytest.fixture
def problem():
    """Softmax regression on random data in double precision: loss and gradient of a flat vector."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 6, generator=generator, dtype=torch.float64)
    y = torch.randint(4, (50,), generator=generator)

    def loss_of(weight, bias):
        return F.cross_entropy(x @ weight.T + bias, y)

    return loss_of


def scipys_iterates(problem, method, count, decay=0.0):
    """What ``scipy.optimize.minimize`` visits when it holds the loop itself."""

    def function(point):
        weight, bias = (torch.tensor(part, requires_grad=True) for part in (point[:24].reshape(4, 6), point[24:]))
        loss = problem(weight, bias) + decay / 2 * weight.square().sum()
        loss.backward()
        return loss.item(), np.concatenate([weight.grad.flatten(), bias.grad])

    visited = []
    minimize(function, np.zeros(28), jac=True, method=method, callback=lambda x: visited.append(x.copy()))
    return visited[:count]


def our_iterates(problem, method, count, decay=0.0):
    weight = torch.zeros(4, 6, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = FullBatch([{"params": [weight], "weight_decay": decay}, {"params": [bias]}], method)

    def closure():
        optimizer.zero_grad()
        loss = problem(weight, bias)  # the penalty is the optimizer's
        loss.backward()
        return loss

    visited = []
    for _ in range(count):
        optimizer.step(closure)
        visited.append(torch.cat([weight.flatten(), bias]).detach().numpy().copy())
    return visited


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("method", METHODS)
def test_a_step_is_an_iteration_of_scipys_own_loop(method, decay, problem):
    expected = scipys_iterates(problem, method, 8, decay)
    assert len(expected) == 8
    np.testing.assert_allclose(our_iterates(problem, method, 8, decay), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_once_converged_a_step_changes_nothing(method):
    weight = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    optimizer = FullBatch([weight], method)

    def closure():
        optimizer.zero_grad()
        loss = (weight - 1).square().sum()
        loss.backward()
        return loss

    for _ in range(20):
        optimizer.step(closure)
    assert weight.item() == pytest.approx(1.0, abs=1e-6)
    before = weight.item()
    optimizer.step(closure)
    assert weight.item() == before


def test_an_error_in_the_model_is_raised_where_it_was_asked_for():
    weight = torch.zeros(1, requires_grad=True)

    def closure():
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        FullBatch([weight]).step(closure)


def test_a_negative_tolerance_is_refused():
    with pytest.raises(ValueError, match="Invalid gradient_tolerance: -1"):
        FullBatch([torch.zeros(1, requires_grad=True)], gradient_tolerance=-1)


@pytest.mark.parametrize("optimizer", ["cg", "lbfgs"])
def test_trains_a_model_with_a_penalty_from_the_command_line(optimizer, cli):
    result = cli("model=mlp", "model.num_hidden=20", f"optimizer={optimizer}", "recipe.max_epochs=20")
    assert result.code == 0, result.err
    summary = json.loads((result.run_dir / "summary.json").read_text())
    assert summary["updates"] == 20
    assert summary["best"]["value"] < 0.1


def test_a_minibatch_that_is_not_the_whole_set_is_refused(cli):
    result = cli("optimizer=cg", "recipe.batch_size=500")
    assert result.code == 2
    assert "recipe.batch_size=500: CG needs the whole training set as one minibatch, this makes 3" in result.err
    assert result.written == []


def test_a_model_that_draws_at_random_is_refused(cli, install):
    code = """
import pytorch_lightning as pl, torch
class Noisy(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(784, 10)
    def training_step(self, batch, batch_idx):
        x, y = batch
        return torch.nn.functional.cross_entropy(self.linear(torch.dropout(x, 0.5, True)), y)
"""
    install("dlpipe-noisy", {"noisy": "noisy:Noisy"}, {"noisy/__init__.py": code})
    result = cli("model=noisy", "optimizer=cg")
    assert result.code == 2
    assert "CG needs a deterministic loss; choose another optimizer, such as optimizer=sgd" in result.err
    assert result.written == []


@pytest.mark.slow
@pytest.mark.skipif(
    not (Path(os.environ.get("DLPIPE_DATA", "/nowhere")) / "mnist").is_dir(), reason="needs MNIST in $DLPIPE_DATA"
)
def test_conjugate_gradient_reaches_the_reference_on_mnist(cli):
    result = cli("model=logreg", "dataset=mnist", "optimizer=cg")
    summary = json.loads((result.run_dir / "summary.json").read_text())
    assert summary["updates"] == 50
    assert summary["evaluated"]["val"] == 10_000
    assert summary["best"]["value"] <= 0.074
