"""The multilayer perceptron with one hidden layer."""

from typing import Annotated, Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from dlpipe_supervised.classifier import Classifier
from dlpipe_supervised.filters import filter_figures
from dlpipe_supervised.initialisation import tanh_bound, uniform_

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


@final
class MLP(Classifier):
    """softmax(W2 tanh(W1 x + b1) + b2), trained on NLL + l1 * sum |W| + l2 * sum W^2 over W1 and W2.

    The penalties cover weights, not biases, and are not averaged. l2 * sum W^2 is a ``weight_decay`` of 2 * l2 in the
    optimizer, set by `parameter_groups`, which is cheaper than a term of the loss; the reported epoch loss includes
    `penalty` all the same.

    Args:
        num_features: entries of one example.
        num_classes: number of classes.
        image_shape: channels, height, width, to draw the filters with; None for examples that are no images.
        num_hidden: tanh units.
        l1: weight of sum |W|.
        l2: weight of sum W^2.

    Source: "Multilayer Perceptron"; W1 from U[-a, a], a = sqrt(6 / (num_features + num_hidden)), biases and W2 0.
    """

    def __init__(
        self,
        num_features: Positive,
        num_classes: Positive,
        image_shape: list[Positive] | None,
        num_hidden: Positive = 500,
        l1: NotNegative = 0.0,
        l2: NotNegative = 0.0001,
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.l1 = l1
        self.l2 = l2
        self.hidden = nn.Linear(num_features, num_hidden)
        self.output = nn.Linear(num_hidden, num_classes)
        uniform_(self.hidden.weight, tanh_bound(num_features, num_hidden))
        for zero in (self.hidden.bias, self.output.weight, self.output.bias):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (examples, num_classes) of x (examples, num_features)."""
        return self.output(torch.tanh(self.hidden(x)))  # type: ignore[no-any-return]  # nn.Module calls give Any

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Weights with a decay of 2 * l2, the gradient of l2 * sum W^2; biases without."""
        return [
            {"params": [self.hidden.weight, self.output.weight], "weight_decay": 2 * self.l2},
            {"params": [self.hidden.bias, self.output.bias], "weight_decay": 0.0},
        ]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """NLL and l1 penalty of a minibatch; l2 is left to the optimizer."""
        loss = super().training_step(batch, batch_idx)
        if self.l1:
            loss = loss + self.l1 * (self.hidden.weight.abs().sum() + self.output.weight.abs().sum())
        return loss

    @torch.no_grad()
    def penalty(self) -> Tensor:
        """l2 * sum W^2, which the weight decay implements; a scalar."""
        return self.l2 * (self.hidden.weight.square().sum() + self.output.weight.square().sum())

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """The weights of the first hundred hidden units as images."""
        return filter_figures(self.hidden.weight, self.image_shape)
