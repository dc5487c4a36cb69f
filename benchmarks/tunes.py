"""The pieces of Nottingham as resident tensors, for the variants that know nothing of dlpipe's training."""

import torch
from torch import Tensor

from dlpipe_music.midi_archives import Nottingham

PIECE = 100  # frames, at most


def pieces(count: int) -> list[tuple[Tensor, Tensor]]:
    """The first pieces to train on, (frames, 88) each, and a label that nobody looks at."""
    tunes = [torch.split(tune, PIECE) for tune in _rolls("train")]
    return [(piece, torch.zeros(())) for tune in tunes for piece in tune][:count]


def whole_tunes() -> list[tuple[Tensor, Tensor]]:
    """The tunes to validate on."""
    return [(tune, torch.zeros(())) for tune in _rolls("val")]


def _rolls(split: str) -> list[Tensor]:
    data = Nottingham(batch_size=1, shuffle=False, drop_last=False, eval_batch_size=1, seed=0)
    return [torch.from_numpy(roll[:, 21:109]).float() for roll in data.load_rolls()[split]]  # type: ignore[index]
