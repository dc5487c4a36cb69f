"""The RNN-RBM once more, as one would write it by hand."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RnnRbmByHand(nn.Module):
    """88 visible, 150 hidden and 100 recurrent units; CD-15 over all frames of a piece, torch's own recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.01 * torch.randn(88, 150))
        self.visible, self.hidden = nn.Linear(100, 88), nn.Linear(100, 150)  # from the state to the biases
        self.recurrent = nn.RNN(88, 100, batch_first=True)
        for parameter in (*self.visible.parameters(), *self.hidden.parameters(), *self.recurrent.parameters()):
            nn.init.normal_(parameter, std=0.0001) if parameter.ndim == 2 else nn.init.zeros_(parameter)

    def loss(self, x: Tensor) -> Tensor:
        """Difference of mean free energies of the frames (frames, 88) and the end of their chains."""
        states = self.recurrent(x.unsqueeze(0))[0][0]
        before = torch.cat([torch.zeros(1, 100), states[:-1]])
        b, c = self.visible(before), self.hidden(before)
        with torch.no_grad():
            v = x
            for _ in range(15):
                h = torch.bernoulli(torch.sigmoid(v @ self.weight + c))
                v = torch.bernoulli(torch.sigmoid(h @ self.weight.t() + b))
            h = torch.bernoulli(torch.sigmoid(v @ self.weight + c))
            logits = h @ self.weight.t() + b
            self.watched = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
        return (self._free_energy(x, b, c) - self._free_energy(v, b, c)).mean()

    def _free_energy(self, v: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return -(v * b).sum(1) - F.softplus(v @ self.weight + c).sum(1)
