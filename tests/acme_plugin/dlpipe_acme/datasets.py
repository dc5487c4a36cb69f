"""Fashion-MNIST from its four files, and Fisher's irises from scikit-learn."""

import torch
from sklearn.datasets import load_iris

from dlpipe.data import IdxFiles, IdxImages, RemoteFile, Split, TensorDataModule

MIRROR = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"


def _remote(name: str, sha256: str) -> RemoteFile:
    return RemoteFile(name, sha256, (MIRROR + name,))


class Fashion(IdxImages):
    """Fashion-MNIST: 28 x 28 pictures of clothes in ten classes; 50,000 train, 10,000 val, 10,000 test."""

    dataset_name = "fashion"
    idx_files = IdxFiles(
        _remote("train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        _remote("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        _remote("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        _remote("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    )


class Iris(TensorDataModule):
    """Fisher's irises: 150 flowers, four measurements in cm, three species; 90 train, 30 val, 30 test."""

    def load_splits(self) -> dict[str, Split]:
        x, y = (torch.tensor(values) for values in load_iris(return_X_y=True))
        order = torch.randperm(150, generator=torch.Generator().manual_seed(0))
        parts = zip(("train", "val", "test"), order.split([90, 30, 30]), strict=True)
        return {name: Split(x[rows].float(), y[rows]) for name, rows in parts}
