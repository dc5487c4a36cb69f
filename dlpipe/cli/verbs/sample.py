"""Sample from a generative model, into the samples/ of its run."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpipe.atomic import atomic_write
from dlpipe.cli.run_errors import open_stored_run
from dlpipe.config.stored_run import StoredRun
from dlpipe.contract import optional_method
from dlpipe.errors import DlpipeError
from dlpipe.figures import save_png
from dlpipe.runs.directory import SAMPLES, check_links, check_writable
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.resume.rng import SAMPLE, seed_rng


def main(arguments: argparse.Namespace) -> int:
    """Write what the module's ``sample(count, data)`` returns to the run's ``samples/``."""
    with open_stored_run(arguments.run) as run:
        samples = _samples(run, arguments.count, arguments.seed)
    for name, content in samples.items():
        path = run.directory / SAMPLES / name
        _write(path, content)
        print(path)
    return 0


def _samples(run: StoredRun, count: int, seed: int | None) -> dict[str, NDArray[Any] | bytes]:
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


def _write(path: Path, content: NDArray[Any] | bytes) -> None:
    """Write bytes as they are, an array to a PNG if the file is named so, and to a .npy file otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, bytes) and path.suffix == ".png":
        save_png(content, path)
        return
    with atomic_write(path) as temporary_path, temporary_path.open("wb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            np.save(file, content)
