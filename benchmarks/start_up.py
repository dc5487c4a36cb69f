"""From the command to the first update of ``python -m dlpipe model=mlp dataset=mnist``, phase by phase.

``python benchmarks/start_up.py STARTED``, with the time at which the process was started, prints one JSON line.
"""

import functools
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

PHASES = (
    "interpreter, import dlpipe.cli",
    "light checks",
    "import torch and Lightning",
    "full checks, with the data",
    "Hydra, building",
    "Lightning until on_train_start",
)


def main(started: float) -> None:
    """Run the command and note the time where one phase gives way to the next."""
    from dlpipe.cli.main import main as dlpipe
    from dlpipe.config.checks import config_checks

    times = [started, time.time()]
    folder = tempfile.TemporaryDirectory()

    def note() -> None:
        times.append(time.time())

    def light_checks_are_over() -> None:
        note()
        from dlpipe.config import prepare  # what the command imports next: torch and Lightning

        note()
        from pytorch_lightning import Trainer

        from dlpipe.training.callbacks.console_reporter import ConsoleReporter

        def full_checks_are_over() -> None:  # which train a copy of the model on one minibatch
            note()
            call(Trainer, "fit", before=note)
            call(ConsoleReporter, "on_train_start", before=training_starts)

        call(prepare, "prepare_jobs", after=full_checks_are_over)

    def training_starts() -> None:
        note()
        seconds = [end - start for start, end in itertools.pairwise(times)]
        print(json.dumps(dict(zip(PHASES, seconds, strict=True))), flush=True)
        folder.cleanup()
        os._exit(0)  # nothing of the run is wanted

    call(config_checks, "hydra_texts", after=light_checks_are_over)
    dlpipe(["model=mlp", "dataset=mnist", f"hydra.run.dir={folder.name}/run"])


def call(
    owner: Any, name: str, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
) -> None:
    """Have a function called before and after ``owner.name``."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        if before:
            before()
        result = original(*arguments, **options)
        if after:
            after()
        return result

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    main(float(sys.argv[1]))
