"""A convolutional network."""

import torch.nn.functional as F
from pytorch_lightning import LightningModule
from torch import Tensor, nn


class Conv(LightningModule):
    """Six filters of 5 x 5, max-pooling and a softmax, trained on the negative log-likelihood."""

    def __init__(self, image_shape: list[int], num_classes: int) -> None:
        super().__init__()
        self.image_shape = image_shape
        channels, height, width = image_shape
        self.conv = nn.Conv2d(channels, 6, 5, padding=2)
        self.output = nn.Linear(6 * (height // 4) * (width // 4), num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(-1, *self.image_shape)  # (examples, channels, height, width)
        maps = F.relu(F.max_pool2d(self.conv(x), 4))
        return self.output(maps.flatten(1))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        logits = self(x)
        accuracy = (logits.argmax(1) == y).double().mean()
        self.log_dict({"val/accuracy": accuracy, "val/loss": F.cross_entropy(logits, y)}, batch_size=len(y))

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("test/accuracy", (self(x).argmax(1) == y).double().mean(), batch_size=len(y))
