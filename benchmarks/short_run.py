"""A whole short run, from the command to the prompt: `python -m dlpipe` beside LightningCLI with the same module.

One epoch of 500 minibatches of MNIST with the multilayer perceptron, validated, with checkpoint and CSV logger; on one
thread. dlpipe also tests, draws figures and exports weights; LightningCLI stops after `fit`, or tests the best weights
in the same process. Beside them stands a process that imports torch and Lightning, and ends.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import report

HERE = Path(__file__).parent
IMPORTS, BEFORE = "import torch, pytorch_lightning", "dlpipe before"
ROWS = (IMPORTS, "dlpipe", "LightningCLI, fit", "LightningCLI, fit and test")
COLUMNS = ("to the first update", "training", "after training", "total")
MODEL = ["--model.num_features=784", "--model.num_classes=10", "--model.image_shape=null"]


def main(arguments: list[str]) -> None:
    """Measure, print a table, and put it into a page."""
    from throughput import count, interpreter, machine

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--before", type=interpreter, help="measure dlpipe with this Python, too, of an older dlpipe")
    parser.add_argument("--page", type=report.page, help="write the table between the markers of this Markdown file")
    asked = parser.parse_args(arguments)
    if find_spec("jsonargparse") is None:
        raise SystemExit("LightningCLI needs jsonargparse: pip install 'jsonargparse[signatures]>=4.40'")
    pythons = dict.fromkeys(ROWS, sys.executable) | ({BEFORE: asked.before} if asked.before else {})
    rounds = [{row: measure(row, python) for row, python in pythons.items()} for _ in range(asked.rounds)]
    rows = [
        [row, *(report.spread(column, ".2f") for column in zip(*(seconds[row] for seconds in rounds), strict=True))]
        for row in pythons
    ]
    text = f"{report.heading(machine('cpu'), asked.rounds)} Seconds.\n\n{report.markdown(['', *COLUMNS], rows)}"
    if asked.before:
        beyond = {row: [seconds[row][0] - seconds[IMPORTS][0] for seconds in rounds] for row in ("dlpipe", BEFORE)}
        shares = [now / before for now, before in zip(beyond["dlpipe"], beyond[BEFORE], strict=True)]
        text += f"\n\nTo the first update beyond the imports: {report.spread(shares, '.2f')} of the time before."
    print(text)
    if asked.page:
        report.write_between_markers(asked.page, text)


def measure(row: str, python: str = sys.executable) -> list[float]:
    """Seconds of each column, of a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
        started = time.time()
        done = subprocess.run(
            [python, *words(row, folder)], env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
        ended = time.time()
        if done.returncode:
            raise SystemExit(f"{row} failed:\n{done.stdout}{done.stderr}")
        first, last = json.loads(Path(folder, "times.json").read_text())
    return [first - started, last - first, ended - last, ended - started]


def words(row: str, folder: str) -> list[str]:
    """The arguments of Python; what it runs writes to the folder when training starts and ends."""
    if row == IMPORTS:
        return ["-c", f"{IMPORTS}, time; open('times.json', 'w').write(str([time.time()] * 2))"]
    return dlpipe(folder) if row.startswith("dlpipe") else [str(HERE / "short_run.py"), "--child", row, folder]


def dlpipe(folder: str) -> list[str]:
    """The command line, with a callback that notes the times."""
    from start_up import WORDS

    clock = ["+callbacks.times._target_=short_run_clock.Times", f"+callbacks.times.path={folder}/times.json"]
    return ["-m", "dlpipe", *WORDS, *clock, f"hydra.run.dir={folder}/run"]


def lightning_cli(row: str, folder: str) -> None:
    """What its users write; the model is dlpipe's plugin, which knows nothing of either."""
    from pytorch_lightning.cli import LightningCLI

    from dlpipe_supervised.mlp import MLP
    from short_run_clock import Mnist

    trainer = ["max_epochs=1", "accelerator=cpu", "logger=CSVLogger", f"logger.save_dir={folder}"]
    trainer += ["callbacks+=ModelCheckpoint", f"callbacks.dirpath={folder}/checkpoints", "callbacks.monitor=val/loss"]
    trainer += ["callbacks+=short_run_clock.Times", f"callbacks.path={folder}/times.json"]
    words = ["fit", *MODEL, "--optimizer=SGD", "--optimizer.lr=0.01", *(f"--trainer.{word}" for word in trainer)]
    cli = LightningCLI(MLP, Mnist, args=words)
    if row.endswith("test"):
        cli.trainer.test(cli.model, cli.datamodule, ckpt_path="best")


if __name__ == "__main__":
    lightning_cli(*sys.argv[2:]) if sys.argv[1:2] == ["--child"] else main(sys.argv[1:])
