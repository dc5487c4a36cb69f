"""Markdown: tables, numbers, and the parts of a page that are generated."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, stdev

from dlpipe import DlpipeError
from dlpipe.metrics import is_percentage


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; in a cell, | is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in lines)


def in_per_cent(metric: str) -> bool:
    """Whether a metric is shown in per cent, as the tutorials give it: errors and F1."""
    return is_percentage(metric) or metric.rpartition("/")[2] == "f1"


def number(metric: str, value: float | None) -> str:
    """Two decimals, without the sign for per cent; empty for None."""
    return "" if value is None else f"{100 * value if in_per_cent(metric) else value:.2f}"


def with_unit(metric: str, text: str) -> str:
    """The text of numbers of a metric, with the sign for per cent if it needs one."""
    return f"{text} %" if text and in_per_cent(metric) else text


def spread(metric: str, values: Sequence[float]) -> str:
    """A value, or mean and standard deviation of several; empty for none."""
    if len(values) < 2:
        return number(metric, values[0] if values else None)
    return f"{number(metric, mean(values))} ± {number(metric, stdev(values))}"


def duration(seconds: float) -> str:
    """``7.4 s``, ``36.9 min`` or ``3.1 h``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def replace_marked(page: str, parts: Mapping[str, str], name: str) -> str:
    """The page with other text between ``<!-- PART -->`` and ``<!-- /PART -->``.

    Raises:
        DlpipeError: the page, which is called ``name``, does not have each marker once.
    """
    for part, text in parts.items():
        begin, end = f"<!-- {part} -->\n", f"<!-- /{part} -->"
        if [page.count(begin), page.count(end)] != [1, 1] or page.index(begin) > page.index(end):
            raise DlpipeError(f"{name} must have the lines {begin.strip()} and {end} once each, in this order")
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}{text}\n{end}{rest.partition(end)[2]}"
    return page
