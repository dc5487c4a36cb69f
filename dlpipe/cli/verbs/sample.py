"""Sample from a generative model, into the samples/ of its run."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlpipe.atomic import atomic_write
from dlpipe.cli.verb_parser import VerbParser, add_run
from dlpipe.errors import DlpipeError
from dlpipe.runs.directory import SAMPLES, check_links, check_writable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dlpipe.config.stored_run import StoredRun


def add_arguments(parser: VerbParser) -> None:
    """RUN, how many samples, and their seed."""
    add_run(parser)
    parser.add_argument(
        "-n", "--count", metavar="COUNT", type=_integer_from(1), default=100, help="how many samples (default: 100)"
    )
    parser.add_argument("--seed", metavar="SEED", type=_integer_from(0), help="default: the run's own seed")


def _integer_from(least: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least}, not {text!r}")
        return int(text)

    return integer


def main(arguments: argparse.Namespace) -> int:
    """Write what the module's ``sample(count, data)`` returns to the run's ``samples/``.

    Raises:
        DlpipeError: the folder is not a run's, its data is missing, or its model is not generative.
    """
    from dlpipe.cli.run_errors import open_stored_run

    with open_stored_run(arguments.run) as run:
        samples = _samples(run, arguments.count, arguments.seed)
    for name, content in samples.items():
        path = run.directory / SAMPLES / name
        _write(path, content)
        print(path)
    return 0


def _samples(run: "StoredRun", count: int, seed: int | None) -> "dict[str, NDArray[Any] | bytes]":
    """File name to content."""
    from dlpipe.contract import optional_method
    from dlpipe.training.quiet import quiet_lightning
    from dlpipe.training.resume.rng import SAMPLE, seed_rng

    sample = optional_method(run.model, "sample")
    if sample is None:
        message = "has no samples to give: it has no method sample(count, data)"
        raise DlpipeError(f"model {run.config.model.name!r} {message}")
    check_links(run.directory)
    check_writable(run.directory)
    with quiet_lightning(), run.inference():
        data = run.data()
        seed_rng(run.config.seed if seed is None else seed, SAMPLE)
        return sample(count, data)  # type: ignore[no-any-return]  # an optional method of the module


def _write(path: Path, content: "NDArray[Any] | bytes") -> None:
    """Write bytes as they are, an array to a PNG if the file is named so, and to a .npy file otherwise."""
    from dlpipe.figures import save_png

    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        with atomic_write(path) as temporary_path:
            temporary_path.write_bytes(content)
    elif path.suffix == ".png":
        save_png(content, path)
    else:
        with atomic_write(path) as temporary_path, temporary_path.open("wb") as file:
            np.save(file, content)
