"""The arguments of ``python -m dlpipe report``; importing this file imports no torch."""

import argparse
from pathlib import Path

import dlpipe
from dlpipe_report.page.output import check_output, default_output, write_report


def report(words: list[str]) -> None:
    """Write runs, or a sweep, as one HTML file: targets, curves, confusion matrix, pictures, config, log."""
    arguments = _parser().parse_args(words)
    sweeps = list(filter(dlpipe.Sweep.is_at, arguments.runs))
    if sweeps and len(arguments.runs) > 1:
        raise dlpipe.DlpipeError(f"{sweeps[0]} is a sweep, which has a report of its own: give nothing else with it")
    if sweeps:
        path = _report_sweep(dlpipe.Sweep(sweeps[0]), arguments.output)
    else:
        runs = {run.directory.resolve(): run for run in map(dlpipe.Run, arguments.runs)}
        path = _report_runs(list(runs.values()), arguments.output)
    print(f"{_from_here(path)}: {path.stat().st_size / 1e6:.2f} MB; open it in a browser")


def _report_sweep(sweep: dlpipe.Sweep, output: Path | None) -> Path:
    from dlpipe_report.page.report import report_of_sweep

    path = _checked(output, sweep.directory)
    write_report(path, report_of_sweep(sweep))
    return path


def _report_runs(runs: list[dlpipe.Run], output: Path | None) -> Path:
    from dlpipe_report.page.report import report_of_run, report_of_runs

    path = _checked(output, runs[0].directory if len(runs) == 1 else None)
    write_report(path, report_of_run(runs[0]) if len(runs) == 1 else report_of_runs(runs))
    return path


def _checked(output: Path | None, directory: Path | None) -> Path:
    """The file to write, known to be free before anything is computed."""
    path = output or default_output(directory)
    if not output and directory and path.parent != directory:
        print(f"{directory} cannot be written to; the report is in the working folder")
    check_output(path)
    return path


def _from_here(path: Path) -> Path:
    """The path as it is typed in the working folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m dlpipe report", description=report.__doc__, allow_abbrev=False)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="directories of runs, or of one sweep; last: the latest")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="default: report.html in RUN, or in this folder for several"
    )
    return parser
