"""The tutorials' chapters: what they print, in chapters.yaml beside this file."""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class PublishedCurve:
    """A log of a chapter: ``points`` has the values of a metric by epoch, from 1."""

    metric: str
    source: str
    points: dict[int, float]


@dataclass(frozen=True)
class Chapter:
    """A chapter and its recipe; ``values`` has published numbers (metric, value, source, mode) that are no targets."""

    chapter: str
    model: str
    dataset: str
    time: str = ""
    hardware: str = ""
    values: list[dict[str, Any]] = field(default_factory=list)
    curve: PublishedCurve | None = None


@functools.cache
def read_chapters() -> tuple[Chapter, ...]:
    """All chapters in the tutorials' order."""
    content = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return tuple(
        Chapter(**{**one, "curve": PublishedCurve(**one["curve"]) if "curve" in one else None}) for one in content
    )


def chapter_of(model: str, dataset: str | None = None) -> Chapter | None:
    """The chapter of a model, on a dataset or on any; None if there is none."""
    found = [one for one in read_chapters() if one.model == model and dataset in (None, one.dataset)]
    return found[0] if found else None
