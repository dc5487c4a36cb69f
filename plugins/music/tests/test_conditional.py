"""The machine of each frame: against a machine of its own, enumerated, and the gradient through its biases."""

import pytest
import torch

from dlpipe_boltzmann.contrastive_divergence import contrastive_divergence
from dlpipe_boltzmann.energy import Parameters, free_energy
from dlpipe_boltzmann.exact import all_states, log_likelihood
from dlpipe_boltzmann.gibbs import run_chain, sample_hidden
from dlpipe_music.conditional import Conditioning, conditional_machine, frames_of
from dlpipe_music.recurrence import Recurrence, states, states_before

pytestmark = pytest.mark.usefixtures("double")
VISIBLE, HIDDEN, RECURRENT = 3, 2, 2


def draw(generator, *shape):
    return torch.randn(shape, generator=generator).requires_grad_()


@pytest.fixture
def machine(generator):
    return Parameters(draw(generator, VISIBLE, HIDDEN), draw(generator, VISIBLE), draw(generator, HIDDEN))


@pytest.fixture
def conditioning(generator):
    return Conditioning(draw(generator, RECURRENT, VISIBLE), draw(generator, RECURRENT, HIDDEN))


@pytest.fixture
def u(generator):
    return torch.randn(4, RECURRENT, generator=generator)


def row(parameters, frame):
    return Parameters(parameters.W, parameters.b[frame], parameters.c[frame])


def test_each_frame_has_the_distribution_of_a_machine_with_its_biases(machine, conditioning, u):
    own = conditional_machine(machine, conditioning, u)
    every = all_states(VISIBLE, torch.float64)
    for frame in range(len(u)):
        b = machine.b + u[frame] @ conditioning.to_visible
        c = machine.c + u[frame] @ conditioning.to_hidden
        wanted = torch.stack([torch.exp(v @ b) * (1 + torch.exp(c + v @ machine.W)).prod() for v in every])
        found = log_likelihood(row(own, frame), every).exp()
        torch.testing.assert_close(found, wanted / wanted.sum())


def test_chains_of_all_frames_at_once_leave_each_frames_distribution_unchanged(machine, conditioning, u, generator):
    """20,000 chains a frame start at it; a count moves by less than five standard errors."""
    count, every = 20_000, all_states(VISIBLE, torch.float64)
    own = conditional_machine(machine, conditioning, u)
    exact = [log_likelihood(row(own, frame), every).exp().detach() for frame in range(len(u))]
    start = torch.cat([every[torch.multinomial(p, count, True, generator=generator)] for p in exact])
    wide = conditional_machine(machine, conditioning, u.repeat_interleave(count, 0))
    end = run_chain(wide, sample_hidden(wide, start, generator), 2, generator).v
    number = (end @ torch.tensor([4.0, 2.0, 1.0])).long().view(len(u), count)
    for shares, p in zip([torch.bincount(n, minlength=8) / count for n in number], exact, strict=True):
        assert ((shares - p).abs() < 5 * (p * (1 - p) / count).sqrt()).all()


def test_with_long_chains_the_gradient_is_that_of_the_likelihood_of_the_tune(machine, conditioning, generator):
    """Through the biases into the recurrence; over 40,000 copies of a tune of five frames."""
    recurrence = Recurrence(
        *(draw(generator, *shape) for shape in ((VISIBLE, RECURRENT), (RECURRENT,) * 2, (RECURRENT,)))
    )
    weights = [*machine, *conditioning, *recurrence]
    tune = torch.tensor([[1.0, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0]]).unsqueeze(0)
    copies = 40_000

    def machines(times):
        u = states_before(states(recurrence, tune)).expand(times, -1, -1).flatten(0, 1)
        return conditional_machine(machine, conditioning, u)

    once = machines(1)
    likelihood = torch.stack([log_likelihood(row(once, frame), tune[0, frame].unsqueeze(0)) for frame in range(5)])
    wanted = torch.autograd.grad(-likelihood.mean(), weights)
    many = machines(copies)
    loss = contrastive_divergence(many, tune[0].repeat(copies, 1), 30, generator=generator).loss
    for own, exact in zip(torch.autograd.grad(loss, weights), wanted, strict=True):
        torch.testing.assert_close(own, exact, rtol=0, atol=0.02 * max(1.0, float(exact.abs().max())))


def test_the_loss_is_the_mean_over_frames_of_the_difference_of_free_energies(machine, conditioning, u, generator):
    own = conditional_machine(machine, conditioning, u)
    v = torch.randint(0, 2, (4, VISIBLE), generator=generator).double()
    found = contrastive_divergence(own, v, 3, generator=generator)
    wanted = sum(
        free_energy(row(own, t), v[t : t + 1]) - free_energy(row(own, t), found.end.v[t : t + 1]) for t in range(4)
    )
    torch.testing.assert_close(found.loss, wanted.squeeze() / 4)


def test_frames_beyond_the_end_of_a_piece_are_left_out():
    values = torch.arange(12.0).view(2, 3, 2)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert frames_of(values, mask).tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert frames_of(values[:1], None).equal(values[0])
