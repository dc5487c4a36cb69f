"""The stack of denoising autoencoders (SdA)."""

from functools import partial
from typing import Annotated, final

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from dlpipe.stages import Stage
from dlpipe_autoencoders.denoising import DenoisingAutoencoder
from dlpipe_supervised.classifier import log_scores
from dlpipe_supervised.filters import filter_figures
from dlpipe_supervised.shifts import shifted_columns
from dlpipe_supervised.sigmoid_network import SigmoidNetwork

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Level = Annotated[float, Field(ge=0, lt=1)]


@final
class StackedDenoisingAutoencoder(pl.LightningModule):
    """A classifier of sigmoid layers, each pre-trained as the encoder of a denoising autoencoder.

    Stage ``pretrain/k`` trains autoencoder k on the codes that those below it make of the clean x; its own corruption
    is of these codes. Stage ``finetune`` copies the encoders into `network` and trains all of it on the labels, without
    that corruption. The autoencoders stay as they were.

    Args:
        num_features: entries of one example, in [0, 1].
        num_classes: classes to tell apart.
        image_shape: channels, height, width, to draw the filters with.
        hidden_sizes: units of each layer.
        corruption: of each layer, the probability of an entry of its input to be set to zero.
        input_dropout: in fine-tuning, the probability that an entry of x is left out; the tutorial's is 0.
        hidden_dropout: the same of the units of each layer.
        max_shift: in fine-tuning, the pixels by which a minibatch's images are moved at most, in each direction.

    Source: Vincent et al. (2010), Stacked Denoising Autoencoders, and "Stacked Denoising Autoencoders (SdA)", where
    layers and autoencoders share their weights.
    """

    def __init__(
        self,
        num_features: Positive,
        num_classes: Positive,
        image_shape: list[Positive],
        hidden_sizes: Annotated[list[Positive], Field(min_length=1)],
        corruption: list[Level],
        input_dropout: Level = 0.0,
        hidden_dropout: Level = 0.0,
        max_shift: NotNegative = 0,
    ) -> None:
        super().__init__()
        if len(corruption) != len(hidden_sizes):
            raise ValueError(
                f"corruption={corruption} is for {len(corruption)} layers, but hidden_sizes={hidden_sizes} has "
                f"{len(hidden_sizes)}; give a level for each layer"
            )
        self.image_shape = image_shape
        below = [num_features, *hidden_sizes[:-1]]
        shapes = [image_shape, *([size] for size in hidden_sizes[:-1])]
        options = zip(below, shapes, hidden_sizes, corruption, strict=True)
        self.autoencoders = nn.ModuleList(DenoisingAutoencoder(*own) for own in options)
        shifts = shifted_columns(image_shape, max_shift)
        self.network = SigmoidNetwork(num_features, hidden_sizes, num_classes, input_dropout, hidden_dropout, shifts)

    def stages(self) -> list[Stage]:
        """Each autoencoder, from the lowest up, and the network."""
        pretraining = [
            Stage(f"pretrain/{depth}", autoencoder, encode=partial(self.encode, depth=depth) if depth else None)
            for depth, autoencoder in enumerate(self._autoencoders())
        ]
        return [*pretraining, Stage("finetune", self.network, begin=self.copy_weights)]

    def encode(self, x: Tensor, depth: int) -> Tensor:
        """What the lowest ``depth`` encoders make of x (examples, num_features), one after the other."""
        for autoencoder in self._autoencoders()[:depth]:
            x = autoencoder.encode(x)
        return x

    def copy_weights(self) -> None:
        """Give the network's layers the weights and hidden biases of the autoencoders, and a softmax of zeros."""
        layers = [autoencoder.layers for autoencoder in self._autoencoders()]
        self.network.take_layers([(layer.weight, layer.hidden_bias) for layer in layers])

    def _autoencoders(self) -> list[DenoisingAutoencoder]:
        return list(self.autoencoders)  # type: ignore[arg-type]  # a ModuleList does not say of what

    def forward(self, x: Tensor) -> Tensor:
        """Logits (examples, num_classes) of x (examples, num_features)."""
        return self.network(x)  # type: ignore[no-any-return]  # nn.Module calls give Any

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log test/loss and test/error."""
        x, y = batch
        log_scores(self, "test", self(x), y)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Class probabilities (examples, num_classes)."""
        return torch.softmax(self(batch[0]), 1)

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """What the first hundred units of the lowest layer look at, before and after fine-tuning."""
        before = filter_figures(self._autoencoders()[0].layers.weight.t(), self.image_shape)
        after = filter_figures(self.network.hidden[0].get_parameter("weight"), self.image_shape)
        return {**{f"pretrained_{name}": sheet for name, sheet in before.items()}, **after}
