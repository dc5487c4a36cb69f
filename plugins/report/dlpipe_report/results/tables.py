"""The tables of the page: all chapters at a glance, each command in detail, published curves beside ours."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import mean
from typing import Any

from dlpipe_report.results.chapters import Chapter, chapter_of, read_chapters
from dlpipe_report.results.markdown import duration, in_per_cent, number, spread, table, with_unit
from dlpipe_report.results.record import Record

Group = list[Record]  # runs of one command, by seed
WITHOUT_CURVE = "†"


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


def glance(records: Iterable[Record]) -> str:
    """A row for each chapter, with its published recipe; and those of other recipes with a name of their own."""
    rows = []
    plain = [group for group in groups(records) if group[0].is_plain]
    for chapter in read_chapters():
        own = [group for group in plain if _is_of(group[0], chapter)]
        rows.append(_glance_row(chapter, own[0]) if own else [chapter.chapter, *[""] * 3, "no run yet", *[""] * 2])
    others = [group for group in plain if not any(_is_of(group[0], chapter) for chapter in read_chapters())]
    rows += [_glance_row(_without_chapter(group), group) for group in others]
    return table(["chapter", "metric", "published", "dlpipe", "reached", "updates/s", "time (published)"], rows)


def changed(records: Iterable[Record]) -> str:
    """The same for recipes with other hyper-parameters; empty if there are none."""
    rows = []
    for group in (group for group in groups(records) if not group[0].is_plain):
        chapter = chapter_of(group[0].summary["model"])
        name = f"{chapter.chapter}, on `{group[0].summary['dataset']}`" if chapter else _without_chapter(group).chapter
        rows.append([name, *_glance_row(chapter or _without_chapter(group), group)[1:]])
    header = ["chapter", "metric", "published", "dlpipe", "reached", "updates/s", "time (published)"]
    return table(header, rows) if rows else ""


def _is_of(record: Record, chapter: Chapter) -> bool:
    return (record.summary["model"], record.summary["dataset"]) == (chapter.model, chapter.dataset)


def _without_chapter(group: Group) -> Chapter:
    summary = group[0].summary
    return Chapter(f"`{summary['model']}` on `{summary['dataset']}`", summary["model"], summary["dataset"])


def _glance_row(chapter: Chapter, group: Group) -> list[str]:
    targets = published(group[0])
    metrics = [target["metric"] for target in targets] or judged_by(group[0])
    seconds = mean(record.summary["seconds"] for record in group)
    rate = mean(record.summary["updates"] / record.summary["seconds"] for record in group)
    own = _joined(metrics, [spread(metric, _values(group, metric)) for metric in metrics])
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


def _label(metrics: Sequence[str]) -> str:
    """``val / test error``, ``acceptance / step size``."""
    splits, names = zip(*(metric.rpartition("/")[::2] for metric in metrics), strict=True)
    text = f"{' / '.join(splits)} {names[0]}" if len(set(names)) == 1 else " / ".join(names)
    return text.replace("_", " ")


def _joined(metrics: Sequence[str], texts: Sequence[str]) -> str:
    """``7.50 / 7.49 %``."""
    return with_unit(metrics[-1], " / ".join(texts))


def _values(group: Group, metric: str) -> list[float]:
    return [value for record in group if (value := record.value(metric)) is not None]


def _reached(target: dict[str, Any], group: Group) -> str:
    """Yes or no, or how many of several runs reach a published number; empty if it is not to be reached."""
    if "mode" not in target and "reached" not in target:
        return ""
    sign = -1 if target.get("mode") == "max" else 1
    values = _values(group, target["metric"])
    count = sum(sign * round(value, 8) <= sign * round(target["value"], 8) for value in values)
    if len(group) > 1:
        return f"{count} of {len(group)}"
    return "yes" if count else "no"


def details(records: Sequence[Record]) -> str:
    """For each command a table with a row for each seed and, of several, their mean."""
    return "\n\n".join(_details_of(group) for group in groups(records))


def _details_of(group: Group) -> str:
    first = group[0]
    targets = published(first)
    metrics = list(dict.fromkeys([*(target["metric"] for target in targets), *judged_by(first)]))
    values = [with_unit(target["metric"], number(target["metric"], target["value"])) for target in targets]
    chapter = chapter_of(first.summary["model"], first.summary["dataset"])
    rows = (
        [["published", *values, *[""] * (len(metrics) - len(values) + 2), chapter.time if chapter else ""]]
        if targets
        else []
    )
    rows += [_seed_row(record, metrics) for record in group]
    if len(group) > 1:
        spreads = [with_unit(metric, spread(metric, _values(group, metric))) for metric in metrics]
        rows.append(["mean ± standard deviation", *spreads, "", "", ""])
    heading = chapter_of(first.summary["model"])
    title = f"### {heading.chapter}\n\n" if heading and first.is_plain else ""
    lines = [table(["", *metrics, "best at update", "updates (stopped by)", "time"], rows)]
    lines += [text for text in (*map(_stages, group), _circumstances(group, chapter, targets)) if text]
    return f"{title}`{first.command}`\n\n" + "\n\n".join(lines)


def _seed_row(record: Record, metrics: Sequence[str]) -> list[str]:
    summary = record.summary
    best = summary["best"]
    update = f"{best['update']:,} " if best and best["update"] is not None else ""
    mark = "" if record.has_curve else f" {WITHOUT_CURVE}"
    return [
        f"seed {summary['seed']}{mark}",
        *(with_unit(metric, number(metric, record.value(metric))) for metric in metrics),
        f"{update}(epoch {best['epoch']})" if best else "",
        f"{summary['updates']:,} ({summary['stopped_by']})",
        duration(summary["seconds"]),
    ]


def _stages(record: Record) -> str:
    """What each stage of a run took; empty if it has none."""
    texts = [
        f"{stage['name']} {stage['epochs']} epochs, {stage['updates']:,} updates, {duration(stage['seconds'])}"
        for stage in record.summary["stages"]
    ]
    return f"Seed {record.summary['seed']}: {'; '.join(texts)}." if texts else ""


def _circumstances(group: Group, chapter: Chapter | None, targets: Sequence[dict[str, Any]]) -> str:
    dates = sorted({record.provenance["started"][:10] for record in group})
    machine, libraries = group[0].provenance["machine"], group[0].provenance["libraries"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''} of {machine['cpus']} cores"
    sources = "; ".join(dict.fromkeys(target["source"] for target in targets))
    hardware = f" ({chapter.hardware})" if chapter and chapter.hardware else ""
    return f"{', '.join(dates)}; torch {libraries['torch']}, {threads}." + (
        f" Published{hardware}: {sources}." if sources else ""
    )


def curves(records: Sequence[Record]) -> str:
    """For each published log a table: its value at each epoch beside ours."""
    plain = [group for group in groups(records) if group[0].is_plain]
    tables = []
    for chapter in read_chapters():
        own = [record for group in plain for record in group if _is_of(record, chapter) and record.has_curve]
        if chapter.curve and own:
            tables.append(f"### {chapter.chapter}\n\n{_curve_table(chapter, own)}")
    return "\n\n".join(tables)


def _curve_table(chapter: Chapter, own: Group) -> str:
    assert chapter.curve is not None  # of a published log
    metric, points = chapter.curve.metric, chapter.curve.points
    ours = [dict((record.curve or {}).get(metric, [])) for record in own]
    columns = [points, *ours]
    header = ["epoch", "published", *(f"seed {record.summary['seed']}" for record in own)]
    rows = [[str(epoch), *(number(metric, column.get(epoch)) for column in columns)] for epoch in points]
    unit = ", in per cent" if in_per_cent(metric) else ""
    return f"`{metric}`{unit}; published: {chapter.curve.source}.\n\n{table(header, rows)}"
