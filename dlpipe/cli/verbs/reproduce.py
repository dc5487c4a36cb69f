"""Run a finished run again, in a directory beside it, and compare every weight."""

import argparse
import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dlpipe.cli.console import log_as_job
from dlpipe.cli.run_errors import one_line_errors
from dlpipe.config.prepare import prepare_stored
from dlpipe.config.search_path import register
from dlpipe.config.stored_run import config_errors
from dlpipe.errors import DlpipeError
from dlpipe.metrics import equal_or_nan, format_value
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import METRICS, WEIGHTS, check_writable, read_finished, read_provenance, read_summary
from dlpipe.runs.provenance import differences
from dlpipe.training.prepared import Prepared
from dlpipe.training.run import run
from dlpipe.training.run_files import provenance_of

log = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> int:
    """Log what has changed since the run, run it again and compare the results; exit code 1 if any differ."""
    before = Path(arguments.run).absolute()
    config = read_config(before)
    with config_errors(before):
        prepared = prepare_stored(config, arguments.trust)
    read_finished(before)
    for name in (WEIGHTS, METRICS):  # missing files are an error now, not after hours of training
        if not (before / name).is_file():
            raise DlpipeError(f"{before} has no {name} to compare with; take a whole copy of the run")
    _weights(before)
    check_writable(before.parent)
    differing = _run_again(before, prepared)
    for line in differing:
        log.info("%s", line)
    count = len(differing)
    log.info("%s", f"{count} differences from {before}" if count else f"the same to the last bit as {before}")
    return 1 if differing else 0


def _run_again(before: Path, prepared: Prepared) -> list[str]:
    register()
    now = next(path for n in range(1, 1_000_000) if not (path := before.with_name(f"{before.name}-again-{n}")).exists())
    now.mkdir()
    log_as_job(now)
    for difference in differences(read_provenance(before), provenance_of(prepared.config)):
        log.warning("%s: the numbers may differ", difference)
    with one_line_errors(now):
        run(prepared.relocated(str(now)))
        return compared(before, now)


def compared(before: Path, now: Path) -> list[str]:
    """What differs between two runs: each tensor of the weights, metrics.csv, and each test metric."""
    one, other = _weights(before), _weights(now)
    names = sorted(one.keys() | other.keys())
    differing = [f"{name} {difference}" for name in names if (difference := _difference(one, other, name))]
    if (before / METRICS).read_bytes() != (now / METRICS).read_bytes():
        differing.append(f"{METRICS} differs")
    return differing + _compared_tests(read_summary(before)["test"], read_summary(now)["test"])


def _compared_tests(before: dict[str, float], now: dict[str, float]) -> list[str]:
    differing = []
    for name in sorted(before.keys() | now.keys()):
        if name not in before or name not in now:
            differing.append(f"{name} is not in both")
        elif not equal_or_nan(before[name], now[name]):
            differing.append(f"{name} was {format_value(name, before[name])} and is {format_value(name, now[name])}")
    return differing


def _weights(run: Path) -> dict[str, Tensor]:
    try:
        return load_file(run / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise DlpipeError(f"{run / WEIGHTS} cannot be read: {error}; take a good copy") from error


def _difference(one: dict[str, Tensor], other: dict[str, Tensor], name: str) -> str:
    """How a tensor differs, to the bit; empty if it does not."""
    if name not in one or name not in other:
        return "is not in both"
    before, now = one[name], other[name]
    if before.shape != now.shape or before.dtype != now.dtype:
        return f"was {_kind(before)} and is {_kind(now)}"
    if before.flatten().view(torch.uint8).equal(now.flatten().view(torch.uint8)):
        return ""
    return f"differs by up to {float((before.double() - now.double()).abs().max()):.3g}"


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
