"""All chapters at a glance, and recipes with other hyper-parameters, a row each."""

from collections.abc import Iterable, Sequence
from statistics import mean
from typing import Any

from dlpipe_report.results.chapters import Chapter, chapter_of, read_chapters
from dlpipe_report.results.groups import Group, groups, is_of, judged_by, published, values_of
from dlpipe_report.results.markdown import duration, number, spread, table, with_unit
from dlpipe_report.results.record import Record

HEADER = ("chapter", "metric", "published", "dlpipe", "reached", "updates/s", "time (published)")


def glance(records: Iterable[Record]) -> str:
    """A row for each chapter, with its published recipe; and those of other recipes with a name of their own."""
    rows = []
    plain = [group for group in groups(records) if group[0].is_plain]
    for chapter in read_chapters():
        own = [group for group in plain if is_of(group[0], chapter)]
        rows.append(_glance_row(chapter, own[0]) if own else [chapter.chapter, *[""] * 3, "no run yet", *[""] * 2])
    others = [group for group in plain if not any(is_of(group[0], chapter) for chapter in read_chapters())]
    rows += [_glance_row(_without_chapter(group), group) for group in others]
    return table(HEADER, rows)


def changed(records: Iterable[Record]) -> str:
    """The same for recipes with other hyper-parameters; empty if there are none."""
    rows = []
    for group in (group for group in groups(records) if not group[0].is_plain):
        chapter = chapter_of(group[0].summary["model"])
        name = f"{chapter.chapter}, on `{group[0].summary['dataset']}`" if chapter else _without_chapter(group).chapter
        rows.append([name, *_glance_row(chapter or _without_chapter(group), group)[1:]])
    return table(HEADER, rows) if rows else ""


def _without_chapter(group: Group) -> Chapter:
    summary = group[0].summary
    return Chapter(f"`{summary['model']}` on `{summary['dataset']}`", summary["model"], summary["dataset"])


def _glance_row(chapter: Chapter, group: Group) -> list[str]:
    targets = published(group[0])
    metrics = [target["metric"] for target in targets] or judged_by(group[0])
    seconds = mean(record.summary["seconds"] for record in group)
    rate = mean(record.summary["updates"] / record.summary["seconds"] for record in group)
    own = _joined(metrics, [spread(metric, values_of(group, metric)) for metric in metrics])
    stopped = " (stopped by hand)" if group[0].summary["status"] == "interrupted" else ""
    return [
        chapter.chapter,
        _label(metrics),
        _joined(metrics, [number(target["metric"], target["value"]) for target in targets]),
        own + (f" ({len(group)} seeds)" if len(group) > 1 else "") + stopped,
        " / ".join(_reached(target, group) for target in targets).strip(" /"),
        f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}",
        duration(seconds) + (f" ({chapter.time})" if chapter.time and group[0].is_plain else ""),
    ]


def _label(metrics: Sequence[str]) -> str:
    """``val / test error``, ``acceptance / step size``."""
    splits, names = zip(*(metric.rpartition("/")[::2] for metric in metrics), strict=True)
    text = f"{' / '.join(splits)} {names[0]}" if len(set(names)) == 1 else " / ".join(names)
    return text.replace("_", " ")


def _joined(metrics: Sequence[str], texts: Sequence[str]) -> str:
    """``7.50 / 7.49 %``."""
    return with_unit(metrics[-1], " / ".join(texts))


def _reached(target: dict[str, Any], group: Group) -> str:
    """Yes or no, or how many of several runs reach a published number; empty if it is not to be reached."""
    if "mode" not in target and "reached" not in target:
        return ""
    sign = -1 if target.get("mode") == "max" else 1
    values = values_of(group, target["metric"])
    count = sum(sign * round(value, 8) <= sign * round(target["value"], 8) for value in values)
    if len(group) > 1:
        return f"{count} of {len(group)}"
    return "yes" if count else "no"
