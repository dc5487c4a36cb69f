"""Generation: every frame a sample of its own machine, given the frames before."""

import pytest
import torch

from dlpipe_boltzmann.energy import Parameters
from dlpipe_boltzmann.exact import all_states, log_likelihood
from dlpipe_music.conditional import Conditioning, conditional_machine
from dlpipe_music.generation import generate
from dlpipe_music.recurrence import Recurrence, next_state

pytestmark = pytest.mark.usefixtures("double")


def test_pieces_have_the_distribution_of_the_model(generator):
    """Of three frames of two notes, 64 pieces in all, each count within five standard errors of its probability."""

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    machine, conditioning = Parameters(draw(2, 2), draw(2), draw(2)), Conditioning(draw(3, 2), draw(3, 2))
    recurrence = Recurrence(draw(2, 3), draw(3, 3), draw(3))
    every, count = all_states(2, torch.float64), 40_000
    exact = []
    for number in range(64):
        u, probability = torch.zeros(1, 3), torch.ones(())
        for frame in (number // 16, number // 4 % 4, number % 4):
            own = conditional_machine(machine, conditioning, u)
            own = Parameters(own.W, own.b[0], own.c[0])
            probability = probability * log_likelihood(own, every[frame : frame + 1]).exp()[0]
            u = next_state(recurrence, u, every[frame : frame + 1])
        exact.append(float(probability))
    p = torch.tensor(exact)
    assert float(p.sum()) == pytest.approx(1)
    pieces = generate(machine, conditioning, recurrence, count, 3, 25, generator)
    frames = (pieces @ torch.tensor([2.0, 1.0])).long()
    numbers = frames @ torch.tensor([16, 4, 1])
    shares = torch.bincount(numbers, minlength=64) / count
    assert ((shares - p).abs() < 5 * (p * (1 - p) / count).sqrt()).all()


def test_a_piece_is_a_function_of_the_generator():
    machine = Parameters(torch.zeros(4, 2), torch.zeros(4), torch.zeros(2))
    rest = (
        Conditioning(torch.zeros(3, 4), torch.zeros(3, 2)),
        Recurrence(torch.zeros(4, 3), torch.zeros(3, 3), torch.zeros(3)),
    )
    one, other, third = (generate(machine, *rest, 2, 5, 3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.shape == (2, 5, 4)
    assert one.equal(other)
    assert not one.equal(third)
