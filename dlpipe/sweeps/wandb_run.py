"""The W&B run of a sweep itself, beside those of its jobs: its summary as a table, and its pictures."""

import logging
import shlex
import warnings
from pathlib import Path
from typing import Any

from dlpipe.errors import DlpipeError
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import CONFIG
from dlpipe.sweeps.csv_files import columns_of, setting_columns
from dlpipe.sweeps.rows import Row
from dlpipe.sweeps.settings import Setting

log = logging.getLogger(__name__)


def log_to_wandb(sweep_dir: Path, rows: list[Row], settings: list[Setting], pictures: list[Path]) -> None:
    """Log the results of a sweep whose jobs log to W&B, in their project and group; a sweep that is resumed, again.

    A config or settings of W&B's that cannot be used cost the run in W&B alone, with a warning.
    """
    try:
        if (options := _wandb_options(sweep_dir, rows)) is not None:
            _log(sweep_dir, options, settings, pictures)
    except DlpipeError as error:
        log.warning("the sweep is not logged to W&B: %s", error)


def sync_lines(sweep_dir: Path, rows: list[Row]) -> list[str]:
    """A line with the command that sends the offline logs of all jobs and of the sweep itself; none without such logs.

    A job's name may have several folders, so there is a pattern for each depth.
    """
    depths = sorted({0, *(len(Path(row.name).parts) for row in rows)})
    patterns = ["*/" * depth + "wandb/offline-run-*" for depth in depths]
    found = [f"{shlex.quote(str(sweep_dir))}/{pattern}" for pattern in patterns if any(sweep_dir.glob(pattern))]
    return [f"send the whole sweep later with: wandb sync {' '.join(found)}"] if found else []


def _log(sweep_dir: Path, options: dict[str, Any], settings: list[Setting], pictures: list[Path]) -> None:
    import wandb

    from dlpipe.training.loggers.wandb import finish_run, start_run

    group = options.get("group") or sweep_dir.name
    offline = bool(options.get("offline"))
    run = start_run(
        str(sweep_dir.absolute()), options["project"], offline, name=sweep_dir.name, group=group, job_type="sweep"
    )
    summary = [setting_columns(setting) for setting in settings]
    columns = columns_of(summary)
    cells = [[row.get(column) for column in columns] for row in summary]
    run.log(
        {
            "summary": wandb.Table(columns=[*columns], data=cells),
            **{f"figures/{path.stem}": wandb.Image(str(path)) for path in pictures},
        }
    )
    finish_run(run, failed=False)
    # W&B leaves the temporary folder of a table to the end of the process
    warnings.filterwarnings("ignore", message="Implicitly cleaning up <TemporaryDirectory", category=ResourceWarning)


def _wandb_options(sweep_dir: Path, rows: list[Row]) -> dict[str, Any] | None:
    """The options of the jobs' W&B logger; None without one. One config is read for each ``logger=`` of the sweep."""
    examples = {row.overrides.get("logger"): row.name for row in rows if (sweep_dir / row.name / CONFIG).is_file()}
    for name in examples.values():
        options = (read_config(sweep_dir / name).get("logger") or {}).get("wandb")
        if options is not None:
            return dict(options)
    return None
