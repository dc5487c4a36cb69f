"""The denoising autoencoder."""

from typing import Annotated, final

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from dlpipe_autoencoders.corruption import corrupt
from dlpipe_autoencoders.figures import first_test_images, reconstruction_figures
from dlpipe_autoencoders.reconstruction import reconstruction_loss
from dlpipe_autoencoders.tied import TiedLayers
from dlpipe_supervised.filters import filter_figures

Positive = Annotated[int, Field(gt=0)]
Level = Annotated[float, Field(ge=0, lt=1)]


@final
class DenoisingAutoencoder(pl.LightningModule):
    """Reconstruct x from a copy x~ of it in which some entries are set to zero.

    h = sigmoid(x~ W + b), z = sigmoid(h W^T + b'), trained on the cross-entropy of z and the clean x. Validation
    and test use the same loss with noise from a fixed seed. (The loss on clean x, which training never sees, stops
    falling after half of the published epochs.)

    Args:
        num_visible: entries of one example, in [0, 1].
        image_shape: channels, height, width, to draw filters and reconstructions with; nothing is drawn for other
            shapes, such as [1000] of codes.
        num_hidden: entries of a code.
        corruption: probability that an entry is set to zero.

    Source: Vincent et al. (2008), Extracting and Composing Robust Features with Denoising Autoencoders, and "Denoising
    Autoencoders (dA)", which validates nothing.
    """

    def __init__(
        self, num_visible: Positive, image_shape: list[Positive], num_hidden: Positive = 500, corruption: Level = 0.3
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.corruption = corruption
        self.layers = TiedLayers(num_visible, num_hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction of x (examples, num_visible), the same shape, entries in [0, 1]; nothing is corrupted."""
        return torch.sigmoid(self.layers.decode(self.encode(x)))

    def encode(self, x: Tensor) -> Tensor:
        """Codes (examples, num_hidden) of x (examples, num_visible)."""
        return self.layers.encode(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of reconstructing a minibatch from a corrupted copy."""
        x, _ = batch
        return reconstruction_loss(self.layers.decode(self.encode(corrupt(x, self.corruption))), x)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log val/loss."""
        self._evaluate("val/loss", batch[0])

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log test/loss."""
        self._evaluate("test/loss", batch[0])

    def _evaluate(self, name: str, x: Tensor) -> None:
        logits = self.layers.decode(self.encode(self._corrupt_with_fixed_seed(x)))
        self.log(name, reconstruction_loss(logits, x), batch_size=len(x))

    def _corrupt_with_fixed_seed(self, x: Tensor) -> Tensor:
        """A copy of x with noise from a fixed seed."""
        return corrupt(x, self.corruption, torch.Generator(x.device).manual_seed(0))

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """The weights of the first hundred hidden units as images."""
        return filter_figures(self.layers.weight.t(), self.image_shape)

    def data_figures(self, data: pl.LightningDataModule) -> dict[str, NDArray[np.uint8]]:
        """Test images, the same corrupted, and their reconstructions, one below the other."""
        x = first_test_images(data).to(self.device)
        corrupted = self._corrupt_with_fixed_seed(x)
        return reconstruction_figures([x, corrupted, self(corrupted)], self.image_shape)
