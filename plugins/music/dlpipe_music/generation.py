"""Generating music: each frame is sampled, then fed to the recurrence before the next one."""

import torch
from torch import Generator, Tensor

from dlpipe_boltzmann.energy import Parameters
from dlpipe_boltzmann.gibbs import run_chain, sample_hidden
from dlpipe_music.conditional import Conditioning, conditional_machine
from dlpipe_music.recurrence import Recurrence, next_state


@torch.no_grad()
def generate(
    machine: Parameters,
    conditioning: Conditioning,
    recurrence: Recurrence,
    num_pieces: int,
    num_frames: int,
    num_steps: int,
    generator: Generator | None = None,
) -> Tensor:
    """Zeros and ones (num_pieces, num_frames, num_visible), each frame the end of a Gibbs chain from an empty one.

    Args:
        machine: of a first frame.
        conditioning: weights from the recurrence to the machine's biases.
        recurrence: starts at u_0 = 0.
        num_pieces: generated in parallel.
        num_frames: of each piece.
        num_steps: Gibbs steps of a frame.
        generator: torch's global one if None.
    """
    silence = machine.W.new_zeros(num_pieces, machine.W.shape[0])
    u = machine.W.new_zeros(num_pieces, len(recurrence.bias))
    frames = []
    for _ in range(num_frames):
        current = conditional_machine(machine, conditioning, u)
        frames.append(run_chain(current, sample_hidden(current, silence, generator), num_steps, generator).v)
        u = next_state(recurrence, u, frames[-1])
    return torch.stack(frames, 1)
