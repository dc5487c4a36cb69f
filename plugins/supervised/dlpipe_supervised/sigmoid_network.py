"""The network of sigmoid layers that stacked autoencoders and deep belief networks fine-tune."""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import dropout

from dlpipe_supervised.classifier import Classifier
from dlpipe_supervised.initialisation import sigmoid_bound, uniform_

Positive = Annotated[int, Field(gt=0)]
Level = Annotated[float, Field(ge=0, lt=1)]


@final
class SigmoidNetwork(Classifier):
    """Layers of sigmoid(W h + b), the first on x, and a softmax, trained on the mean negative log-likelihood.

    `take_layers` initialises it with pre-trained sigmoid layers.

    Args:
        num_features: entries of one example.
        hidden_sizes: units of each sigmoid layer.
        num_classes: number of classes.
        input_dropout: probability that an entry of x is dropped in a training step.
        hidden_dropout: the same for the units of each sigmoid layer; the others are scaled up to keep the mean.
        shifts: (shifts, num_features) of int64, from `shifted_columns`: each training step shifts its minibatch by one
            of them, drawn at random. None for no shifts.

    Source: "Stacked Denoising Autoencoders" and "Deep Belief Networks"; W from U[-a, a],
    a = 4 sqrt(6 / (fan_in + fan_out)), biases and the softmax layer 0.
    """

    shifts: Tensor | None

    def __init__(
        self,
        num_features: Positive,
        hidden_sizes: Annotated[list[Positive], Field(min_length=1)],
        num_classes: Positive,
        input_dropout: Level = 0.0,
        hidden_dropout: Level = 0.0,
        shifts: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("shifts", shifts, persistent=False)
        self.input_dropout = input_dropout
        self.hidden_dropout = hidden_dropout
        below = [num_features, *hidden_sizes[:-1]]
        layers = [nn.Linear(*sizes) for sizes in zip(below, hidden_sizes, strict=True)]
        for layer in layers:
            uniform_(layer.weight, sigmoid_bound(layer.in_features, layer.out_features))
            nn.init.zeros_(layer.bias)
        self.hidden = nn.ModuleList(layers)
        self.output = nn.Linear(hidden_sizes[-1], num_classes)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def encode(self, x: Tensor, depth: int) -> Tensor:
        """Activations (examples, hidden_sizes[depth - 1]) of sigmoid layer ``depth``, counted from 1; x for 0.

        Args:
            x: (examples, num_features).
            depth: number of layers.

        Raises:
            ValueError: there are fewer layers.
        """
        if not 0 <= depth <= len(self.hidden):
            raise ValueError(f"depth {depth}: the network has {len(self.hidden)} sigmoid layers; take 0 to as many")
        for layer in islice(self.hidden, depth):
            x = torch.sigmoid(layer(x))
        return x

    @torch.no_grad()
    def take_layers(self, pretrained: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Copy pre-trained sigmoid layers, from the lowest up, and set the softmax layer to zero.

        Args:
            pretrained: each layer's weight (units below, units), transposed as in tied autoencoders and RBMs, and its
                bias (units,).

        Raises:
            ValueError: the number of layers is not the network's.
        """
        if len(pretrained) != len(self.hidden):
            raise ValueError(
                f"{len(pretrained)} pre-trained layers for {len(self.hidden)} sigmoid layers; give as many"
            )
        for layer, (weight, bias) in zip(self.hidden, pretrained, strict=True):
            layer.get_parameter("weight").copy_(weight.t())
            layer.get_parameter("bias").copy_(bias)
        for zero in self.output.parameters():
            zero.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (examples, num_classes) of x (examples, num_features)."""
        x = dropout(x, self.input_dropout, self.training)
        for layer in self.hidden:
            x = dropout(torch.sigmoid(layer(x)), self.hidden_dropout, self.training)
        return self.output(x)  # type: ignore[no-any-return]  # nn.Module calls give Any

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The mean negative log-likelihood of a minibatch, shifted at random."""
        x, y = batch
        if self.shifts is not None:
            index = torch.randint(len(self.shifts), (1,), device=x.device)
            x = x.index_select(1, self.shifts.index_select(0, index).squeeze(0))
        return super().training_step((x, y), batch_idx)
