"""The examples as resident tensors, for the variants that know nothing of dlpipe."""

import gzip
import os
from pathlib import Path

import numpy as np
import torch
from platformdirs import user_cache_path
from torch import Tensor

from cases import NUM_EXAMPLES


def train_and_val() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """(x, y) to train on and (x, y) to validate on: x (examples, 784) in [0, 1), y (examples,)."""
    x = _bytes("train-images-idx3-ubyte.gz", header=16).view(-1, 784).float().div_(256)
    y = _bytes("train-labels-idx1-ubyte.gz", header=8).long()
    return (x[:NUM_EXAMPLES], y[:NUM_EXAMPLES]), (x[NUM_EXAMPLES:], y[NUM_EXAMPLES:])


def _bytes(name: str, header: int) -> Tensor:
    places = [Path(os.environ.get("DLPIPE_DATA", "")) / "mnist", user_cache_path("dlpipe") / "mnist"]
    path = next((place / name for place in places if (place / name).is_file()), None)
    if path is None:
        raise SystemExit(f"no {name} in {places[0]} or {places[1]}; `python -m dlpipe dataset=mnist` downloads it")
    return torch.from_numpy(np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header).copy())
