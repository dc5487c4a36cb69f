"""The deep belief network."""

from functools import partial
from typing import Annotated, Any, final

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from dlpipe.stages import Stage
from dlpipe_boltzmann.energy import Parameters, hidden_mean
from dlpipe_boltzmann.rbm import RBM
from dlpipe_boltzmann.sheets import sample_figures, sample_files
from dlpipe_supervised.classifier import log_scores
from dlpipe_supervised.filters import filter_figures
from dlpipe_supervised.shifts import shifted_columns
from dlpipe_supervised.sigmoid_network import SigmoidNetwork

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Level = Annotated[float, Field(ge=0, lt=1)]


@final
class DeepBeliefNetwork(pl.LightningModule):
    """A stack of RBMs, pre-trained from the lowest up by CD-k, then a classifier with their weights, fine-tuned.

    Each RBM is trained on the means of the hidden units of those below it. `finetune` copies weights and hidden
    biases into `network`, so that `rbms` remain the generative model p(x, h1, ..., hl) = p(x | h1) ...
    p(h(l-2) | h(l-1)) p(h(l-1), hl), which `sample` draws from; predictions are those of `network`.

    Args:
        num_features: entries of one example.
        num_classes: classes to tell apart.
        image_shape: channels, height, width, to draw filters and samples with.
        hidden_sizes: hidden units of each RBM.
        k: Gibbs steps of an update in pre-training.
        sampling_steps: Gibbs steps of the top RBM from the test images to `sample`, and between rows of the figure.
        input_dropout: in fine-tuning, the probability that an entry of x is left out; the tutorial's is 0.
        hidden_dropout: the same of the units of each layer.
        max_shift: in fine-tuning, the pixels by which a minibatch's images are moved at most, in each direction.

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
        super().__init__()
        self.image_shape = image_shape
        self.sampling_steps = sampling_steps
        below = [num_features, *hidden_sizes[:-1]]
        shapes = [image_shape, *([size] for size in hidden_sizes[:-1])]  # means of hidden units are no image
        options = zip(below, shapes, hidden_sizes, strict=True)
        self.rbms = nn.ModuleList(RBM(*own, k, persistent=False) for own in options)
        shifts = shifted_columns(image_shape, max_shift)
        self.network = SigmoidNetwork(num_features, hidden_sizes, num_classes, input_dropout, hidden_dropout, shifts)

    def stages(self) -> list[Stage]:
        """``pretrain/0`` and so on, a layer each, and ``finetune``."""
        pretrain = [
            Stage(f"pretrain/{depth}", machine, encode=partial(self.encode, depth=depth) if depth else None)
            for depth, machine in enumerate(self._rbms())
        ]
        return [*pretrain, Stage("finetune", self.network, begin=self.copy_weights)]

    @property
    def generative(self) -> list[Parameters]:
        """The stack of machines that samples are drawn from, from the lowest to the top one."""
        return [rbm.machine for rbm in self._rbms()]

    def _rbms(self) -> list[RBM]:
        return list(self.rbms)  # type: ignore[arg-type]  # a ModuleList does not say of what

    def encode(self, x: Tensor, depth: int) -> Tensor:
        """Means (examples, hidden_sizes[depth - 1]) of the hidden units of the RBM number ``depth``, counted from 1.

        Args:
            x: (examples, num_features).
            depth: how many RBMs to go through.
        """
        for machine in self.generative[:depth]:
            x = hidden_mean(machine, x)
        return x

    def copy_weights(self) -> None:
        """Let the classifier's sigmoid layers be the means of the RBMs' hidden units."""
        self.network.take_layers([(machine.W, machine.c) for machine in self.generative])

    def forward(self, x: Tensor) -> Tensor:
        """Logits (examples, num_classes) of x (examples, num_features)."""
        return self.network(x)  # type: ignore[no-any-return]  # nn.Module calls give Any

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log test/loss and test/error of the classifier."""
        x, y = batch
        log_scores(self, "test", self(x), y)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Class probabilities (examples, num_classes)."""
        return torch.softmax(self(batch[0]), 1)

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """What the first hundred units of the lowest layer look at, before and after fine-tuning."""
        after = filter_figures(self.network.hidden[0].get_parameter("weight"), self.image_shape)
        return {**{f"pretrained_{name}": sheet for name, sheet in self._rbms()[0].figures().items()}, **after}

    def data_figures(self, data: pl.LightningDataModule) -> dict[str, NDArray[np.uint8]]:
        """Samples along chains that begin at test images."""
        return sample_figures(self.generative, data, self.image_shape, self.sampling_steps)

    def sample(self, count: int, data: pl.LightningDataModule) -> dict[str, NDArray[Any]]:
        """``samples.npy``, (count, num_features), means of the visible units, and ``samples.png``."""
        return sample_files(self.generative, data, self.image_shape, self.sampling_steps, count)
