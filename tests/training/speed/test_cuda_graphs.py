"""Steps as CUDA graphs: what surrounds them with a stand-in for the GPU, and on a GPU the numbers."""

import copy
import warnings

import pytest
import pytorch_lightning as pl
import torch

from dlpipe.data import EpochSampler, Split, TensorMinibatches
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.speed import updates
from dlpipe.training.speed.chunks import take_chunks
from dlpipe.training.speed.cuda_graphs import FREE_GRAPHS, UPDATES_PER_GRAPH, graphed
from dlpipe.training.speed.updates import FusedUpdates

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible: CUDA_VISIBLE_DEVICES=0")


class StandIn:
    """Captures without running, and replays into the same memory, as a GPU does; counts both."""

    def __init__(self):
        self.captured = self.replayed = 0

    def __call__(self, function):
        self.captured += 1
        state = torch.get_rng_state()
        written = [(tensor, tensor.clone()) for tensor in WEIGHTS]
        results = [result.clone() for result in function()]
        torch.set_rng_state(state)
        for tensor, before in written:
            tensor.copy_(before)
        for result in results:
            result.fill_(float("nan"))

        def replay():
            self.replayed += 1
            for result, found in zip(results, function(), strict=True):
                result.copy_(found)

        return replay, results


WEIGHTS = []


@pytest.fixture(autouse=True)
def weights():
    yield WEIGHTS
    WEIGHTS.clear()


def step(weight):
    def run(x, y, minus_lr, decay_factor):
        loss = (x @ weight - y).square().mean()
        weight.mul_(decay_factor).add_(x.t() @ (x @ weight - y), alpha=minus_lr)
        return [loss]

    return run


def test_replays_are_the_step_itself(weights):
    weights.append(torch.randn(3, dtype=torch.float64))
    direct, stand_in = weights[0].clone(), StandIn()
    by_graphs = graphed(step(weights[0]), 2, stand_in)
    wanted, found = [], []
    for update in range(20):
        x, y = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
        rates = (-0.1 / (1 + update % 2), 0.99)
        wanted += step(direct)(x, y, *rates)
        found += by_graphs(x, y, *rates)
    assert torch.equal(torch.stack(found), torch.stack(wanted))  # kept, though the next replay writes to the same place
    assert torch.equal(weights[0], direct)
    assert (stand_in.captured, stand_in.replayed) == (2, 20)


def test_rates_that_always_change_are_not_all_captured(weights):
    weights.append(torch.zeros(3))
    direct, stand_in = weights[0].clone(), StandIn()
    by_graphs = graphed(step(weights[0]), 2, stand_in)
    for update in range(2 * UPDATES_PER_GRAPH):
        x, rates = torch.randn(4, 3), (-0.1 / (1 + update), 1.0)
        step(direct)(x, torch.ones(4), *rates)
        by_graphs(x, torch.ones(4), *rates)
    assert torch.equal(weights[0], direct)
    assert stand_in.captured == stand_in.replayed == FREE_GRAPHS + 2


def test_a_step_that_cannot_be_captured_runs_as_before_and_the_reason_is_logged(weights, caplog):
    weights.append(torch.zeros(3))
    direct = weights[0].clone()

    def refuse(function):
        raise RuntimeError("operation not permitted when stream is capturing")

    by_graphs = graphed(step(weights[0]), 2, refuse)
    with caplog.at_level("INFO"):
        for _ in range(3):
            x = torch.randn(4, 3)
            step(direct)(x, torch.ones(4), -0.1, 1.0)
            by_graphs(x, torch.ones(4), -0.1, 1.0)
    assert torch.equal(weights[0], direct)
    assert caplog.text.count("CUDA graphs disabled: operation not permitted") == 1


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, weight_decay=1e-3)


def train(accelerator, fused=True):
    torch.manual_seed(2)
    module, callback = Module(), FusedUpdates()
    WEIGHTS[:] = [parameter.detach() for parameter in module.parameters()]
    x = torch.randn(50, 6)
    split = Split(x, (x[:, 0] > 0).long())
    if accelerator == "gpu":
        split = Split(*(tensor.cuda() for tensor in split))
    with quiet_lightning(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="GPU available but not used")
        trainer = pl.Trainer(
            callbacks=[callback] if fused else [],
            accelerator=accelerator,
            devices=1,
            max_epochs=20,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        take_chunks(trainer, 4)
        trainer.fit(module, TensorMinibatches(split, 5, EpochSampler(50, 1, True)))
    return copy.deepcopy(module).cpu().state_dict(), callback.updates


def test_a_run_by_graphs_is_the_run_without(monkeypatch):
    plain, _ = train("cpu")
    stand_in = StandIn()
    monkeypatch.setattr(updates, "on_gpu", lambda tensors: True)
    monkeypatch.setattr(updates, "capture_on_gpu", lambda: stand_in)
    found, count = train("cpu")
    assert stand_in.replayed == count == 200
    assert stand_in.captured < FREE_GRAPHS  # the decay's rounding has few values
    for name, tensor in plain.items():
        assert torch.equal(found[name], tensor), name


@needs_gpu
@pytest.mark.parametrize("fused", [False, True])
def test_a_gpu_gives_the_numbers_of_the_cpu(fused):
    wanted, _ = train("cpu")
    found, count = train("gpu", fused)
    assert count == 200 * fused
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
