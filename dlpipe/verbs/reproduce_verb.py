"""``reproduce RUN``: run a finished run again, beside it, and compare."""

import logging
from pathlib import Path

import torch
from safetensors.torch import load_file

from dlpipe.metrics import same, told_value
from dlpipe.provenance import differences
from dlpipe.run_directory import METRICS, WEIGHTS, checked_config, moved, read_finished, read_provenance, read_summary

log = logging.getLogger(__name__)


def main(run_dir: str) -> int:
    """Say what is not as it was, run again, and compare weights, record and test; exit code 1 where one differs.

    Raises:
        DlpipeError: the folder is no finished run's, or its config cannot be run.
    """
    from dlpipe.begin import provenance_of, run
    from dlpipe.checks.full import check_stored
    from dlpipe.compose import register
    from dlpipe.console import log_as_job
    from dlpipe.verbs.opened import in_a_line

    before = Path(run_dir).absolute()
    cfg = checked_config(before, check_stored)
    read_finished(before)
    register()
    now = next(path for n in range(1, 1_000_000) if not (path := before.with_name(f"{before.name}-again-{n}")).exists())
    now.mkdir()
    log_as_job(now)
    for difference in differences(read_provenance(before), provenance_of(cfg)):
        log.warning("%s: the numbers may differ", difference)
    with in_a_line(now):
        run(moved(cfg, str(now)))
    found = compared(before, now)
    for line in found:
        log.info("%s", line)
    log.info("%s", f"{len(found)} differences from {before}" if found else f"the same to the last bit as {before}")
    return 1 if found else 0


def compared(before: Path, now: Path) -> list[str]:
    """What differs between two runs: each tensor of the weights, the record, and each test metric."""
    told = []
    one, other = (load_file(run / WEIGHTS) for run in (before, now))
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other or one[name].shape != other[name].shape:
            told.append(f"{name} is not in both, or of another shape")
        elif not torch.equal(one[name], other[name]):
            told.append(f"{name} differs by up to {float((one[name] - other[name]).abs().max()):.3g}")
    records = [run / METRICS for run in (before, now)]
    if len({path.read_bytes() if path.is_file() else None for path in records}) > 1:
        told.append(f"{METRICS} differs")
    had, has = read_summary(before)["test"], read_summary(now)["test"]
    told += [
        f"{name} was {told_value(name, had[name])} and is {told_value(name, has[name])}"
        for name in sorted(had.keys() & has.keys())
        if not same(had[name], has[name])
    ]
    return told
