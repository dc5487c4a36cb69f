"""The deep belief network."""

from typing import Annotated, Any, final

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from dlpipe_boltzmann.energy import Parameters
from dlpipe_boltzmann.rbm import RBM
from dlpipe_boltzmann.sheets import sample_figures, sample_files
from dlpipe_supervised.pretrained_classifier import PretrainedClassifier, PretrainedLayer, layer_sizes
from dlpipe_supervised.shifts import shifted_columns
from dlpipe_supervised.sigmoid_network import SigmoidNetwork

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Level = Annotated[float, Field(ge=0, lt=1)]


@final
class DeepBeliefNetwork(PretrainedClassifier):
    """A stack of RBMs, pre-trained from the lowest up by CD-k, then a classifier with their weights, fine-tuned.

    Each RBM is trained on the means of the hidden units of those below it. Stage ``finetune`` copies weights and hidden
    biases into `network`, so that `rbms` remain the generative model p(x, h1, ..., hl) = p(x | h1) ...
    p(h(l-2) | h(l-1)) p(h(l-1), hl), which `sample` draws from; predictions are those of `network`.

    Args:
        num_features: entries of one example.
        num_classes: classes to tell apart.
        image_shape: channels, height, width, to draw filters and samples with.
        hidden_sizes: hidden units of each RBM.
        k: Gibbs steps of an update in pre-training.
        sampling_steps: Gibbs steps of the top RBM from the test images to `sample`, and between rows of the figure.
        input_dropout: probability that an entry of x is dropped in fine-tuning; 0 in the tutorial.
        hidden_dropout: the same for the units of each layer.
        max_shift: in fine-tuning, shift a minibatch's images by at most this many pixels, in each direction.

    Source: "Deep Belief Networks".
    """

    def __init__(
        self,
        num_features: Positive,
        num_classes: Positive,
        image_shape: list[Positive],
        hidden_sizes: Annotated[list[Positive], Field(min_length=1)],
        k: Positive = 1,
        sampling_steps: Positive = 10,
        input_dropout: Level = 0.0,
        hidden_dropout: Level = 0.0,
        max_shift: NotNegative = 0,
    ) -> None:
        super().__init__(image_shape)
        self.sampling_steps = sampling_steps
        sizes = layer_sizes(num_features, image_shape, hidden_sizes)
        self.rbms = nn.ModuleList(RBM(*size, k, persistent=False) for size in sizes)
        shifts = shifted_columns(image_shape, max_shift)
        self.network = SigmoidNetwork(num_features, hidden_sizes, num_classes, input_dropout, hidden_dropout, shifts)

    def pretrained_layers(self) -> list[PretrainedLayer]:
        """p(h_j = 1 | units below) of each machine."""
        return [PretrainedLayer(rbm, rbm.W, rbm.c) for rbm in self._rbms()]

    @property
    def generative(self) -> list[Parameters]:
        """The stack of machines that samples are drawn from, from the lowest to the top one."""
        return [rbm.machine for rbm in self._rbms()]

    def _rbms(self) -> list[RBM]:
        return list(self.rbms)  # type: ignore[arg-type]  # a ModuleList of RBMs

    def data_figures(self, data: pl.LightningDataModule) -> dict[str, NDArray[np.uint8]]:
        """Samples along chains that start at test images."""
        return sample_figures(self.generative, data, self.image_shape, self.sampling_steps)

    def sample(self, count: int, data: pl.LightningDataModule) -> dict[str, NDArray[Any]]:
        """``samples.npy``, (count, num_features), means of the visible units, and ``samples.png``."""
        return sample_files(self.generative, data, self.image_shape, self.sampling_steps, count)
