"""Softmax regression."""

from typing import Annotated, Any

import numpy as np
import torch.nn.functional as F
from pydantic import Field
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from dlpipe.figures import tile_raster_images


class Softmax(LightningModule):
    """Softmax regression, p(y | x) = softmax(W x + b), trained on the negative log-likelihood.

    Args:
        num_features: entries of one example.
        num_classes: classes to tell apart.
        image_shape: channels, height, width, to draw the rows of W with.
        l2: weight of the penalty sum W^2.
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        image_shape: list[int],
        l2: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.l2 = l2
        self.linear = nn.Linear(num_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def parameter_groups(self) -> list[dict[str, Any]]:
        # the gradient of l2 * W^2 is 2 * l2 * W, which is what optimizers call weight decay
        return [
            {"params": [self.linear.weight], "weight_decay": 2 * self.l2},
            {"params": [self.linear.bias], "weight_decay": 0.0},
        ]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("test", batch)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self(batch[0]).softmax(1)

    def figures(self) -> dict[str, np.ndarray]:
        weight = self.linear.weight.numpy(force=True)  # (num_classes, num_features)
        _, height, width = self.image_shape
        return {"filters": tile_raster_images(weight, (height, width), (1, len(weight)), (1, 1))}

    def _evaluate(self, split: str, batch: tuple[Tensor, Tensor]) -> None:
        x, y = batch
        logits = self(x)
        error = (logits.argmax(1) != y).double().mean()
        self.log_dict({f"{split}/error": error, f"{split}/loss": F.cross_entropy(logits, y)}, batch_size=len(y))
