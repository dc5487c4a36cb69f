"""A short run from the command to the prompt, phase by phase: MNIST, an MLP, one epoch of 500 minibatches.

``python benchmarks/start_up.py`` prints one JSON line. The phases are those of one process; beside them stands the
time that another needs for ``import torch, pytorch_lightning`` and nothing else, interpreter and exit included.
"""

import contextlib
import functools
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TO_FIRST_UPDATE = (
    "interpreter, import dlpipe.cli",
    "light checks",
    "import torch and Lightning",
    "import the rest of dlpipe",
    "full checks, with the data",
    "Hydra, building",
    "Lightning until on_train_start",
)
AFTER_TRAINING = ("test", "weights", "figures", "summary")
PHASES = (*TO_FIRST_UPDATE, "training", *AFTER_TRAINING, "exit")
SUMS = ("from the command to the first update", "from the end of training to the prompt", "all")
FLOOR = "`python -c 'import torch, pytorch_lightning'`, a process of its own"
WORDS = ["model=mlp", "dataset=mnist", "recipe.max_epochs=1", "trainer.limit_train_batches=500"]
CHILD = "--child"


def main() -> None:
    """Measure and print."""
    seconds = dict(zip(PHASES, run(), strict=True))
    to_first = sum(seconds[phase] for phase in TO_FIRST_UPDATE)
    after = sum(seconds[phase] for phase in (*AFTER_TRAINING, "exit"))
    sums = (to_first, after, sum(seconds.values()))
    print(json.dumps({FLOOR: floor(), **seconds, **dict(zip(SUMS, sums, strict=True))}))


def floor() -> float:
    """Seconds of the process that only imports."""
    started = time.time()
    subprocess.run([sys.executable, "-c", "import torch, pytorch_lightning"], check=True)
    return time.time() - started


def run() -> list[float]:
    """Seconds of each phase of a run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.time()
        command = [sys.executable, __file__, CHILD, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        ended = time.time()
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        times = [started, *json.loads(Path(folder, "times.json").read_text()), ended]
    return [end - start for start, end in itertools.pairwise(times)]


def child(folder: str) -> None:
    """Run the command line, and note the time where one phase gives way to the next."""
    times = []

    def note() -> None:
        times.append(time.time())

    import dlpipe.__main__
    from dlpipe.cli.main import main as dlpipe_main

    def main_and_note(arguments: list[str]) -> int:
        code = dlpipe_main(arguments)
        note()
        Path(folder, "times.json").write_text(json.dumps(times))
        return code

    note()
    main_module: Any = sys.modules["dlpipe.cli.main"]
    main_module.torch_imported_without_collections = functools.partial(imports_noted, note)
    main_module.main = main_and_note
    sys.argv = ["dlpipe", *WORDS, f"hydra.run.dir={folder}/run"]
    dlpipe.__main__.console()


@contextlib.contextmanager
def imports_noted(note: Callable[[], None]) -> Iterator[None]:
    """Import torch and Lightning as the command line does, and have the phases after it noted."""
    from dlpipe.cli.torch_import import torch_imported_without_collections

    note()
    with torch_imported_without_collections():
        from pytorch_lightning import Trainer

        note()
        yield  # to the command's own imports
        from dlpipe.config import prepare
        from dlpipe.training import run
        from dlpipe.training.callbacks.console_reporter import ConsoleReporter
    note()

    def full_checks_are_over() -> None:  # which train a copy of the model on one minibatch
        note()
        call(Trainer, "fit", before=note)
        call(ConsoleReporter, "on_train_start", before=note)

    call(prepare, "prepare_jobs", after=full_checks_are_over)
    call(run, "test_best", before=note, after=note)
    call(run, "export_weights", after=note)
    call(run, "draw", after=note)


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
    child(sys.argv[2]) if sys.argv[1:2] == [CHILD] else main()
