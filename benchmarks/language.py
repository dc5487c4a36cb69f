"""Slot filling and sentiment once more, as one would write them by hand."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SlotFillerByHand(nn.Module):
    """Elman's network of 200 logistic units over windows of 7 embeddings of 50; torch's own recurrent layer has none.

    Word number 572 is what is beyond a sentence.
    """

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(573, 50)
        self.below, self.out = nn.Linear(350, 200), nn.Linear(200, 127)
        self.recurrent = nn.Parameter(torch.empty(200, 200))
        self.initial = nn.Parameter(torch.empty(200))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.2, 0.2) if parameter.ndim == 2 else nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (words, 127) of the words of a sentence (words,)."""
        windows = F.pad(x, (3, 3), value=572).unfold(0, 7, 1)
        h, states = self.initial.unsqueeze(0), []
        for below in self.below(self.embeddings(windows).flatten(1)).split(1):
            h = torch.sigmoid(torch.addmm(below, h, self.recurrent))
            states.append(h)
        return self.out(torch.cat(states))  # type: ignore[no-any-return]  # nn.Module calls give Any

    @torch.no_grad()
    def to_unit_sphere(self) -> None:
        """Divide each embedding by its length: what follows every update."""
        self.embeddings.weight.div_(self.embeddings.weight.norm(dim=1, keepdim=True))


class SentimentByHand(nn.Module):
    """The mean over a review's words of the outputs of an LSTM of 128 over embeddings of 128, dropout, two classes.

    Word number 0 is what is beyond a review. Of the two biases that torch adds one is not trained, as the formula has
    one; dropout is the tutorial's, which multiplies by 0.5 where nothing is dropped.
    """

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(10_000, 128)
        self.lstm = nn.LSTM(128, 128, batch_first=True)
        self.output = nn.Linear(128, 2)
        nn.init.uniform_(self.embeddings.weight, 0, 0.01)
        for parameter in self.lstm.parameters():
            for gate in parameter.chunk(4):
                nn.init.orthogonal_(gate) if gate.ndim == 2 else nn.init.zeros_(gate)
        nn.init.normal_(self.output.weight, std=0.01)
        nn.init.zeros_(self.output.bias)
        self.lstm.bias_hh_l0.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (reviews, 2) of numbers of words (reviews, words)."""
        outputs, _ = self.lstm(self.embeddings(x))
        there = (x != 0).unsqueeze(2)
        mean = (outputs * there).sum(1) / there.sum(1)
        mean = mean * (torch.rand_like(mean) < 0.5) if self.training else mean * 0.5
        return self.output(mean)  # type: ignore[no-any-return]  # nn.Module calls give Any
