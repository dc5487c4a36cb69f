"""``reproduce RUN``: run a finished run again, beside it, and compare."""

import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from dlpipe.cli.verbs.parser import run_parser
from dlpipe.errors import DlpipeError
from dlpipe.metrics import equal_or_nan, format_value
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import METRICS, WEIGHTS, read_finished, read_provenance, read_summary
from dlpipe.runs.provenance import differences

log = logging.getLogger(__name__)


def main(*arguments: str) -> int:
    """Say what is not as it was, run again, and compare weights, record and test; exit code 1 where one differs.

    Raises:
        DlpipeError: the folder is no finished run's, or its config cannot be run.
    """
    from dlpipe.cli.console import log_as_job
    from dlpipe.cli.verbs.opened import one_line_errors
    from dlpipe.config.compose import register
    from dlpipe.config.prepare import prepare_stored
    from dlpipe.config.stored_run import checked
    from dlpipe.training.outputs import provenance_of
    from dlpipe.training.run import run

    asked = run_parser("reproduce").parse_args(arguments)
    before = Path(asked.run).absolute()
    config = read_config(before)
    prepared = checked(before, lambda: prepare_stored(config, asked.trust))
    read_finished(before)
    for name in (WEIGHTS, METRICS):  # before hours are spent
        if not (before / name).is_file():
            raise DlpipeError(f"{before} has no {name} to compare with; take a whole copy of the run")
    _weights(before)
    register()
    now = next(path for n in range(1, 1_000_000) if not (path := before.with_name(f"{before.name}-again-{n}")).exists())
    now.mkdir()
    log_as_job(now)
    for difference in differences(read_provenance(before), provenance_of(config)):
        log.warning("%s: the numbers may differ", difference)
    with one_line_errors(now):
        run(prepared.relocated(str(now)))
        found = compared(before, now)
    for line in found:
        log.info("%s", line)
    log.info("%s", f"{len(found)} differences from {before}" if found else f"the same to the last bit as {before}")
    return 1 if found else 0


def compared(before: Path, now: Path) -> list[str]:
    """What differs between two runs: each tensor of the weights, the record, and each test metric."""
    one, other = _weights(before), _weights(now)
    message = [
        f"{name} {message}" for name in sorted(one.keys() | other.keys()) if (message := _difference(one, other, name))
    ]
    if (before / METRICS).read_bytes() != (now / METRICS).read_bytes():
        message.append(f"{METRICS} differs")
    had, has = read_summary(before)["test"], read_summary(now)["test"]
    for name in sorted(had.keys() | has.keys()):
        if name not in had or name not in has:
            message.append(f"{name} is not in both")
        elif not equal_or_nan(had[name], has[name]):
            message.append(f"{name} was {format_value(name, had[name])} and is {format_value(name, has[name])}")
    return message


def _weights(run: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(run / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise DlpipeError(f"{run / WEIGHTS} cannot be read: {error}; take a good copy") from error


def _difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], name: str) -> str:
    """What differs about a tensor, to the bit; nothing where nothing does."""
    if name not in one or name not in other:
        return "is not in both"
    had, has = one[name], other[name]
    if had.shape != has.shape or had.dtype != has.dtype:
        return f"was {_kind(had)} and is {_kind(has)}"
    if had.flatten().view(torch.uint8).equal(has.flatten().view(torch.uint8)):
        return ""
    return f"differs by up to {float((had.double() - has.double()).abs().max()):.3g}"


def _kind(tensor: torch.Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
