"""How metrics are printed and compared."""

import math

import pytest

from dlpipe.metrics import equal_or_nan, format_metric


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("val/error", 0.075, "validation error 7.500000 %"),
        ("test/loss", 0.25, "test loss 0.250000"),
        ("test/mean_error", 0.05, "test mean_error 0.050000"),
        ("accuracy", 0.5, "accuracy 0.500000"),
    ],
)
def test_only_errors_are_printed_in_per_cent(name, value, text):
    assert format_metric(name, value) == text


def test_values_are_equal_only_to_the_last_bit_and_nan_equals_nan():
    assert equal_or_nan(0.1, 0.1)
    assert equal_or_nan(math.nan, math.nan)
    assert not equal_or_nan(0.1, math.nextafter(0.1, 1))
    assert not equal_or_nan(math.nan, 0.1)
