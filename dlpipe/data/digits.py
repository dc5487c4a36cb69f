"""The built-in dataset: scikit-learn's handwritten digits in MNIST's form."""

import functools
import hashlib

import numpy as np
import torch
import torch.nn.functional as F

from dlpipe.data.minibatches import Split, SplitName
from dlpipe.data.tensor_module import TensorDataModule


class Digits(TensorDataModule):
    """1,797 grey digits of 8 x 8 pixels, enlarged to 28 x 28; needs no files and no network.

    Each digit is enlarged to 20 x 20 by bilinear interpolation and centred in 28 x 28, as in MNIST; values are in
    [0, 1]. Split 60/20/20 into 1,078 train, 359 val and 360 test examples, stratified by label; the split is the same
    for every seed.

    Source: scikit-learn's ``load_digits``, the test set of Alpaydin and Kaynak (1998), Optical Recognition of
    Handwritten Digits.
    """

    def load_splits(self) -> dict[SplitName, Split]:
        """x (examples, 784) in [0, 1], y (examples,)."""
        return _splits()

    def checksums(self) -> dict[str, str]:
        """sha256 over the pixels and labels of each split."""
        return {
            name: hashlib.sha256(split.x.numpy().tobytes() + split.y.numpy().tobytes()).hexdigest()
            for name, split in _splits().items()
        }


@functools.cache
def _splits() -> dict[SplitName, Split]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    enlarged = F.interpolate(
        torch.tensor(images.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32), size=(20, 20), mode="bilinear"
    )
    x = F.pad(enlarged, (4, 4, 4, 4)).flatten(1)  # (examples, 784)
    rows = np.arange(len(labels))
    train, rest = train_test_split(rows, train_size=0.6, random_state=0, stratify=labels)
    val, test = train_test_split(rest, train_size=0.5, random_state=0, stratify=labels[rest])
    y = torch.tensor(labels, dtype=torch.int64)
    return {"train": Split(x[train], y[train]), "val": Split(x[val], y[val]), "test": Split(x[test], y[test])}
