"""The unsupervised models once more, as one would write them by hand: each gives its loss of a minibatch x."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TiedAutoencoder(nn.Module):
    """784 to 500 sigmoid units and back with the same weights.

    Args:
        corruption: probability that an input is set to zero.
        contraction: weight of the squared norm of the Jacobian.
        sizes: of inputs and codes.
    """

    def __init__(self, corruption: float = 0.0, contraction: float = 0.0, sizes: tuple[int, int] = (784, 500)) -> None:
        super().__init__()
        bound = 4 * math.sqrt(6 / sum(sizes))
        self.weight = nn.Parameter(torch.empty(sizes).uniform_(-bound, bound))
        self.hidden_bias, self.visible_bias = (nn.Parameter(torch.zeros(size)) for size in sizes[::-1])
        self.corruption, self.contraction = corruption, contraction

    def loss(self, x: Tensor) -> Tensor:
        """Cross-entropy of the reconstruction, and the contraction."""
        seen = x * torch.bernoulli(torch.full_like(x, 1 - self.corruption)) if self.corruption else x
        codes = torch.sigmoid(seen @ self.weight + self.hidden_bias)
        logits = codes @ self.weight.t() + self.visible_bias
        loss = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
        if self.contraction:
            slope = (codes * (1 - codes)).square()
            loss = loss + self.contraction * (slope @ self.weight.square().sum(0)).mean()
        return loss


class BoltzmannMachine(nn.Module):
    """784 visible and so many hidden units; PCD-k with a chain for each example, or CD-k."""

    chain: Tensor | None

    def __init__(self, num_hidden: int, k: int, num_chains: int | None) -> None:
        super().__init__()
        bound = 4 * math.sqrt(6 / (784 + num_hidden))
        self.weight = nn.Parameter(torch.empty(784, num_hidden).uniform_(-bound, bound))
        self.visible_bias, self.hidden_bias = (nn.Parameter(torch.zeros(size)) for size in (784, num_hidden))
        self.k = k
        self.register_buffer("chain", torch.zeros(num_chains, num_hidden) if num_chains else None)

    def loss(self, x: Tensor) -> Tensor:
        """Difference of mean free energies of the data and the end of the chains; notes what training is watched by."""
        with torch.no_grad():
            h = torch.bernoulli(self._hidden(x)) if self.chain is None else self.chain
            for _ in range(self.k):
                logits = h @ self.weight.t() + self.visible_bias
                v = torch.bernoulli(torch.sigmoid(logits))
                h = torch.bernoulli(self._hidden(v))
            if self.chain is None:
                self.watched = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
            else:
                self.chain = h
                bits = x.round()
                flipped = bits.clone()
                flipped[:, 0] = 1 - flipped[:, 0]
                self.watched = 784 * F.logsigmoid(self._free_energy(flipped) - self._free_energy(bits)).mean()
        return self._free_energy(x).mean() - self._free_energy(v).mean()

    def _hidden(self, v: Tensor) -> Tensor:
        return torch.sigmoid(v @ self.weight + self.hidden_bias)

    def _free_energy(self, v: Tensor) -> Tensor:
        return -(v @ self.visible_bias) - F.softplus(v @ self.weight + self.hidden_bias).sum(1)


def sigmoid_network() -> nn.Module:
    """What is fine-tuned: three layers of 1,000 sigmoid units, and ten outputs."""
    layers: list[nn.Module] = []
    for inputs in (784, 1000, 1000):
        layers += [nn.Linear(inputs, 1000), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(1000, 10))
