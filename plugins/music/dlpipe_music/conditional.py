"""The restricted Boltzmann machine of each frame, whose biases depend on the frames before."""

from typing import NamedTuple

import torch
from torch import Tensor

from dlpipe_boltzmann.energy import Parameters


class Conditioning(NamedTuple):
    """Weights from the state of the recurrence to the biases.

    Args:
        to_visible: W_uv, (num_recurrent, num_visible).
        to_hidden: W_uh, (num_recurrent, num_hidden).
    """

    to_visible: Tensor
    to_hidden: Tensor


def conditional_machine(machine: Parameters, conditioning: Conditioning, u: Tensor) -> Parameters:
    """W, and biases b + u_{t-1} W_uv and c + u_{t-1} W_uh with a row for each frame.

    Args:
        machine: W, b (num_visible,) and c (num_hidden,).
        conditioning: weights to the biases.
        u: u_{t-1} of each frame, (frames, num_recurrent).

    Source: Boulanger-Lewandowski et al. (2012), Modeling temporal dependencies in high-dimensional sequences,
    equations 8 and 9.
    """
    b = torch.addmm(machine.b, u, conditioning.to_visible)
    c = torch.addmm(machine.c, u, conditioning.to_hidden)
    return Parameters(machine.W, b, c)


def frames_of(values: Tensor, mask: Tensor | None) -> Tensor:
    """The frames of all pieces, one after the other: (frames, features) of (pieces, steps, features).

    Args:
        values: padded to the longest piece.
        mask: which steps are in a piece, (pieces, steps); None for all.
    """
    return values.flatten(0, 1) if mask is None else values[mask]
