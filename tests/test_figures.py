"""Tiled images, as in the tutorials, and rendered figures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from dlpipe import figures
from dlpipe.figures import figure_to_image, scale_to_unit_interval, tile_raster_images


def ramp(count, pixels):
    """Images whose pixels rise by one from a start of their own."""
    return np.arange(count)[:, None] * 100.0 + np.arange(pixels)


@pytest.mark.parametrize(
    ("image_shape", "tile_shape", "spacing", "expected"),
    [
        ((28, 28), (10, 10), (1, 1), (289, 289)),
        ((28, 28), (10, 20), (1, 1), (289, 579)),
        ((28, 28), (1, 20), (1, 1), (28, 579)),
        ((5, 7), (3, 2), (0, 0), (15, 14)),
        ((5, 7), (3, 2), (2, 4), (19, 18)),
    ],
)
def test_a_sheet_is_as_large_as_its_tiles_and_the_gaps_between_them(image_shape, tile_shape, spacing, expected):
    x = ramp(tile_shape[0] * tile_shape[1], image_shape[0] * image_shape[1])
    assert tile_raster_images(x, image_shape, tile_shape, spacing).shape == expected


def test_grey_levels_are_truncated_as_in_the_tutorials():
    x = np.array([[0.0, 0.25, 0.5, 1.0]])
    # 63.75 and 127.5 are cut off; 255 / (1 + 1e-8) is just below 255
    assert tile_raster_images(x, (1, 4), (1, 1)).tolist() == [[0, 63, 127, 254]]


def test_each_tile_is_scaled_to_its_own_range():
    x = np.array([[0.0, 1.0], [500.0, 700.0]])
    assert tile_raster_images(x, (1, 2), (1, 2)).tolist() == [[0, 254, 0, 254]]


def test_tiles_are_placed_row_by_row():
    x = np.eye(4)[[0, 1, 2]]
    assert tile_raster_images(x, (2, 2), (2, 2)).nonzero()[0].tolist() == [0, 0, 3]
    assert tile_raster_images(x, (2, 2), (2, 2)).nonzero()[1].tolist() == [0, 3, 0]


def test_gaps_are_black():
    sheet = tile_raster_images(ramp(4, 9), (3, 3), (2, 2), (2, 1))
    assert not sheet[3:5].any()
    assert not sheet[:, 3].any()


def test_a_constant_tile_is_black():
    assert not tile_raster_images(np.full((1, 4), 7.0), (2, 2), (1, 1)).any()


def test_missing_images_leave_black_tiles():
    sheet = tile_raster_images(ramp(3, 4), (2, 2), (2, 2))
    assert sheet[:2].any()
    assert not sheet[2:, 2:].any()


def test_images_beyond_the_tiles_are_left_out():
    assert np.array_equal(
        tile_raster_images(ramp(9, 4), (2, 2), (2, 2)), tile_raster_images(ramp(9, 4)[:4], (2, 2), (2, 2))
    )


def test_the_input_is_not_changed():
    x = ramp(2, 4)
    tile_raster_images(x, (2, 2), (1, 2))
    assert np.array_equal(x, ramp(2, 4))


@pytest.mark.parametrize("shape", [(3, 5), (4,), (1, 2, 2)])
def test_images_of_another_size_are_refused(shape):
    with pytest.raises(ValueError, match=r"x has the shape \(.*\); images of 2 x 2 need \(images, 4\)"):
        tile_raster_images(np.zeros(shape), (2, 2), (1, 1))


def test_scaling_is_to_zero_and_just_below_one():
    scaled = scale_to_unit_interval(np.array([-3.0, 1.0, 5.0]))
    np.testing.assert_allclose(scaled, [0, 0.5, 1], rtol=2e-9)


def test_values_in_the_unit_interval_may_stay_as_they_are():
    x = np.array([[0.0, 0.2, 0.4, 0.6]], np.float32)
    assert tile_raster_images(x, (1, 4), (1, 1), scale_rows_to_unit_interval=False).tolist() == [[0, 51, 102, 153]]
    sheet = tile_raster_images(x, (1, 4), (1, 1), scale_rows_to_unit_interval=False, output_pixel_vals=False)
    assert sheet.dtype == np.float32
    assert np.array_equal(sheet, x)


def test_four_channels_are_tiled_separately_and_a_missing_one_is_black_or_opaque():
    x = ramp(6, 4)
    sheet = tile_raster_images((x, None, x[::-1], None), (2, 2), (2, 3), (1, 1))
    assert sheet.shape == (5, 8, 4)
    assert sheet.dtype == np.uint8
    assert np.array_equal(sheet[..., 0], tile_raster_images(x, (2, 2), (2, 3), (1, 1)))
    assert np.array_equal(sheet[..., 2], tile_raster_images(x[::-1], (2, 2), (2, 3), (1, 1)))
    assert not sheet[..., 1].any()
    assert (sheet[..., 3] == 255).all()


def test_four_channels_of_floats_keep_their_dtype():
    # the tutorials' own code fails here: it asks the tuple for its type
    x = ramp(1, 4).astype(np.float32)
    sheet = tile_raster_images((None, x, None, None), (2, 2), (1, 1), output_pixel_vals=False)
    assert sheet.dtype == np.float32
    assert (sheet[..., 3] == 1).all()
    np.testing.assert_allclose(sheet[..., 1], [[0, 1 / 3], [2 / 3, 1]], rtol=1e-6)


@pytest.mark.parametrize("channels", [(None,) * 4, (ramp(1, 4),) * 3])
def test_a_tuple_has_four_channels(channels):
    with pytest.raises(ValueError, match="red, green, blue, alpha"):
        tile_raster_images(channels, (2, 2), (1, 1))


def test_a_figure_becomes_an_image_of_its_size_without_a_window():
    open_windows = plt.get_fignums()
    figure = Figure(figsize=(3, 2), dpi=50)
    figure.add_subplot().plot([0, 1])
    picture = figure_to_image(figure)
    assert (picture.shape, picture.dtype) == ((100, 150, 3), np.uint8)
    assert picture.std() > 5  # something is drawn
    assert plt.get_fignums() == open_windows


METRICS = """step,epoch,val/error,val/loss,train/loss,test/error
9,0,0.5,2.0,,
9,0,,,3.0,
19,1,0.25,1.0,,
19,1,,,1.5,
29,2,0.25,1.5,,
29,2,,,1.0,
30,3,,,,0.125
"""


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw the learning curves of a metrics.csv; return the axes of the Matplotlib figure."""
    monkeypatch.setattr(figures, "figure_to_image", lambda figure: figure)

    def draw(text, best=None):
        (tmp_path / "metrics.csv").write_text(text)
        return figures.draw_learning_curves(tmp_path / "metrics.csv", best).axes

    return draw


def test_learning_curves_have_a_panel_for_each_kind_of_metric_and_errors_in_per_cent(drawn):
    error, loss = drawn(METRICS)
    assert (error.get_ylabel(), loss.get_ylabel()) == ("error (%)", "loss")
    (line,) = error.lines  # the test's error is one point
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([10, 20, 30], [50, 25, 25])
    assert [line.get_label() for line in loss.lines] == ["val/loss", "train/loss"]


def test_the_best_update_is_marked_at_the_first_of_equal_values(drawn):
    error, loss = drawn(METRICS, {"metric": "val/error", "value": 0.25})
    assert [(list(mark.get_xdata()), list(mark.get_ydata())) for mark in error.lines[1:]] == [([20], [25])]
    assert len(loss.lines) == 2


def test_stages_have_panels_of_their_own_in_the_order_of_training(drawn):
    text = "step,epoch,pretrain/0/val/loss,finetune/val/error\n1,0,9,\n2,1,8,\n3,0,,0.5\n4,1,,0.25\n"
    first, last = drawn(text, {"metric": "val/error", "value": 0.25})
    assert (first.get_ylabel(), last.get_ylabel()) == ("pretrain/0/loss", "finetune/error (%)")
    assert (len(first.lines), list(last.lines[1].get_xdata())) == (1, [5])


def test_one_validation_is_no_curve(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,epoch,val/loss\n1,0,2.0\n")
    assert figures.draw_learning_curves(tmp_path / "metrics.csv") is None


def test_the_confusion_matrix_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 5000)
    predicted = np.where(generator.random(5000) < 0.8, labels, generator.integers(0, 10, 5000))
    figure = Figure(figsize=(6, 5.4), dpi=100, layout="constrained")
    display = ConfusionMatrixDisplay(confusion_matrix(labels, predicted))
    for text in display.plot(ax=figure.add_subplot(), colorbar=False, cmap="Blues").text_.flat:
        text.set_in_layout(False)
    figure.axes[0].set(title="test set", xlabel="predicted", ylabel="true")
    drawn = figures.confusion_matrix_figure(labels.tolist(), predicted.tolist(), 10)
    np.testing.assert_array_equal(drawn, figure_to_image(figure))


def test_a_label_that_the_loss_ignores_is_in_no_confusion_matrix():
    drawn = figures.confusion_matrix_figure([0, 1, -100], [0, 1, 1], 2)
    np.testing.assert_array_equal(drawn, figures.confusion_matrix_figure([0, 1], [0, 1], 2))
