"""A table for each command, with a row for each seed."""

from collections.abc import Sequence
from typing import Any

from dlpipe_report.results.chapters import Chapter, chapter_of
from dlpipe_report.results.groups import Group, groups, judged_by, published, values_of
from dlpipe_report.results.markdown import duration, number, spread, table, with_unit
from dlpipe_report.results.record import Record

WITHOUT_CURVE = "†"


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
        spreads = [with_unit(metric, spread(metric, values_of(group, metric))) for metric in metrics]
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
