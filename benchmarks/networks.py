"""The models once more, as one would write them without dlpipe: same architecture, same scale of initial weights."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cases import Case
from language import SentimentByHand, SlotFillerByHand
from polyphony import RnnRbmByHand
from unsupervised import BoltzmannMachine, TiedAutoencoder, sigmoid_network


def network(model: str, stage: str = "") -> nn.Module:
    """A new network of this name: logits (examples, 10) of x (examples, 784), or with a loss of its own."""
    if stage == "finetune":
        return sigmoid_network()
    return MODELS[model]()


def logreg() -> nn.Module:
    """Softmax regression; everything starts at zero."""
    return nn.Sequential(zero(nn.Linear(784, 10)))


def mlp() -> nn.Module:
    """500 tanh units."""
    return nn.Sequential(uniform(nn.Linear(784, 500)), nn.Tanh(), zero(nn.Linear(500, 10)))


def lenet() -> nn.Module:
    """Two stages of convolve, max-pool, tanh; a tanh layer. Pooling divides a filter's fan-out by four."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        uniform(nn.Conv2d(1, 20, 5), fan_out=20 * 25 // 4),
        nn.MaxPool2d(2),
        nn.Tanh(),
        uniform(nn.Conv2d(20, 50, 5), fan_out=50 * 25 // 4),
        nn.MaxPool2d(2),
        nn.Tanh(),
        nn.Flatten(),
        uniform(nn.Linear(800, 500)),
        nn.Tanh(),
        zero(nn.Linear(500, 10)),
    )


def third_party() -> nn.Module:
    """The network in `third_party.py`, with torch's own initial weights."""
    return nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))


@torch.no_grad()
def uniform(layer: nn.Linear | nn.Conv2d, fan_out: int | None = None) -> nn.Module:
    """Weights from U[-a, a] with a = sqrt(6 / (fan_in + fan_out)), biases zero."""
    bound = math.sqrt(6 / (layer.weight[0].numel() + (fan_out or len(layer.weight))))
    layer.weight.uniform_(-bound, bound)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # there is a bias unless told otherwise
    return layer


@torch.no_grad()
def zero(layer: nn.Linear) -> nn.Module:
    """Weights and biases zero."""
    for parameter in layer.parameters():
        parameter.zero_()
    return layer


MODELS: dict[str, Callable[[], nn.Module]] = {
    "logreg": logreg,
    "mlp": mlp,
    "lenet": lenet,
    "third_party": third_party,
    "da": lambda: TiedAutoencoder(corruption=0.3),
    "ca": lambda: TiedAutoencoder(contraction=0.1),
    "sda": lambda: TiedAutoencoder(corruption=0.1, sizes=(784, 1000)),
    "rbm": lambda: BoltzmannMachine(500, 15, 20),
    "dbn": lambda: BoltzmannMachine(1000, 1, None),
    "rnn_rbm": RnnRbmByHand,
    "rnn_slu": SlotFillerByHand,
    "lstm": SentimentByHand,
}


def loss(net: nn.Module, case: Case, x: Tensor, y: Tensor) -> Tensor:
    """The network's own; else the mean negative log-likelihood, and l2 * sum W^2 as the formula says."""
    if isinstance(net, (TiedAutoencoder, BoltzmannMachine, RnnRbmByHand)):
        return net.loss(x)
    nll = F.cross_entropy(net(x), y)
    if not case.l2:
        return nll
    return nll + case.l2 * sum(p.square().sum() for name, p in net.named_parameters() if name.endswith("weight"))


def optimizer(net: nn.Module, case: Case) -> torch.optim.Optimizer:
    """The case's optimizer, with torch's defaults for what the case does not say."""
    made: torch.optim.Optimizer = getattr(torch.optim, case.optimizer)(net.parameters(), lr=case.lr, **case.options)
    if isinstance(net, SlotFillerByHand):
        made.register_step_post_hook(lambda *_: net.to_unit_sphere())
    return made
