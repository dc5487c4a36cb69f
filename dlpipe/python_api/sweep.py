"""A sweep's directory, opened from Python; nothing imports torch."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dlpipe.sweeps.pictures import swept_keys
from dlpipe.sweeps.rows import Row, read_rows
from dlpipe.sweeps.settings import Setting, settings_of
from dlpipe.sweeps.sweep_file import is_sweep, read_requests


@dataclass(frozen=True)
class Sweep:
    """A sweep's directory, opened: its jobs, and the settings that jobs of several seeds share.

    Args:
        directory: such as ``outputs/2026-11-23/15-52-32-sweep-d68860``.

    Raises:
        DlpipeError: it is not a sweep's, or its record is damaged.
    """

    directory: Path

    def __init__(self, directory: str | Path) -> None:
        path = Path(directory).absolute()
        read_requests(path)
        object.__setattr__(self, "directory", path)  # a frozen dataclass that takes a str too

    @staticmethod
    def is_at(directory: str | Path) -> bool:
        """Whether a directory is a sweep's."""
        return is_sweep(Path(directory))

    @cached_property
    def jobs(self) -> list[Row]:
        """A row for each job, the best on validation first; a job's directory is ``directory / row.name``.

        A row has name, overrides, status, error, seed, best (metric, value, epoch, mode; or None), test (metric to
        value) and updates_per_second.
        """
        return read_rows(self.directory)

    @cached_property
    def settings(self) -> list[Setting]:
        """Jobs that differ in nothing but the seed, added up; the best on validation first.

        A setting has overrides, rows, finished (the rows that count, the best first) and best (a row, or None).
        """
        return settings_of(self.jobs)

    @property
    def keys(self) -> list[str]:
        """The keys of the config in which settings differ."""
        return swept_keys(self.settings)
