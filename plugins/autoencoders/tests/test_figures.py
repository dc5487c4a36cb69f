"""What the autoencoders draw."""

import pytest
import torch

from dlpipe_autoencoders.contractive import ContractiveAutoencoder
from dlpipe_autoencoders.corruption import corrupt
from dlpipe_autoencoders.denoising import DenoisingAutoencoder
from dlpipe_autoencoders.figures import reconstruction_figures


class Data:
    """Twelve examples to test on."""

    def __init__(self, num_features):
        self.x = torch.rand(12, num_features, generator=torch.Generator().manual_seed(0))

    def test_dataloader(self):
        return [(self.x, torch.zeros(12, dtype=torch.int64))]


@pytest.mark.parametrize("autoencoder", [DenoisingAutoencoder, ContractiveAutoencoder])
def test_a_hundred_filters_are_tiled_in_rows_of_ten(autoencoder):
    assert autoencoder(784, [1, 28, 28]).figures()["filters"].shape == (289, 289)


@pytest.mark.parametrize("autoencoder", [DenoisingAutoencoder, ContractiveAutoencoder])
def test_a_filter_is_a_column_of_the_weight(autoencoder):
    model = autoencoder(6, [1, 2, 3], num_hidden=2)
    with torch.no_grad():
        model.layers.weight.zero_()[4, 1] = 1  # second unit; second row, second column of 2 x 3
    sheet = model.figures()["filters"]
    assert sheet.shape == (2, 7)
    assert [(int(row), int(column)) for row, column in zip(*sheet.nonzero(), strict=True)] == [(1, 5)]


@pytest.mark.parametrize(
    ("autoencoder", "rows"), [(DenoisingAutoencoder, 3), (ContractiveAutoencoder, 2)], ids=["da", "ca"]
)
@torch.no_grad()
def test_ten_test_images_stand_above_what_is_made_of_them(autoencoder, rows):
    sheet = autoencoder(784, [1, 28, 28], 4).data_figures(Data(784))["reconstructions"]
    assert sheet.shape == (29 * rows - 1, 29 * 10 - 1)


@torch.no_grad()
def test_the_rows_are_images_then_corrupted_then_reconstructed_from_these():
    model, data = DenoisingAutoencoder(784, [1, 28, 28], 4), Data(784)
    x = data.x[:10]
    corrupted = corrupt(x, 0.3, torch.Generator().manual_seed(0))
    expected = reconstruction_figures([x, corrupted, model(corrupted)], [1, 28, 28])["reconstructions"]
    assert (model.data_figures(data)["reconstructions"] == expected).all()


@torch.no_grad()
def test_drawing_twice_gives_the_same_and_leaves_torchs_generator_alone():
    model, before = DenoisingAutoencoder(784, [1, 28, 28], 4), torch.get_rng_state()
    first, second = (model.data_figures(Data(784))["reconstructions"] for _ in range(2))
    assert (first == second).all()
    assert torch.equal(torch.get_rng_state(), before)


def test_images_stand_in_columns():
    rows = [torch.eye(4)[:2], torch.eye(4)[2:]]  # a white pixel each, in 2 x 2
    sheet = reconstruction_figures(rows, [1, 2, 2])["reconstructions"]
    lit = [(int(row), int(column)) for row, column in zip(*sheet.nonzero(), strict=True)]
    assert lit == [(0, 0), (0, 4), (4, 0), (4, 4)]


@pytest.mark.parametrize("image_shape", [[12], [3, 2, 2], [1, 3, 3]], ids=["codes", "colours", "another size"])
@pytest.mark.parametrize("autoencoder", [DenoisingAutoencoder, ContractiveAutoencoder])
@torch.no_grad()
def test_what_is_no_image_is_not_drawn(autoencoder, image_shape):
    model = autoencoder(12, image_shape, 4)
    assert model.figures() == {}
    assert model.data_figures(Data(12)) == {}
