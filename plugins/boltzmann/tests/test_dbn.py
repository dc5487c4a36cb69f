"""The deep belief network: its stages, what fine-tuning begins from, and what samples are drawn from."""

import types

import pytest
import torch

from dlpipe_boltzmann.dbn import DeepBeliefNetwork


@pytest.fixture
def model(build):
    """On 2 x 3 pixels."""
    return build(DeepBeliefNetwork, 6, 2, [1, 2, 3], [5, 4, 3], sampling_steps=2)


@pytest.fixture
def x():
    return torch.rand(8, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def data(x):
    return types.SimpleNamespace(test_dataloader=lambda: [(x, None)])


def written_out(model, x):
    """x and the means of each layer of hidden units."""
    values = [x]
    for rbm in model.rbms:
        values.append(1 / (1 + torch.exp(-(values[-1] @ rbm.W + rbm.c))))
    return values


def test_it_has_as_many_parameters_as_in_the_tutorial():
    model = DeepBeliefNetwork(784, 10, [1, 28, 28], [1000, 1000, 1000])
    assert sum(parameter.numel() for parameter in model.network.parameters()) == 2_797_010
    visible_biases = sum(rbm.b.numel() for rbm in model.rbms)
    assert sum(parameter.numel() for parameter in model.rbms.parameters()) == 2_797_010 - 10_010 + visible_biases


def test_dropout_is_of_the_classifier():
    model = DeepBeliefNetwork(6, 2, [1, 2, 3], [5, 4], input_dropout=0.3, hidden_dropout=0.4)
    assert (model.network.input_dropout, model.network.hidden_dropout) == (0.3, 0.4)


def test_the_stages_are_the_layers_from_the_lowest_up_and_then_the_classifier(model):
    stages = model.stages()
    assert [stage.name for stage in stages] == ["pretrain/0", "pretrain/1", "pretrain/2", "finetune"]
    assert [stage.module for stage in stages] == [*model.rbms, model.network]
    assert [tuple(rbm.W.shape) for rbm in model.rbms] == [(6, 5), (5, 4), (4, 3)]


def test_layers_are_pre_trained_by_cd(model):
    for rbm in model.rbms:
        assert rbm.chain is None
        assert rbm.k == 1


def test_a_layer_trains_on_the_means_of_those_below_it(model, x):
    encode = [stage.encode for stage in model.stages()]
    means = written_out(model, x)
    assert encode[0] is None
    assert encode[3] is None
    for depth in (1, 2):
        torch.testing.assert_close(encode[depth](x), means[depth], rtol=1e-12, atol=1e-14)


def test_fine_tuning_begins_with_the_means_of_the_hidden_units(model, x):
    with torch.no_grad():
        model.stages()[-1].begin()
    for depth, means in enumerate(written_out(model, x)):
        torch.testing.assert_close(model.network.encode(x, depth), means, rtol=1e-12, atol=1e-14)


def test_fine_tuning_leaves_the_generative_weights_alone(model, x):
    with torch.no_grad():
        model.stages()[-1].begin()
    before = [value.clone() for value in model.rbms.state_dict().values()]
    loss = model.network.training_step((x, torch.arange(8) % 2), 0)
    loss.backward()
    torch.optim.SGD(model.network.parameters(), lr=1.0).step()
    assert all(torch.equal(*pair) for pair in zip(before, model.rbms.state_dict().values(), strict=True))
    assert not torch.equal(model.network.encode(x, 1), written_out(model, x)[1])


def test_predictions_are_those_of_the_classifier(model, x):
    wanted = torch.softmax(model.network(x), 1)
    torch.testing.assert_close(model.predict_step((x, torch.zeros(8)), 0), wanted)


def test_samples_are_drawn_from_the_generative_weights(model, data):
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(model.sample(100, data)["samples.npy"])
        for parameter in model.network.parameters():
            torch.nn.init.normal_(parameter)
    assert drawn[0].shape == (100, 6)
    assert (drawn[0] == drawn[1]).all()
    torch.nn.init.normal_(model.rbms[2].W, std=5)
    torch.manual_seed(3)
    assert (model.sample(100, data)["samples.npy"] != drawn[0]).any()


def test_filters_are_drawn_before_and_after_fine_tuning(model):
    figures = model.figures()
    assert {name: sheet.shape for name, sheet in figures.items()} == {
        "pretrained_filters": (2, 19),
        "filters": (2, 19),
    }
    assert (figures["pretrained_filters"] != figures["filters"]).any()
    with torch.no_grad():
        model.copy_weights()
    figures = model.figures()
    assert (figures["pretrained_filters"] == figures["filters"]).all()


def test_the_units_of_upper_layers_look_at_no_image():
    model = DeepBeliefNetwork(6, 2, [1, 2, 3], [6, 4])  # of six units a picture could be made
    assert [rbm.image_shape for rbm in model.rbms] == [[1, 2, 3], [6]]
    assert [list(rbm.figures()) for rbm in model.rbms] == [["filters"], []]


def test_samples_are_drawn_as_a_sheet(model, data):
    assert model.data_figures(data)["samples"].shape == (31, 79)  # ten rows of twenty, of 2 x 3 pixels


def test_a_shift_below_0_is_refused(cli):
    result = cli("model=dbn", "model.max_shift=-1")
    assert result.code == 2
    assert "model.max_shift=-1: must be greater than or equal to 0" in result.err
