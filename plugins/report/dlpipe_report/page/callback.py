"""Write the report when a run ends: ``callbacks=[default,report]``."""

import logging
from pathlib import Path

import pytorch_lightning as pl

import dlpipe
from dlpipe_report.page.output import NAME, write_report
from dlpipe_report.page.report import report_of_run

log = logging.getLogger(__name__)


class ReportAtTheEnd(pl.Callback):
    """Write ``report.html`` into the run's directory as soon as everything else is written there."""

    def on_run_end(self, run_dir: Path) -> None:
        """Write it, and log where it is."""
        path = run_dir / NAME
        write_report(path, report_of_run(dlpipe.Run(run_dir)))
        log.info("report: %s", path)
