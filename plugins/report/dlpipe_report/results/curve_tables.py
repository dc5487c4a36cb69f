"""Published logs, a value at each epoch beside ours."""

from collections.abc import Sequence

from dlpipe_report.results.chapters import Chapter, read_chapters
from dlpipe_report.results.groups import Group, groups, is_of
from dlpipe_report.results.markdown import in_per_cent, number, table
from dlpipe_report.results.record import Record


def curves(records: Sequence[Record]) -> str:
    """For each published log a table: its value at each epoch beside ours."""
    plain = [group for group in groups(records) if group[0].is_plain]
    tables = []
    for chapter in read_chapters():
        own = [record for group in plain for record in group if is_of(record, chapter) and record.has_curve]
        if chapter.curve and own:
            tables.append(f"### {chapter.chapter}\n\n{_table(chapter, own)}")
    return "\n\n".join(tables)


def _table(chapter: Chapter, own: Group) -> str:
    assert chapter.curve is not None  # of a published log
    metric, points = chapter.curve.metric, chapter.curve.points
    ours = [dict((record.curve or {}).get(metric, [])) for record in own]
    columns = [points, *ours]
    header = ["epoch", "published", *(f"seed {record.summary['seed']}" for record in own)]
    rows = [[str(epoch), *(number(metric, column.get(epoch)) for column in columns)] for epoch in points]
    unit = ", in per cent" if in_per_cent(metric) else ""
    return f"`{metric}`{unit}; published: {chapter.curve.source}.\n\n{table(header, rows)}"
