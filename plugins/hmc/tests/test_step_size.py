"""The adaptation of the step size, move by move."""

import pytest

from dlpipe_hmc.step_size import adapt_step_size

RULE = {
    "target_acceptance": 0.9,
    "increase": 1.02,
    "decrease": 0.98,
    "step_size_min": 0.001,
    "step_size_max": 0.25,
    "smoothing": 0.9,
}
# acceptance of a move, then step size and average after it; the start is 0.1 and 0.9
BY_HAND = [
    (1.0, 0.098, 0.91),  # the average is at the target, not above: smaller
    (1.0, 0.09996, 0.919),  # it was above: larger, whatever this move did
    (0.0, 0.1019592, 0.8271),  # still by the average before this move
    (1.0, 0.099920016, 0.84439),
    (1 / 3, 0.09792161568, 0.793284333333),
]


def test_the_step_size_follows_the_average_before_the_move():
    step_size, average = 0.1, 0.9
    for acceptance, expected, expected_average in BY_HAND:
        step_size, average = adapt_step_size(step_size, average, acceptance, **RULE)
        assert step_size == pytest.approx(expected, rel=1e-12)
        assert average == pytest.approx(expected_average, rel=1e-11)


@pytest.mark.parametrize(
    ("step_size", "average", "clipped"), [(0.249, 0.95, 0.25), (0.25, 0.95, 0.25), (0.00101, 0.5, 0.001)]
)
def test_the_step_size_stays_between_its_bounds(step_size, average, clipped):
    assert adapt_step_size(step_size, average, 1.0, **RULE)[0] == clipped


def test_without_smoothing_the_average_is_the_last_move():
    assert adapt_step_size(0.1, 0.2, 0.75, **{**RULE, "smoothing": 0.0})[1] == 0.75
