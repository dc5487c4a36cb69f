"""Elman's and Jordan's recurrences against torch's own, numerical gradients, and each written out."""

import pytest
import torch

from dlpipe_language.recurrence import elman, elman_backwards, elman_by_tanh, jordan

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible: CUDA_VISIBLE_DEVICES=0")


def numbers(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_elman_is_torchs_network_of_tanh_units():
    """What a GPU takes, here on the CPU: states and gradients."""
    torch.manual_seed(0)
    inputs, weight, initial = numbers(3, 6, 4), numbers(4, 4), numbers(4)
    found, other = elman(inputs, weight, initial), elman_by_tanh(inputs, weight, initial)
    torch.testing.assert_close(found, other, rtol=1e-12, atol=1e-14)
    gradients = [torch.autograd.grad(states.square().sum(), (inputs, weight, initial)) for states in (found, other)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


@needs_gpu
def test_on_a_gpu_states_and_gradients_are_the_cpus():
    torch.manual_seed(0)
    on_cpu = numbers(3, 6, 4), numbers(4, 4), numbers(4)
    on_gpu = [tensor.detach().cuda().requires_grad_() for tensor in on_cpu]
    wanted, found = elman(*on_cpu), elman(*on_gpu)
    torch.testing.assert_close(found.cpu(), wanted, rtol=1e-9, atol=1e-12)
    wanted_gradients = torch.autograd.grad(wanted.square().sum(), on_cpu)
    for own, other in zip(torch.autograd.grad(found.square().sum(), on_gpu), wanted_gradients, strict=True):
        torch.testing.assert_close(own.cpu(), other, rtol=1e-9, atol=1e-12)


def test_gradients_are_those_of_differences():
    torch.manual_seed(0)
    assert torch.autograd.gradcheck(elman, (numbers(2, 3, 4), numbers(4, 4), numbers(4)))
    assert torch.autograd.gradcheck(jordan, (numbers(2, 3, 4), numbers(5, 4), numbers(5), numbers(4, 5), numbers(5)))


@pytest.mark.parametrize("operation", ["elman_states", "elman_gradients"])
def test_an_operation_of_elmans_recurrence_is_what_it_tells_torch(operation):
    """Its shapes without values, and that it changes and shares no argument: a trace relies on it."""
    torch.manual_seed(0)
    inputs, weight, initial = (tensor.detach() for tensor in (numbers(2, 3, 4), numbers(4, 4), numbers(4)))
    states = torch.ops.dlpipe_language.elman_states(inputs, weight, initial)
    arguments = {"elman_states": (inputs, weight, initial), "elman_gradients": (inputs, states, weight)}[operation]
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(getattr(torch.ops.dlpipe_language, operation), arguments, test_utils=checks)


def test_a_gradient_of_a_gradient_is_refused_and_not_wrong():
    inputs = numbers(1, 3, 4)
    states = elman(inputs, numbers(4, 4), numbers(4))
    with pytest.raises(RuntimeError, match="can be differentiated once: leave create_graph out"):
        torch.autograd.grad(states.sum(), inputs, create_graph=True)


def test_backwards_is_forwards_of_each_sentence_turned_round():
    torch.manual_seed(0)
    inputs, weight, initial, lengths = numbers(3, 6, 4), numbers(4, 4), numbers(4), torch.tensor([6, 2, 5])
    found = elman_backwards(inputs, weight, initial, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = elman(inputs[row : row + 1, :length].flip(1), weight, initial).flip(1)
        torch.testing.assert_close(found[row, :length], alone[0], rtol=1e-12, atol=1e-14)
    there = torch.arange(6) < lengths.unsqueeze(1)

    def padded(*parts):
        return elman_backwards(*parts, lengths)[there]

    assert torch.autograd.gradcheck(padded, (inputs, weight, initial))


def test_jordan_sees_its_output():
    torch.manual_seed(0)
    inputs, weight, initial, out_weight, out_bias = (
        numbers(1, 4, 3),
        numbers(2, 3),
        numbers(2),
        numbers(3, 2),
        numbers(2),
    )
    output, wanted = initial, []
    for step in range(4):
        hidden = 1 / (1 + torch.exp(-(inputs[0, step] + output @ weight)))
        scores = torch.exp(hidden @ out_weight + out_bias)
        output = scores / scores.sum()
        wanted.append(hidden)
    found = jordan(inputs, weight, initial, out_weight, out_bias)
    torch.testing.assert_close(found[0], torch.stack(wanted), rtol=1e-12, atol=1e-14)
