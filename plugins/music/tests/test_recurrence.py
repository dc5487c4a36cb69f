"""The recurrence: against torch's own recurrent network, and its gradients against finite differences."""

import pytest
import torch

from dlpipe_music.recurrence import Recurrence, next_state, states, states_before

pytestmark = pytest.mark.usefixtures("double")
PIECES, STEPS, VISIBLE, RECURRENT = 3, 7, 5, 4


@pytest.fixture
def recurrence(generator):
    shapes = ((VISIBLE, RECURRENT), (RECURRENT, RECURRENT), (RECURRENT,))
    return Recurrence(*(torch.randn(shape, generator=generator).requires_grad_() for shape in shapes))


@pytest.fixture
def v(generator):
    return torch.randint(0, 2, (PIECES, STEPS, VISIBLE), generator=generator).double()


def reference(recurrence):
    """torch.nn.RNN with the same weights; its second bias is 0."""
    network = torch.nn.RNN(VISIBLE, RECURRENT, batch_first=True)
    with torch.no_grad():
        network.weight_ih_l0.copy_(recurrence.from_visible.t())
        network.weight_hh_l0.copy_(recurrence.recurrent.t())
        network.bias_ih_l0.copy_(recurrence.bias)
        network.bias_hh_l0.zero_()
    return network


def test_states_and_gradients_are_those_of_torchs_recurrent_network(recurrence, v, generator):
    network = reference(recurrence)
    weight = torch.randn(PIECES, STEPS, RECURRENT, generator=generator)
    wanted = network(v)[0]
    found = states(recurrence, v)
    torch.testing.assert_close(found, wanted)
    gradients = torch.autograd.grad((found * weight).sum(), list(recurrence))
    of_network = [network.weight_ih_l0, network.weight_hh_l0, network.bias_ih_l0]
    for own, other in zip(gradients, torch.autograd.grad((wanted * weight).sum(), of_network), strict=True):
        torch.testing.assert_close(own, other.t() if other.ndim == 2 else other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible: CUDA_VISIBLE_DEVICES=0")
def test_on_a_gpu_states_and_gradients_are_the_cpus(recurrence, v):
    on_gpu = Recurrence(*(weight.detach().cuda().requires_grad_() for weight in recurrence))
    wanted, found = states(recurrence, v), states(on_gpu, v.cuda())
    torch.testing.assert_close(found.cpu(), wanted, rtol=1e-9, atol=1e-12)
    wanted_gradients = torch.autograd.grad(wanted.square().sum(), list(recurrence))
    for own, other in zip(torch.autograd.grad(found.square().sum(), list(on_gpu)), wanted_gradients, strict=True):
        torch.testing.assert_close(own.cpu(), other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_gradients_are_those_of_finite_differences(recurrence, v, steps):
    part = v[:, :steps].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda *weights: states(Recurrence(*weights[:3]), weights[3]), (*recurrence, part))


def test_a_gradient_of_a_gradient_is_refused(recurrence, v):
    total = states(Recurrence(*(parameter.requires_grad_() for parameter in recurrence)), v).sum()
    with pytest.raises(RuntimeError, match="can be differentiated once: leave create_graph out"):
        torch.autograd.grad(total, recurrence.recurrent, create_graph=True)


@pytest.mark.parametrize("operation", ["recurrent_states", "recurrent_gradients"])
def test_an_operation_of_the_recurrence_is_what_it_tells_torch(operation, generator):
    """Its shapes without values, and that it changes and shares no argument: a trace relies on it."""
    a = torch.randn(PIECES, STEPS, RECURRENT, generator=generator).transpose(0, 1)
    weight = torch.randn(RECURRENT, RECURRENT, generator=generator)
    u = torch.ops.dlpipe_music.recurrent_states(a, weight)
    arguments = {"recurrent_states": (a, weight), "recurrent_gradients": (a, u, weight)}[operation]
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(getattr(torch.ops.dlpipe_music, operation), arguments, test_utils=checks)


def test_without_gradients_the_states_are_the_same(recurrence, v):
    with torch.no_grad():
        torch.testing.assert_close(states(recurrence, v), states(recurrence, v.clone()))
        fused = states(recurrence, v)
    torch.testing.assert_close(fused, states(recurrence, v).detach())


def test_step_by_step_the_states_are_the_same(recurrence, v):
    u = torch.zeros(PIECES, RECURRENT)
    for step, wanted in enumerate(states(recurrence, v).unbind(1)):
        u = next_state(recurrence, u, v[:, step])
        torch.testing.assert_close(u, wanted)


def test_a_frame_is_told_the_state_before_it_and_the_first_nothing(recurrence, v):
    u = states(recurrence, v)
    before = states_before(u)
    assert not before[:, 0].any()
    assert before[:, 1:].equal(u[:, :-1])


def test_a_later_frame_changes_no_earlier_state(recurrence, v):
    other = v.clone()
    other[:, 4:] = 1 - other[:, 4:]
    assert states(recurrence, other)[:, :4].equal(states(recurrence, v)[:, :4])
    assert not states(recurrence, other)[:, 4:].equal(states(recurrence, v)[:, 4:])
