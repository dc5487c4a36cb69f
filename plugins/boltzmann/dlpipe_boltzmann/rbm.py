"""The restricted Boltzmann machine."""

from typing import Annotated, Any, final

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from dlpipe.epoch_mean import EpochMean
from dlpipe_boltzmann.contrastive_divergence import contrastive_divergence
from dlpipe_boltzmann.energy import Parameters, hidden_mean, visible_preactivation
from dlpipe_boltzmann.gibbs import sample_units
from dlpipe_boltzmann.pseudo_likelihood import pseudo_likelihood, stochastic_pseudo_likelihood
from dlpipe_boltzmann.reconstruction import reconstruction_log_likelihood
from dlpipe_boltzmann.sheets import sample_figures, sample_files
from dlpipe_supervised.filters import filter_figures
from dlpipe_supervised.initialisation import sigmoid_bound, uniform_

Positive = Annotated[int, Field(gt=0)]


@final
class RBM(pl.LightningModule):
    """p(v, h) proportional to exp(b.v + c.h + v W h) for binary v and h, trained by PCD-k or CD-k.

    Grey levels are used as probabilities; only the pseudo-likelihood rounds them to binary values. Training logs, with
    the parameters before each update, ``train/pseudo_likelihood`` for PCD, of one bit of each example, the next bit at
    every update; ``train/reconstruction`` for CD. Both rise towards 0.

    Args:
        num_visible: entries of one example.
        image_shape: channels, height, width, to draw filters and samples with; no filters are drawn for other shapes,
            such as [1000] of hidden units.
        num_hidden: hidden units.
        k: Gibbs steps of an update.
        persistent: whether chains continue from update to update (PCD) instead of restarting at the data (CD).
        num_chains: number of persistent chains, independent of the batch size.
        sampling_steps: Gibbs steps from the test images to `sample`, and between rows of the figure.

    Source: "Restricted Boltzmann Machines"; W from U[-a, a], a = 4 sqrt(6 / (num_visible + num_hidden)), the rest 0.
    """

    chain: Tensor | None
    bit: Tensor

    def __init__(
        self,
        num_visible: Positive,
        image_shape: list[Positive],
        num_hidden: Positive = 500,
        k: Positive = 15,
        persistent: bool = True,
        num_chains: Positive = 20,
        sampling_steps: Positive = 1000,
    ) -> None:
        super().__init__()
        self.image_shape = image_shape
        self.k = k
        self.sampling_steps = sampling_steps
        self.W = nn.Parameter(torch.empty(num_visible, num_hidden))
        self.b = nn.Parameter(torch.zeros(num_visible))
        self.c = nn.Parameter(torch.zeros(num_hidden))
        uniform_(self.W, sigmoid_bound(num_visible, num_hidden))
        self.register_buffer("chain", torch.zeros(num_chains, num_hidden) if persistent else None)
        self.register_buffer("bit", torch.zeros(1, dtype=torch.int64))
        self.epoch_mean = EpochMean(dtype=torch.float64)

    @property
    def machine(self) -> Parameters:
        """W (num_visible, num_hidden), b (num_visible,), c (num_hidden,)."""
        return Parameters(self.W, self.b, self.c)

    @property
    def monitor(self) -> str:
        """The name of the monitored metric."""
        return "reconstruction" if self.chain is None else "pseudo_likelihood"

    def forward(self, x: Tensor) -> Tensor:
        """p(h_j = 1 | x), (examples, num_hidden) for x (examples, num_visible)."""
        return hidden_mean(self.machine, x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """mean F(x) - mean F(end of the chains) of a minibatch; its labels are ignored."""
        x, _ = batch
        result = contrastive_divergence(self.machine, x, self.k, self.chain)
        with torch.no_grad():
            if self.chain is None:
                monitored = reconstruction_log_likelihood(x, result.end.preactivation)
            else:
                monitored = stochastic_pseudo_likelihood(self.machine, x.round(), self.bit).mean()
                self.bit.add_(1).remainder_(len(self.b))
                self.chain.copy_(sample_units(result.preactivation))
        self.epoch_mean.update(monitored)
        return result.loss

    def on_train_epoch_end(self) -> None:
        """Log the epoch mean of the monitored metric."""
        self.log(f"train/{self.monitor}", self.epoch_mean.compute(), sync_dist=self.trainer.world_size > 1)
        self.epoch_mean.reset()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the monitored metric, deterministically: with bits spread over the examples, or with means."""
        x, _ = batch
        if self.chain is None:
            value = reconstruction_log_likelihood(x, visible_preactivation(self.machine, self(x)))
        else:
            bits = torch.arange(len(x), device=x.device) * x.shape[1] // len(x)
            value = stochastic_pseudo_likelihood(self.machine, x.round(), bits).mean()
        self.log(f"val/{self.monitor}", value, batch_size=len(x))

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log test/pseudo_likelihood of all bits."""
        x, _ = batch
        self.log("test/pseudo_likelihood", pseudo_likelihood(self.machine, x.round()).mean(), batch_size=len(x))

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """The weights of the first hundred hidden units as images."""
        return filter_figures(self.W.t(), self.image_shape)

    def data_figures(self, data: pl.LightningDataModule) -> dict[str, NDArray[np.uint8]]:
        """Samples along chains that start at test images."""
        return sample_figures([self.machine], data, self.image_shape, self.sampling_steps)

    def sample(self, count: int, data: pl.LightningDataModule) -> dict[str, NDArray[Any]]:
        """``samples.npy``, (count, num_visible), means of the visible units, and ``samples.png``."""
        return sample_files([self.machine], data, self.image_shape, self.sampling_steps, count)
