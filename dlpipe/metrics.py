"""Format metrics as the tutorials print them: six decimals, errors in per cent."""

import math

SPLITS = {"val": "validation"}


def format_metric(name: str, value: float) -> str:
    """``validation error 7.500000 %`` for val/error, ``test loss 0.269858`` for test/loss."""
    split, slash, metric = name.partition("/")
    label = f"{SPLITS.get(split, split)} {metric}" if slash else name
    return f"{label} {format_value(name, value)}"


def format_value(name: str, value: float) -> str:
    """The value alone; an ``error`` is a fraction that is printed in per cent."""
    return f"{100 * value:f} %" if is_percentage(name) else f"{value:f}"


def is_percentage(name: str) -> bool:
    """Whether a metric is shown in per cent: an ``error``, but not a ``mean_error``."""
    return name.rpartition("/")[2] == "error"


def equal_or_nan(one: float, other: float) -> bool:
    """Whether two values are equal to the last bit; NaN, from a run that diverged, equals NaN."""
    return one == other or (math.isnan(one) and math.isnan(other))
