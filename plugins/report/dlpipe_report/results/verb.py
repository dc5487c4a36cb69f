"""``python -m dlpipe results``: record runs, and write the page of results from all records."""

import argparse
from pathlib import Path

from dlpipe import DlpipeError
from dlpipe_report.results.curve_tables import curves
from dlpipe_report.results.details import WITHOUT_CURVE, details
from dlpipe_report.results.glance import changed, glance
from dlpipe_report.results.markdown import replace_marked
from dlpipe_report.results.record import Record, read_records, record_of

RECORDS = Path("docs", "results")
PAGE = Path("docs", "results.md")
README = Path("README.md")
DIFFERS = 1
NO_CURVE = f"Runs marked {WITHOUT_CURVE} were recorded without their curve, and with rounded numbers."


def results(words: list[str]) -> int:
    """Record finished runs in docs/results/, and write docs/results.md and the README's table from all records."""
    arguments = _parser().parse_args(words)
    if not arguments.page.is_file():
        raise DlpipeError(
            f"{arguments.page}: no such file; run this in a checkout, or name a page that exists with --page"
        )
    if arguments.check and arguments.runs:
        raise DlpipeError("--check compares the page with the records; it takes no RUN")
    for record in [record_of(name) for name in arguments.runs]:
        print(f"recorded in {record.write(arguments.records)}")
    if arguments.picture:
        from dlpipe_report.results.picture import write_picture

        print(f"picture: {write_picture(arguments.runs, arguments.picture)}")
    pages = _pages(arguments.page, read_records(arguments.records))
    if arguments.check:
        return _differing(pages)
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
        print(f"written: {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m dlpipe results", description=results.__doc__, allow_abbrev=False)
    parser.add_argument("runs", metavar="RUN", nargs="*", help="the directory of a finished run to record")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a page differs")
    parser.add_argument("--records", metavar="DIR", type=Path, default=RECORDS, help=f"default: {RECORDS}")
    parser.add_argument("--page", metavar="FILE", type=Path, default=PAGE, help=f"default: {PAGE}")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="also compose filters and samples of these runs")
    return parser


def _pages(page: Path, records: list[Record]) -> dict[Path, str]:
    """The page and, if it has the markers, the README, as they are written from the records."""
    first = glance(records)
    note = [] if all(record.has_curve for record in records) else [NO_CURVE]
    parts = {
        "glance": first,
        "changed": changed(records),
        "details": "\n\n".join([*note, details(records)]),
        "curves": curves(records),
    }
    pages = {page: replace_marked(page.read_text(encoding="utf-8"), parts, str(page))}
    readme = README.read_text(encoding="utf-8") if page == PAGE and README.is_file() else ""
    if "<!-- glance -->" in readme:
        pages[README] = replace_marked(readme, {"glance": first}, str(README))
    return pages


def _differing(pages: dict[Path, str]) -> int:
    differing = [path for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    for path in differing:
        print(f"{path} differs from the records; write it with: python -m dlpipe results")
    return DIFFERS if differing else 0
