"""Classifiers whose sigmoid layers are pre-trained one by one."""

from abc import ABC, abstractmethod
from functools import partial
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlpipe.stages import Stage
from dlpipe_supervised.classifier import log_scores
from dlpipe_supervised.filters import filter_figures
from dlpipe_supervised.sigmoid_network import SigmoidNetwork


class PretrainedLayer(NamedTuple):
    """A sigmoid layer and the module that learns it.

    Args:
        module: trained in a stage of its own.
        weight: (units below, units).
        bias: (units,).
    """

    module: pl.LightningModule
    weight: Tensor
    bias: Tensor


class PretrainedClassifier(pl.LightningModule, ABC):
    """A stack of sigmoid layers, pre-trained from the lowest up, then fine-tuned on the labels with a softmax on top.

    Stage ``pretrain/k`` trains module k on the activations of the layers below. Stage ``finetune`` copies the layers
    into `network` and trains all of it; the modules do not change. A subclass builds the modules, then `network`.

    Args:
        image_shape: channels, height, width, to draw the filters with.
    """

    network: SigmoidNetwork

    def __init__(self, image_shape: list[int]) -> None:
        super().__init__()
        self.image_shape = image_shape

    @abstractmethod
    def pretrained_layers(self) -> list[PretrainedLayer]:
        """From the lowest up."""

    def stages(self) -> list[Stage]:
        """``pretrain/0`` and so on, a layer each, and ``finetune``."""
        pretraining = [
            Stage(f"pretrain/{depth}", layer.module, encode=partial(self.encode, depth=depth) if depth else None)
            for depth, layer in enumerate(self.pretrained_layers())
        ]
        return [*pretraining, Stage("finetune", self.network, begin=self.copy_weights)]

    def encode(self, x: Tensor, depth: int) -> Tensor:
        """Activations (examples, units) of the lowest ``depth`` layers for x (examples, num_features)."""
        for _, weight, bias in self.pretrained_layers()[:depth]:
            x = torch.sigmoid(torch.addmm(bias, x, weight))
        return x

    def copy_weights(self) -> None:
        """Give the network the pre-trained layers, and a softmax of zeros."""
        self.network.take_layers([(weight, bias) for _, weight, bias in self.pretrained_layers()])

    def forward(self, x: Tensor) -> Tensor:
        """Logits (examples, num_classes) of x (examples, num_features)."""
        return self.network(x)  # type: ignore[no-any-return]  # nn.Module calls give Any

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log test/loss and test/error."""
        x, y = batch
        log_scores(self, "test", self(x), y)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Class probabilities (examples, num_classes)."""
        return self.network.predict_step(batch, batch_idx)

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """The weights of the lowest layer's first hundred units as images, before and after fine-tuning."""
        before = filter_figures(self.pretrained_layers()[0].weight.t(), self.image_shape)
        after = filter_figures(self.network.hidden[0].get_parameter("weight"), self.image_shape)
        return {**{f"pretrained_{name}": sheet for name, sheet in before.items()}, **after}


def layer_sizes(num_features: int, image_shape: list[int], hidden_sizes: list[int]) -> list[tuple[int, list[int], int]]:
    """Input size, input shape and units of each layer; only the lowest layer sees images."""
    inputs = [num_features, *hidden_sizes[:-1]]
    shapes = [image_shape, *([size] for size in hidden_sizes[:-1])]
    return list(zip(inputs, shapes, hidden_sizes, strict=True))
