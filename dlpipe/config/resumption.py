"""Prepare to resume a run, with what overrides change in it: for the verb `resume` and for `dlpipe.Run.resume`."""

from pathlib import Path
from typing import Any, NamedTuple

from dlpipe.config.changes import changed
from dlpipe.config.prepare import prepare_stored
from dlpipe.config.stored_run import config_errors
from dlpipe.errors import refuse
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import check_links, check_writable, read_summary
from dlpipe.training.prepared import Prepared
from dlpipe.training.resume.changes import warnings_of
from dlpipe.training.resume.resume_point import is_longer, length_problems


class Resumption(NamedTuple):
    """A run that is about to be resumed, the record of its change for the provenance, and warnings about it."""

    prepared: Prepared
    change: dict[str, Any] | None
    warnings: list[str]


def prepare_resumption(directory: Path, overrides: list[str], trust: bool) -> Resumption | None:
    """Check and build what resumes a run; None if it is finished, and no override makes it longer.

    Args:
        directory: the run's.
        overrides: as on a command line.
        trust: as in `prepare_stored`.

    Raises:
        RequestError: the overrides are wrong, or change what may not change or has been used already.
        DlpipeError: the directory is not a run's, cannot be written to, or has an invalid config.
    """
    config = read_config(directory)
    check_links(directory)
    is_finished = read_summary(directory).get("status") == "finished"
    change = changed(directory, config, overrides) if overrides else None
    if change and change.values:
        prepared = prepare_stored(change.config, trust, typed=change.typed)
        refuse(length_problems(config, prepared))
        if is_finished and not is_longer(prepared):
            return None
        check_writable(directory)
        return Resumption(prepared, change.record(), warnings_of(change.values))
    if is_finished:  # it is left as it is, whatever its config
        return None
    check_writable(directory)
    with config_errors(directory):
        return Resumption(prepare_stored(config, trust), None, [])
