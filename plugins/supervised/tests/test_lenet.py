"""LeNet against the same network written out."""

import pytest
import torch
import torch.nn.functional as F

from dlpipe_supervised.lenet import LeNet, pooled_size


@pytest.fixture
def make():
    """A model in double precision, none of whose parameters is zero."""

    def build(image_shape, **options):
        torch.manual_seed(0)
        model = LeNet(image_shape, 3, [2, 4], num_hidden=7, **options).double()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        return model

    return build


def max_pool(maps, size):
    """The largest value of each size x size window, where a border that fills none is ignored."""
    rows, columns = maps.shape[2] // size, maps.shape[3] // size
    windows = maps[:, :, : rows * size, : columns * size].reshape(*maps.shape[:2], rows, size, columns, size)
    return windows.amax((3, 5))


def written_out(model, x, pool_size):
    """Convolve, pool, add one bias a map, tanh; twice; then the dense layers."""
    for conv in (model.conv1, model.conv2):
        x = torch.tanh(max_pool(F.conv2d(x, conv.weight), pool_size) + conv.bias[:, None, None])
    hidden = torch.tanh(x.reshape(len(x), -1) @ model.hidden.weight.T + model.hidden.bias)
    return hidden @ model.output.weight.T + model.output.bias


@pytest.mark.parametrize(
    ("image_shape", "filter_size", "pool_size"),
    [([1, 28, 28], 5, 2), ([3, 16, 16], 5, 2), ([1, 29, 31], 5, 2), ([2, 24, 27], 4, 3)],
    ids=["mnist", "three channels", "borders that fill no window", "other filters"],
)
def test_forward_is_pool_then_bias_then_tanh(make, image_shape, filter_size, pool_size):
    model = make(image_shape, filter_size=filter_size, pool_size=pool_size)
    x = torch.rand(5, *image_shape, dtype=torch.float64)
    torch.testing.assert_close(model(x.flatten(1)), written_out(model, x, pool_size), rtol=1e-12, atol=1e-12)


def test_pooling_before_tanh_equals_tanh_before_pooling(make):
    model = make([1, 28, 28])
    x = torch.rand(5, 1, 28, 28, dtype=torch.float64)
    y = x
    for conv in (model.conv1, model.conv2):
        y = max_pool(torch.tanh(conv(y)), 2)
    torch.testing.assert_close(
        model(x.flatten(1)), model.output(torch.tanh(model.hidden(y.flatten(1)))), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(("size", "expected"), [(28, 12), (12, 4), (29, 12), (5, 0), (6, 1)])
def test_a_pooled_map_is_as_large_as_in_the_tutorial(size, expected):
    assert pooled_size(size, filter_size=5, pool_size=2) == expected


@pytest.mark.parametrize("image_shape", [[1, 15, 28], [1, 4, 4], [1, 8, 8]])
def test_images_that_leave_nothing_are_refused(image_shape):
    message = rf"images of \[1, {image_shape[1]}, {image_shape[2]}\] leave nothing after two convolutions of 5 x 5 and"
    with pytest.raises(ValueError, match=message):
        LeNet(image_shape, 10, [20, 50])


def test_the_smallest_images_that_leave_something_are_taken():
    assert LeNet([1, 16, 16], 10, [20, 50])(torch.rand(2, 256)).shape == (2, 10)


@pytest.mark.parametrize(("device", "calls"), [("cpu", 3), ("meta", 1)])
def test_examples_are_split_for_the_cache_of_a_cpu_alone(make, device, calls):
    model = make([1, 16, 16], filter_size=3).to(device)
    called = []
    model.conv1.register_forward_hook(lambda *_: called.append(1))
    assert model(torch.rand(101, 256, dtype=torch.float64, device=device)).shape == (101, 3)
    assert len(called) == calls
