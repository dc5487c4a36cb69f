"""What recipes reach: from the directories of finished runs to the tables of docs/results.md."""

import argparse
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import report

PAGE = Path(__file__).parents[1] / "docs" / "results.md"
# parts of a command that say where, not what
WHERE = ("seed=", "threads=", "hydra.run.dir=", "dataset.directory=", "~callbacks.progress_bar")


class Run(NamedTuple):
    """What a finished run left in its directory."""

    summary: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def command(self) -> str:
        """As one types it, without the seed, and with RUN for the run that it starts from."""
        overrides = [part for part in self.provenance["command"][2:] if not part.startswith(WHERE)]
        return " ".join(["python -m dlpipe", *(re.sub("^init_from=.*", "init_from=RUN", part) for part in overrides)])


def main(arguments: list[str]) -> None:
    """Print the tables, or write them to the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="directories of finished runs")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}, beside those of other commands")
    asked = parser.parse_args(arguments)
    found = tables([read(path) for path in asked.runs])
    if asked.write:
        kept = sections(report.between_markers(PAGE)) | found
        report.write_between_markers(PAGE, "\n\n".join(kept.values()))
    else:
        print("\n\n".join(found.values()))


def read(directory: Path) -> Run:
    """A finished run.

    Raises:
        SystemExit: it is not one.
    """
    try:
        run = Run(*(json.loads((directory / f"{name}.json").read_text()) for name in ("summary", "provenance")))
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise SystemExit(f"{directory} has no {name}: it is not the directory of a finished run") from None
    if run.summary["status"] != "finished":
        raise SystemExit(f"{directory} holds a run that is {run.summary['status']}, not finished")
    return run


def tables(runs: list[Run]) -> dict[str, str]:
    """By command, in whatever order its parts stand, a table with a row for each seed and, of several, their mean."""
    groups = defaultdict(list)
    for run in runs:
        groups[frozenset(run.command.split())].append(run)
    return {own[0].command: _of_one_command(own[0].command, own) for own in groups.values()}


def sections(page: str) -> dict[str, str]:
    """By command what `tables` has written."""
    parts = re.split(r"^(?=`python -m dlpipe )", page, flags=re.MULTILINE)
    return {part.split("`")[1]: part.strip() for part in parts if part.startswith("`")}


def _of_one_command(command: str, runs: list[Run]) -> str:
    targets = runs[0].summary["targets"]
    metrics = [target["metric"] for target in targets] or _judged_by(runs[0])
    published = [_shown(target["metric"], target["value"]) for target in targets]
    rows = [["published", *published, "", "", ""]] if targets else []
    values = [[_reached(run, metric) for metric in metrics] for run in runs]
    for run, own in zip(runs, values, strict=True):
        summary = run.summary
        best = f"{summary['best']['update']:,} (epoch {summary['best']['epoch']})" if summary["best"] else ""
        updates = f"{summary['updates']:,} ({summary['stopped_by']})"
        seen = map(_shown, metrics, own)
        rows.append([f"seed {summary['seed']}", *seen, best, updates, f"{summary['seconds'] / 60:.1f}"])
    if len(runs) > 1:
        rows.append(["mean ± standard deviation", *map(_spread, metrics, zip(*values, strict=True)), "", "", ""])
    table = report.markdown(["", *metrics, "best at update", "updates (stopped by)", "minutes"], rows)
    parts = [f"`{command}`", table, *map(_stages, runs), _circumstances(runs)]
    return "\n\n".join(part for part in parts if part)


def _stages(run: Run) -> str:
    """What each stage of a run took; nothing where it has none."""
    message = [
        f"{stage['name']} {stage['epochs']} epochs, {stage['updates']:,} updates, {stage['seconds'] / 60:.1f} minutes"
        for stage in run.summary.get("stages", [])
    ]
    return f"Seed {run.summary['seed']}: {'; '.join(message)}." if message else ""


def _judged_by(run: Run) -> list[str]:
    """What a run without published numbers is judged by: the monitored metric and the same of the test, or the test."""
    best, test = run.summary["best"], run.summary["test"]
    if not best:
        return sorted(test)
    same = f"test/{best['metric'].rpartition('/')[2]}"
    return [best["metric"], *([same] if same in test else [])]


def _reached(run: Run, metric: str) -> float:
    best, test = run.summary["best"], run.summary["test"]
    return float(best["value"] if best and best["metric"] == metric else test[metric])


def _shown(metric: str, value: float) -> str:
    """Errors and F1 in percent, as the tutorials give them."""
    return f"{100 * value:.2f} %" if metric.rpartition("/")[2] in ("error", "f1") else f"{value:.2f}"


def _spread(metric: str, values: tuple[float, ...]) -> str:
    return f"{_shown(metric, mean(values))} ± {_shown(metric, stdev(values))}"


def _circumstances(runs: list[Run]) -> str:
    started = sorted({run.provenance["started"][:10] for run in runs})
    machine, libraries = runs[0].provenance["machine"], runs[0].provenance["libraries"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''} of {machine['cpus']} cores"
    return f"{', '.join(started)}; torch {libraries['torch']}, {threads}."


if __name__ == "__main__":
    main(sys.argv[1:])
