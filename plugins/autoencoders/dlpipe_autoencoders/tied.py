"""An encoder and a decoder that share one weight."""

import torch
from torch import Tensor, nn

from dlpipe_supervised.initialisation import sigmoid_bound, uniform_


class TiedLayers(nn.Module):
    """Codes h = sigmoid(x W + b), reconstruction z = sigmoid(h W^T + b').

    Args:
        num_visible: entries of one example.
        num_hidden: entries of its code.

    Source: "Denoising Autoencoders (dA)"; W from U[-a, a], a = 4 sqrt(6 / (num_visible + num_hidden)), b = b' = 0.
    """

    def __init__(self, num_visible: int, num_hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_visible, num_hidden))
        self.hidden_bias = nn.Parameter(torch.zeros(num_hidden))
        self.visible_bias = nn.Parameter(torch.zeros(num_visible))
        uniform_(self.weight, sigmoid_bound(num_visible, num_hidden))

    def encode(self, x: Tensor) -> Tensor:
        """Codes (examples, num_hidden) of x (examples, num_visible)."""
        return torch.sigmoid(torch.addmm(self.hidden_bias, x, self.weight))

    def decode(self, codes: Tensor) -> Tensor:
        """Logits (examples, num_visible) of the reconstruction from codes (examples, num_hidden)."""
        return torch.addmm(self.visible_bias, codes, self.weight.t())
