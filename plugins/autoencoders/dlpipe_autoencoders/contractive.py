"""The contractive autoencoder."""

from typing import Annotated, final

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from dlpipe.epoch_mean import EpochMean
from dlpipe_autoencoders.contraction import squared_jacobian_norm
from dlpipe_autoencoders.figures import first_test_images, reconstruction_figures
from dlpipe_autoencoders.reconstruction import reconstruction_loss
from dlpipe_autoencoders.tied import TiedLayers
from dlpipe_supervised.filters import filter_figures

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


@final
class ContractiveAutoencoder(pl.LightningModule):
    """Reconstruct x from a code h that changes little with x.

    h = sigmoid(x W + b), z = sigmoid(h W^T + b'), trained on the cross-entropy of z and x plus ``contraction`` times
    the squared Frobenius norm of dh/dx, both means over the minibatch. The epoch means of the two are logged as
    train/reconstruction and train/contraction; validation and test log the first.

    Args:
        num_visible: entries of one example, in [0, 1].
        image_shape: channels, height, width, to draw filters and reconstructions with.
        num_hidden: entries of a code.
        contraction: weight of the norm.

    Source: Rifai et al. (2011), Contractive Auto-Encoders: Explicit Invariance During Feature Extraction, and the
    tutorials' ``cA.py``, whose penalty has no gradient by mistake; this one has.
    """

    def __init__(
        self,
        num_visible: Positive,
        image_shape: list[Positive],
        num_hidden: Positive = 500,
        contraction: NotNegative = 0.1,
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.contraction = contraction
        self.layers = TiedLayers(num_visible, num_hidden)
        self.epoch_mean = EpochMean(2)  # reconstruction and contraction

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruction of x (examples, num_visible), the same shape, entries in [0, 1]."""
        return torch.sigmoid(self.layers.decode(self.encode(x)))

    def encode(self, x: Tensor) -> Tensor:
        """Codes (examples, num_hidden) of x (examples, num_visible)."""
        return self.layers.encode(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Reconstruction loss plus weighted contraction of a minibatch."""
        x, _ = batch
        codes = self.encode(x)
        reconstruction = reconstruction_loss(self.layers.decode(codes), x)
        contraction = squared_jacobian_norm(codes, self.layers.weight)
        self.epoch_mean.update(torch.stack([reconstruction.detach(), contraction.detach()]))
        return reconstruction + self.contraction * contraction

    def on_train_epoch_end(self) -> None:
        """Log the epoch means."""
        reconstruction, contraction = self.epoch_mean.compute()
        means = {"train/reconstruction": reconstruction, "train/contraction": contraction}
        self.log_dict(means, batch_size=1, sync_dist=self.trainer.world_size > 1)
        self.epoch_mean.reset()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log val/loss, the reconstruction loss alone."""
        self._evaluate("val/loss", batch[0])

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log test/loss, the reconstruction loss alone."""
        self._evaluate("test/loss", batch[0])

    def _evaluate(self, name: str, x: Tensor) -> None:
        self.log(name, reconstruction_loss(self.layers.decode(self.encode(x)), x), batch_size=len(x))

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """The weights of the first hundred hidden units as images."""
        return filter_figures(self.layers.weight.t(), self.image_shape)

    def data_figures(self, data: pl.LightningDataModule) -> dict[str, NDArray[np.uint8]]:
        """Test images above their reconstructions."""
        x = first_test_images(data)
        return reconstruction_figures([x, self(x.to(self.device))], self.image_shape)
