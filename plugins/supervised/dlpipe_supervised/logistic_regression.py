"""Softmax regression."""

from typing import Annotated, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from dlpipe_supervised.classifier import Classifier
from dlpipe_supervised.filters import filter_figures

Positive = Annotated[int, Field(gt=0)]
TRANSPOSED_FROM = 128  # examples; from there on W x^T is faster than x W^T, and equal up to rounding


@final
class LogisticRegression(Classifier):
    """Multi-class logistic regression: p(y | x) = softmax(W x + b), trained on the negative log-likelihood.

    W and b start at zero; the problem is convex, so every seed gives the same run where the order of
    minibatches is fixed.

    Args:
        num_features: entries of one example.
        num_classes: number of classes.
        image_shape: channels, height, width, to draw the filters with; None for examples that are no images.

    Source: "Classifying MNIST digits using Logistic Regression".
    """

    def __init__(self, num_features: Positive, num_classes: Positive, image_shape: list[Positive] | None) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.linear = nn.Linear(num_features, num_classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (examples, num_classes) of x (examples, num_features); column-major for many examples.

        For many examples and few classes W x^T takes half the time of x W^T, and softmax over its rows a tenth.
        """
        # torch.export traces one path for any number of examples
        if torch.compiler.is_compiling() or len(x) < TRANSPOSED_FROM:
            return self.linear(x)  # type: ignore[no-any-return]  # nn.Module calls give Any
        return torch.addmm(self.linear.bias.unsqueeze(1), self.linear.weight, x.t()).t()

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """The weights of each class as an image."""
        return filter_figures(self.linear.weight, self.image_shape)
