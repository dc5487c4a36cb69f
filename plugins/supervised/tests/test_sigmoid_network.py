"""The network that is fine-tuned after pre-training, against the same network written out."""

import pytest
import torch

from dlpipe_supervised.initialisation import sigmoid_bound
from dlpipe_supervised.sigmoid_network import SigmoidNetwork


@pytest.fixture
def network(build):
    return build(SigmoidNetwork, 5, [4, 6, 3], 2)


@pytest.fixture
def x():
    return torch.rand(7, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def written_out(network, x):
    """x, the activations of every sigmoid layer, the logits."""
    values = [x]
    for layer in network.hidden:
        values.append(1 / (1 + torch.exp(-(values[-1] @ layer.weight.T + layer.bias))))
    return [*values, values[-1] @ network.output.weight.T + network.output.bias]


def test_forward_is_sigmoid_layers_and_a_linear_one(network, x):
    torch.testing.assert_close(network(x), written_out(network, x)[-1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("depth", range(4))
def test_encode_gives_the_activations_of_the_first_layers(network, x, depth):
    torch.testing.assert_close(network.encode(x, depth), written_out(network, x)[depth], rtol=1e-12, atol=1e-14)


def test_it_takes_copies_of_pretrained_layers(network, x):
    sizes = [(5, 4), (4, 6), (6, 3)]
    pretrained = [
        (torch.randn(*size, dtype=torch.float64), torch.randn(size[1], dtype=torch.float64)) for size in sizes
    ]
    network.take_layers(pretrained)
    expected = x
    for weight, bias in pretrained:
        expected = torch.sigmoid(expected @ weight + bias)
        weight.zero_()
    torch.testing.assert_close(network.encode(x, 3), expected, rtol=1e-12, atol=1e-14)
    assert not network(x).any()


def test_it_takes_as_many_layers_as_it_has(network):
    with pytest.raises(ValueError, match="1 pre-trained layers for 3 sigmoid layers; give as many"):
        network.take_layers([(torch.zeros(5, 4), torch.zeros(4))])


@pytest.mark.parametrize("depth", [-1, 4])
def test_more_layers_than_there_are_is_refused(network, x, depth):
    with pytest.raises(ValueError, match=f"depth {depth}: the network has 3 sigmoid layers; take 0 to as many"):
        network.encode(x, depth)


def test_the_step_is_the_mean_of_minus_log_probability_of_the_label(network, x):
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    weights = torch.exp(written_out(network, x)[-1])
    expected = -torch.log(weights[range(7), labels] / weights.sum(1)).mean()
    torch.testing.assert_close(network.training_step((x, labels), 0), expected, rtol=1e-12, atol=0)


def test_predictions_are_probabilities(network, x):
    weights = torch.exp(written_out(network, x)[-1])
    expected = weights / weights.sum(1, keepdim=True)
    torch.testing.assert_close(network.predict_step((x, None), 0), expected, rtol=1e-12, atol=0)


def test_it_has_as_many_parameters_as_in_the_tutorial():
    network = SigmoidNetwork(784, [1000, 1000, 1000], 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_797_010


def test_weights_fill_the_interval_for_sigmoids_and_the_rest_is_zero():
    torch.manual_seed(0)
    network = SigmoidNetwork(784, [1000, 1000, 1000], 10)
    for layer, bound in zip(network.hidden, (0.23197, 0.21909, 0.21909), strict=True):
        assert layer.weight.abs().max() < bound + 5e-6
        assert layer.weight.min() < -0.95 * bound
        assert layer.weight.max() > 0.95 * bound
    zeros = [*(layer.bias for layer in network.hidden), network.output.weight, network.output.bias]
    assert not any(zero.any() for zero in zeros)


def test_the_bound_for_sigmoids_is_four_times_that_for_tanh():
    assert sigmoid_bound(784, 500) == pytest.approx(4 * 0.0683586, rel=1e-6)


def test_dropout_leaves_out_entries_of_x_and_units_in_training_only(x):
    torch.manual_seed(0)
    network = SigmoidNetwork(5, [4, 6], 2, input_dropout=0.2, hidden_dropout=0.5).double()
    torch.nn.init.normal_(network.output.weight)
    torch.manual_seed(1)
    trained = network(x)
    torch.manual_seed(1)
    expected = x * torch.empty_like(x).bernoulli_(0.8) / 0.8
    for layer in network.hidden:
        units = torch.sigmoid(expected @ layer.weight.T + layer.bias)
        expected = units * torch.empty_like(units).bernoulli_(0.5) / 0.5
    torch.testing.assert_close(trained, expected @ network.output.weight.T, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(network.eval()(x), written_out(network, x)[-1], rtol=1e-12, atol=1e-14)
