"""How metrics are written for people: errors in per cent with six decimals, as the tutorials print them."""

import math

SPLITS = {"val": "validation"}


def format_metric(name: str, value: float) -> str:
    """``validation error 7.500000 %`` of val/error, ``test loss 0.269858`` of test/loss."""
    split, slash, rest = name.partition("/")
    return (
        f"{SPLITS.get(split, split)} {rest} {format_value(name, value)}"
        if slash
        else f"{name} {format_value(name, value)}"
    )


def format_value(name: str, value: float) -> str:
    """The value alone: an ``error``, but no ``mean_error``, is a fraction in files and per cent for people."""
    return f"{100 * value:f} %" if name.rpartition("/")[2] == "error" else f"{value:f}"


def equal_or_nan(one: float, other: float) -> bool:
    """Equal to the last bit; NaN, of a run that diverged, is the same as NaN."""
    return one == other or (math.isnan(one) and math.isnan(other))
