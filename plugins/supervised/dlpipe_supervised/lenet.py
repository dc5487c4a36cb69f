"""The convolutional network."""

import math
from typing import Annotated, final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from dlpipe_supervised.classifier import Classifier
from dlpipe_supervised.filters import filter_figures
from dlpipe_supervised.initialisation import tanh_bound, uniform_

Positive = Annotated[int, Field(gt=0)]
# on a CPU, so few that their maps stay in a core's cache from convolution to pooling; the results are the same
EXAMPLES_AT_ONCE = 50


def pooled_size(size: int, filter_size: int, pool_size: int) -> int:
    """Side of a map after a valid convolution and pooling that ignores an incomplete window at the border."""
    return (size - filter_size + 1) // pool_size


@final
class LeNet(Classifier):
    """Two stages of tanh(max-pool(convolve(x) + b)), a tanh layer and a softmax, trained on the NLL.

    28 x 28 becomes 20 maps of 12 x 12, then 50 maps of 4 x 4, then 500 units. Simpler than LeNet-5: max
    instead of mean pooling, softmax instead of RBF outputs, and every map is connected to every map below.

    Args:
        image_shape: channels, height, width.
        num_classes: number of classes.
        num_maps: feature maps of the two convolutions.
        filter_size: side of a filter.
        pool_size: side of a pooling window.
        num_hidden: units of the dense layer.

    Source: "Convolutional Neural Networks (LeNet)"; a filter's fan-out counts its maps divided by the pooling
    window, as in the tutorial.
    """

    def __init__(
        self,
        image_shape: Annotated[list[Positive], Field(min_length=3, max_length=3)],
        num_classes: Positive,
        num_maps: Annotated[list[Positive], Field(min_length=2, max_length=2)],
        filter_size: Positive = 5,
        pool_size: Positive = 2,
        num_hidden: Positive = 500,
    ) -> None:
        super().__init__()
        channels, *sides = image_shape
        for _ in num_maps:
            sides = [pooled_size(side, filter_size, pool_size) for side in sides]
        if min(sides) < 1:
            raise ValueError(
                f"images of {image_shape} leave nothing after two convolutions of {filter_size} x {filter_size} and "
                f"pooling of {pool_size} x {pool_size}; choose a smaller filter_size or pool_size"
            )
        self.image_shape = image_shape
        self.pool_size = pool_size
        first, second = num_maps
        self.conv1 = nn.Conv2d(channels, first, filter_size)
        self.conv2 = nn.Conv2d(first, second, filter_size)
        self.hidden = nn.Linear(second * math.prod(sides), num_hidden)
        self.output = nn.Linear(num_hidden, num_classes)
        for conv in (self.conv1, self.conv2):
            window = filter_size * filter_size
            fan_out = conv.out_channels * window // pool_size**2
            uniform_(conv.weight, tanh_bound(conv.in_channels * window, fan_out))
            conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # typed for modules' dtypes
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # Conv2d has a bias by default
        uniform_(self.hidden.weight, tanh_bound(self.hidden.in_features, num_hidden))
        for zero in (self.hidden.bias, self.output.weight, self.output.bias):
            nn.init.zeros_(zero)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (examples, num_classes) of x (examples, channels * height * width)."""
        x = x.view(-1, *self.image_shape).contiguous(memory_format=torch.channels_last)
        # torch.export knows no number of examples to split
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            x = torch.cat([self._maps(part) for part in torch.split(x, EXAMPLES_AT_ONCE)])
        else:
            x = self._maps(x)
        x = torch.tanh(self.hidden(x))  # (examples, num_hidden)
        return self.output(x)  # type: ignore[no-any-return]  # nn.Module calls give Any

    def _maps(self, x: Tensor) -> Tensor:
        """The second stage's maps of x (examples, channels, height, width), flattened."""
        for conv in (self.conv1, self.conv2):
            x = torch.tanh(F.max_pool2d(conv(x), self.pool_size))  # pooled first: a quarter of the tanhs
        return x.flatten(1)

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """The filters of the first stage."""
        return filter_figures(self.conv1.weight, self.image_shape)
