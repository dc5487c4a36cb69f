"""Runs of one command, and what they are judged by."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from dlpipe_report.results.chapters import Chapter, chapter_of, read_chapters
from dlpipe_report.results.record import Record

Group = list[Record]  # runs of one command, by seed


def groups(records: Iterable[Record]) -> list[Group]:
    """The runs by command, in whatever order its parts stand: chapter by chapter, the published recipe first."""
    found: dict[Any, Group] = defaultdict(list)
    for record in records:
        found[record.summary["model"], record.summary["dataset"], frozenset(record.changes)].append(record)
    return sorted((sorted(group, key=lambda one: int(one.summary["seed"])) for group in found.values()), key=_place)


def _place(group: Group) -> tuple[Any, ...]:
    models = [chapter.model for chapter in read_chapters()]
    model, first = group[0].summary["model"], group[0]
    return models.index(model) if model in models else len(models), model, not first.is_plain, first.command


def is_of(record: Record, chapter: Chapter) -> bool:
    """Whether a run is of the chapter's model and dataset."""
    return (record.summary["model"], record.summary["dataset"]) == (chapter.model, chapter.dataset)


def published(record: Record) -> list[dict[str, Any]]:
    """The published numbers for a run: its targets, or what the chapter prints otherwise."""
    chapter = chapter_of(record.summary["model"], record.summary["dataset"])
    return record.summary["targets"] or (chapter.values if chapter else [])


def judged_by(record: Record) -> list[str]:
    """The metrics of a run without published numbers: the monitored one and the same of the test, or the test's."""
    best, test = record.summary["best"], record.summary["test"]
    if not best:
        return sorted(test)
    same = f"test/{best['metric'].rpartition('/')[2]}"
    return [best["metric"], *([same] if same in test else [])]


def values_of(group: Group, metric: str) -> list[float]:
    """The runs' values of a metric, without those that lack it."""
    return [value for record in group if (value := record.value(metric)) is not None]
