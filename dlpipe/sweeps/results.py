"""All results of a sweep: its tables, its pictures, and its own run in W&B."""

from pathlib import Path

from dlpipe.runs.directory import FIGURES
from dlpipe.sweeps import csv_files, pictures, table
from dlpipe.sweeps.rows import read_rows
from dlpipe.sweeps.settings import settings_of
from dlpipe.sweeps.wandb_run import log_to_wandb, sync_lines


def write_results(sweep_dir: Path) -> list[str]:
    """Write sweep.csv, sweep-summary.csv and the pictures, and log them to W&B if the jobs do.

    Returns:
        The lines for the terminal; none for a sweep without jobs.

    Raises:
        DlpipeError: the record of the sweep cannot be read.
        OSError: a file cannot be written.
    """
    rows = read_rows(sweep_dir)
    if not rows:
        return []
    settings = settings_of(rows)
    path = csv_files.write_jobs(sweep_dir, rows)
    csv_files.write_settings(sweep_dir, settings)
    drawn = pictures.draw(sweep_dir, rows)
    log_to_wandb(sweep_dir, rows, settings, drawn)
    shown = f"; pictures: {FIGURES}/" if drawn else ""
    sync = sync_lines(sweep_dir, rows)
    return [*table.lines(rows), *sync, f"settings: {csv_files.SUMMARY_CSV}{shown}", f"table: {path}"]
