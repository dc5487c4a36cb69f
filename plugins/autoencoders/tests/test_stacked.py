"""The stack: what each stage trains, and on what."""

import pytest
import torch

from dlpipe.testing import check_model
from dlpipe_autoencoders.stacked import StackedDenoisingAutoencoder


@pytest.fixture
def model(build):
    return build(StackedDenoisingAutoencoder, 12, 3, [1, 3, 4], [5, 6, 4], [0.1, 0.2, 0.3])


def codes(model, x):
    """x, and what each encoder makes of the codes below."""
    values = [x]
    for autoencoder in model.autoencoders:
        values.append(torch.sigmoid(values[-1] @ autoencoder.layers.weight + autoencoder.layers.hidden_bias))
    return values


def test_the_autoencoders_come_from_the_lowest_up_and_then_the_network(model):
    stages = model.stages()
    assert [stage.name for stage in stages] == ["pretrain/0", "pretrain/1", "pretrain/2", "finetune"]
    assert [stage.module for stage in stages] == [*model.autoencoders, model.network]


def test_each_autoencoder_has_its_sizes_and_its_corruption(model):
    found = [(tuple(a.layers.weight.shape), a.corruption) for a in model.autoencoders]
    assert found == [((12, 5), 0.1), ((5, 6), 0.2), ((6, 4), 0.3)]


def test_an_autoencoder_trains_on_the_clean_codes_of_those_below(model, x):
    wanted = codes(model, x)
    found = [stage.encode(x) if stage.encode else x for stage in model.stages()]
    for own, code in zip(found, [*wanted[:3], x], strict=True):
        torch.testing.assert_close(own, code, rtol=1e-12, atol=1e-14)


def test_after_copying_the_network_computes_what_the_encoders_do(model, x):
    model.stages()[-1].begin()
    for depth, code in enumerate(codes(model, x)):
        torch.testing.assert_close(model.network.encode(x, depth), code, rtol=1e-12, atol=1e-14)
    assert not model(x).any()


def test_forward_is_that_of_the_network(model, x):
    assert torch.equal(model(x), model.network(x))


def test_only_finetuning_begins_with_something():
    model = StackedDenoisingAutoencoder(4, 2, [1, 2, 2], [3, 3], [0.0, 0.0])
    assert [stage.begin is None for stage in model.stages()] == [True, True, False]


def test_finetuning_leaves_the_autoencoders_as_they_were(model, x):
    model.copy_weights()
    before = [parameter.clone() for parameter in model.autoencoders.parameters()]
    optimizer = torch.optim.SGD(model.network.parameters(), lr=0.1)
    for _ in range(2):  # through a softmax of zeros no gradient comes down
        optimizer.zero_grad()
        model.network.training_step((x, torch.arange(7) % 3), 0).backward()
        optimizer.step()
    assert all(map(torch.equal, model.autoencoders.parameters(), before))
    assert not torch.equal(model.network.hidden[0].weight, model.autoencoders[0].layers.weight.t())


def test_predictions_are_the_networks_probabilities(model, x):
    torch.testing.assert_close(model.predict_step((x, None), 0), torch.softmax(model.network(x), 1))


@pytest.mark.parametrize("corruption", [[], [0.1, 0.2], [0.1, 0.2, 0.3, 0.4]])
def test_a_level_for_each_layer_is_wanted(corruption):
    message = rf"is for {len(corruption)} layers, but hidden_sizes=\[5, 6, 4\] has 3; give a level for each layer"
    with pytest.raises(ValueError, match=message):
        StackedDenoisingAutoencoder(12, 3, [1, 3, 4], [5, 6, 4], corruption)


def test_the_network_has_as_many_parameters_as_in_the_tutorial():
    model = StackedDenoisingAutoencoder(784, 10, [1, 28, 28], [1000, 1000, 1000], [0.1, 0.2, 0.3])
    assert sum(parameter.numel() for parameter in model.network.parameters()) == 2_797_010


def test_dropout_is_of_the_network():
    model = StackedDenoisingAutoencoder(6, 2, [1, 2, 3], [5, 4], [0.1, 0.2], input_dropout=0.3, hidden_dropout=0.4)
    assert (model.network.input_dropout, model.network.hidden_dropout) == (0.3, 0.4)


def test_the_lowest_filters_are_drawn_before_and_after_finetuning():
    model = StackedDenoisingAutoencoder(784, 10, [1, 28, 28], [20, 5], [0.1, 0.2])
    shapes = {name: sheet.shape for name, sheet in model.figures().items()}
    assert shapes == {"pretrained_filters": (57, 289), "filters": (57, 289)}


def test_levels_that_are_none_are_refused():
    with pytest.raises(AssertionError, match=r"model\.corruption.*must be less than 1"):
        check_model("sda", "model.corruption=[0.1,0.2,1.0]")


def test_the_updates_of_all_stages_are_fused(train):
    small = ("model.hidden_sizes=[20,10]", "model.corruption=[0.1,0.2]", "recipe.stages.pretrain.max_epochs=1")
    output = train("model=sda", *small, "recipe.max_epochs=1", "trainer.limit_train_batches=5").output
    assert "stage finetune" in output
    assert "Fused updates disabled" not in output


def test_a_shift_below_0_is_refused(cli):
    result = cli("model=sda", "model.max_shift=-1")
    assert result.code == 2
    assert "model.max_shift=-1: must be greater than or equal to 0" in result.err
