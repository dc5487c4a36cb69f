"""The stack of denoising autoencoders (SdA)."""

from typing import Annotated, final

from pydantic import Field
from torch import nn

from dlpipe_autoencoders.denoising import DenoisingAutoencoder
from dlpipe_supervised.pretrained_classifier import PretrainedClassifier, PretrainedLayer, layer_sizes
from dlpipe_supervised.shifts import shifted_columns
from dlpipe_supervised.sigmoid_network import SigmoidNetwork

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Level = Annotated[float, Field(ge=0, lt=1)]


@final
class StackedDenoisingAutoencoder(PretrainedClassifier):
    """A classifier of sigmoid layers, each pre-trained as the encoder of a denoising autoencoder.

    Autoencoder k is trained on the codes that the encoders below it compute from the clean x; its corruption is applied
    to these codes. Fine-tuning uses no corruption.

    Args:
        num_features: entries of one example, in [0, 1].
        num_classes: classes to tell apart.
        image_shape: channels, height, width, to draw the filters with.
        hidden_sizes: units of each layer.
        corruption: for each layer, the probability that an entry of its input is set to zero.
        input_dropout: probability that an entry of x is dropped in fine-tuning; 0 in the tutorial.
        hidden_dropout: the same for the units of each layer.
        max_shift: in fine-tuning, shift a minibatch's images by at most this many pixels, in each direction.

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
        super().__init__(image_shape)
        if len(corruption) != len(hidden_sizes):
            raise ValueError(
                f"corruption={corruption} is for {len(corruption)} layers, but hidden_sizes={hidden_sizes} has "
                f"{len(hidden_sizes)}; give a level for each layer"
            )
        sizes = layer_sizes(num_features, image_shape, hidden_sizes)
        self.autoencoders = nn.ModuleList(
            DenoisingAutoencoder(*size, level) for size, level in zip(sizes, corruption, strict=True)
        )
        shifts = shifted_columns(image_shape, max_shift)
        self.network = SigmoidNetwork(num_features, hidden_sizes, num_classes, input_dropout, hidden_dropout, shifts)

    def pretrained_layers(self) -> list[PretrainedLayer]:
        """The encoders."""
        autoencoders: list[DenoisingAutoencoder] = list(self.autoencoders)  # type: ignore[arg-type]  # a ModuleList of them
        return [PretrainedLayer(da, da.layers.weight, da.layers.hidden_bias) for da in autoencoders]
