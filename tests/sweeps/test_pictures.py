"""Which picture a sweep gets, and what it shows."""

import numpy as np
import pytest
from PIL import Image

from dlpipe.sweeps import pictures
from dlpipe.sweeps.pictures import draw, picture, points_of, swept_keys
from dlpipe.sweeps.rows import read_rows
from dlpipe.sweeps.settings import settings_of


@pytest.fixture
def sweep(tmp_path, write_job):
    """Write a sweep with a value for each combination of overrides, two seeds each; returns its directory."""

    def write(*combinations, metric="val/error"):
        for number, overrides in enumerate(combinations):
            for seed in (1, 2):
                value = (number + seed) / 100
                write_job(tmp_path, 2 * number + seed, [*overrides, f"seed={seed}"], value, metric=metric)
        return tmp_path

    return write


def figure_of(folder, metric="val/error"):
    settings = settings_of(read_rows(folder))
    return picture(metric, swept_keys(settings), points_of(settings, metric))


def test_one_number_is_a_curve_with_mean_and_spread_in_per_cent(sweep):
    (axes,) = figure_of(sweep(["optimizer.lr=0.1"], ["optimizer.lr=0.2"])).axes
    mean, jobs = axes.lines
    np.testing.assert_allclose(mean.get_xydata(), [[0.1, 1.5], [0.2, 2.5]])
    assert len(jobs.get_xydata()) == 4
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    np.testing.assert_allclose([corners[:, 1].min(), corners[:, 1].max()], [1.5 - 0.5**0.5, 2.5 + 0.5**0.5])
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("optimizer.lr", "val/error (%)", "linear")


@pytest.mark.parametrize(("largest", "scale"), [("0.1", "log"), ("0.09", "linear")])
def test_an_axis_is_logarithmic_from_two_decades_on(largest, scale, sweep):
    (axes,) = figure_of(sweep(["optimizer.lr=0.001"], [f"optimizer.lr={largest}"])).axes
    assert axes.get_xscale() == scale


def test_numbers_that_are_not_positive_have_a_linear_axis(sweep):
    (axes,) = figure_of(sweep(["recipe.dropout=0"], ["recipe.dropout=0.5"])).axes
    assert axes.get_xscale() == "linear"


def test_two_values_are_a_heat_map_of_means(sweep):
    folder = sweep(["model=mlp", "optimizer.lr=1"], ["model=mlp", "optimizer.lr=10"], ["model=a", "optimizer.lr=1"])
    axes, colours = figure_of(folder).axes
    (image,) = axes.images
    np.testing.assert_allclose(image.get_array().filled(np.nan), [[3.5, np.nan], [1.5, 2.5]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "mlp"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10"]
    assert colours.get_ylabel() == "mean val/error (%)"


def test_random_search_over_two_numbers_is_points(sweep):
    figure = figure_of(sweep(*([f"optimizer.lr={n}", f"recipe.dropout={n}"] for n in range(5))))
    assert [axes.get_xlabel() for axes in figure.axes] == ["optimizer.lr", "recipe.dropout"]
    assert [len(axes.lines[0].get_xydata()) for axes in figure.axes] == [10, 10]


def test_one_value_that_is_no_number_is_points(sweep):
    (axes,) = figure_of(sweep(["optimizer=sgd"], ["optimizer=adam"], [])).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["adam", "default", "sgd"]
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[2, 1], [2, 2], [0, 2], [0, 3], [1, 3], [1, 4]])


def test_a_value_with_dollars_is_no_formula(sweep):
    folder = sweep(["data.name=${model.name}$"], ["data.name=$\\x"])
    assert draw(folder, read_rows(folder)) == [folder / "figures" / "val_error.png"]


def test_picture_of_every_monitored_metric_is_written(sweep, write_job):
    folder = sweep(["optimizer.lr=1"], ["optimizer.lr=2"])
    for number in (10, 11):
        write_job(folder, number, [f"optimizer.lr={number}"], 0.5, metric="val/loss")
    paths = draw(folder, read_rows(folder))
    assert [path.name for path in paths] == ["val_error.png", "val_loss.png"]
    for path in paths:
        with Image.open(path) as image:
            assert image.size == (700, 450)


def test_models_that_monitor_nothing_have_a_picture_of_each_test_metric(tmp_path, write_job):
    for number in range(2):
        write_job(tmp_path, number, [f"model.step={number}"], test={"test/ess": 1.0, "test/rhat": 2.0})
    assert [path.name for path in draw(tmp_path, read_rows(tmp_path))] == ["test_ess.png", "test_rhat.png"]


def test_a_sweep_over_seeds_alone_has_no_picture(sweep):
    folder = sweep(["model=mlp"])
    assert draw(folder, read_rows(folder)) == []
    assert not (folder / pictures.FIGURES).exists()
