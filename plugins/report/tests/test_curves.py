"""Learning curves as the page draws them."""

import math

import pytest

from dlpipe_report.page.curves import epochs_at, panel_and_split, thin


@pytest.mark.parametrize(
    ("metric", "panel", "split"),
    [
        ("train/loss", "loss", "train"),
        ("val/error", "error", "val"),
        ("pretrain/0/val/loss", "pretrain/0/loss", "val"),
        ("pretrain/0/loss", "pretrain/0/loss", "train"),
        ("val_loss", "loss", "val"),
        ("trainable", "trainable", "train"),
        ("loss/val", "loss", "val"),
    ],
)
def test_the_splits_of_a_metric_share_a_panel(metric, panel, split):
    assert panel_and_split(metric) == (panel, split)


def test_short_curves_are_kept_whole():
    points = [(update, float(update)) for update in range(2000)]
    assert thin(points) == points


def test_a_thinned_curve_keeps_its_ends_its_peaks_and_its_gaps():
    points = [(update, math.sin(update)) for update in range(1, 10_001)]
    points[1234] = (1235, 9.0)
    points[5678] = (5679, -9.0)
    points[7000] = (7001, math.nan)
    thinned = thin(points, 2000)
    assert len(thinned) <= 2005
    assert {points[0], points[-1], (1235, 9.0), (5679, -9.0)} <= {*thinned}
    assert [update for update, value in thinned if math.isnan(value)] == [7001]
    assert thinned == sorted(thinned, key=lambda point: point[0])


def test_a_curve_of_nan_alone_is_thinned_too():
    assert len(thin([(update, math.nan) for update in range(10_000)], 100)) <= 55


def test_updates_become_epochs():
    assert epochs_at([(10, 1), (20, 2), (30, 3)], [5, 10, 25, 30]) == [0.5, 1.0, 2.5, 3.0]


def test_epochs_of_stages_add_up():
    assert epochs_at([(10, 1), (20, 2), (30, 1), (40, 2)], [20, 25, 40]) == [2.0, 2.5, 4.0]


def test_an_epoch_that_is_not_over_is_not_counted_whole():
    assert epochs_at([(10, 1), (20, 2), (25, 3)], [25]) == [2.5]


def test_without_rows_there_are_no_epochs():
    assert epochs_at([], [7]) == [0.0]
