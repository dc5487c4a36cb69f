"""Elman's and Jordan's recurrences against torch's own, numerical gradients, and each written out."""

import torch

from dlpipe_language.recurrence import elman, jordan


def numbers(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_elman_is_torchs_network_of_tanh_units():
    """With g = 2 h - 1 = tanh(z / 2), the weights halved once for tanh and once for g."""
    torch.manual_seed(0)
    inputs, weight, initial = numbers(3, 6, 4), numbers(4, 4), numbers(4)
    network = torch.nn.RNN(4, 4, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        network.weight_ih_l0.copy_(torch.eye(4) / 2)
        network.weight_hh_l0.copy_(weight.t() / 4)
        network.bias_ih_l0.copy_(weight.sum(0) / 4)
        network.bias_hh_l0.zero_()
    own = inputs.detach().clone().requires_grad_()
    other = (network(own, (2 * initial - 1).expand(1, 3, 4).contiguous().detach())[0] + 1) / 2
    found = elman(inputs, weight, initial)
    torch.testing.assert_close(found, other, rtol=1e-12, atol=1e-14)
    found.square().sum().backward()
    other.square().sum().backward()
    torch.testing.assert_close(inputs.grad, own.grad, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(
        weight.grad, network.weight_hh_l0.grad.t() / 4 + network.bias_ih_l0.grad / 4, rtol=1e-10, atol=1e-12
    )


def test_gradients_are_those_of_differences():
    torch.manual_seed(0)
    assert torch.autograd.gradcheck(elman, (numbers(2, 3, 4), numbers(4, 4), numbers(4)))
    assert torch.autograd.gradcheck(jordan, (numbers(2, 3, 4), numbers(5, 4), numbers(5), numbers(4, 5), numbers(5)))


def test_jordan_sees_its_output():
    torch.manual_seed(0)
    inputs, weight, initial, out_weight, out_bias = (
        numbers(1, 4, 3),
        numbers(2, 3),
        numbers(2),
        numbers(3, 2),
        numbers(2),
    )
    told, wanted = initial, []
    for step in range(4):
        hidden = 1 / (1 + torch.exp(-(inputs[0, step] + told @ weight)))
        scores = torch.exp(hidden @ out_weight + out_bias)
        told = scores / scores.sum()
        wanted.append(hidden)
    found = jordan(inputs, weight, initial, out_weight, out_bias)
    torch.testing.assert_close(found[0], torch.stack(wanted), rtol=1e-12, atol=1e-14)
