"""``sample RUN``: draw from a generative model."""

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlpipe.atomic import atomic_write
from dlpipe.cli.verbs.opened import opened
from dlpipe.cli.verbs.parser import Parser
from dlpipe.errors import DlpipeError
from dlpipe.figures import save_png
from dlpipe.runs.directory import SAMPLES, check_links
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.resume.rng import SAMPLE, seed_rng


def _whole_number(least: int) -> Any:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least}, not {text!r}")
        return int(text)

    return number


def main(*arguments: str) -> int:
    """Write what the module's ``sample(count, data)`` gives to the run's ``samples/``.

    Raises:
        RequestError: the arguments are not what the verb takes.
        DlpipeError: the folder is no run's, its data is gone, or its model is no generative one.
    """
    parser = Parser("sample")
    parser.add_argument("run")
    parser.add_argument("-n", "--count", type=_whole_number(1), default=100)
    parser.add_argument("--seed", type=_whole_number(0), default=None)
    asked = parser.parse_args(arguments)
    with opened(asked.run) as run, quiet_lightning(), run.inference():
        sample = getattr(run.model, "sample", None)
        if sample is None:
            message = "has no samples to give: it has no method sample(count, data)"
            raise DlpipeError(f"model {run.config.model.name!r} {message}")
        check_links(run.directory)
        data = run.data()
        seed_rng(run.config.seed if asked.seed is None else asked.seed, SAMPLE)
        found: dict[str, NDArray[Any] | bytes] = sample(asked.count, data)
    for name, content in found.items():
        path = run.directory / SAMPLES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            with atomic_write(path) as temporary_path:
                temporary_path.write_bytes(content)
        elif path.suffix == ".png":
            save_png(content, path)
        else:
            with atomic_write(path) as temporary_path, temporary_path.open("wb") as file:
                np.save(file, content)
        print(path)
    return 0
