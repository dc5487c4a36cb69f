"""How fast the models train: plain PyTorch, a DataLoader, stock Lightning and dlpipe side by side.

Every measurement is a process of its own, and a round measures every variant once.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import report
from cases import CASES, DEVICES, VARIANTS
from dlpipe.runs.provenance import cpu_name

HERE = Path(__file__).parent
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# the variant that `--before` adds
BEFORE = "dlpipe before"
# a fresh shell has none of these: each variant chooses its own number of threads
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Run(NamedTuple):
    """What one process measures."""

    case: str
    variant: str
    threads: int
    neighbour: bool = False


def main(arguments: list[str]) -> None:
    """Measure, print the tables and write what was asked for."""
    asked = parse(arguments)
    variants = [*asked.variants, *([BEFORE] if asked.before else [])]
    runs = [Run(case, variant, n) for n in asked.threads for case in asked.models for variant in variants]
    if asked.neighbour:
        runs += [run._replace(neighbour=True) for run in runs if run.variant == "dlpipe"]
    measured, start_up = measure(runs, asked.rounds, asked.device, asked.before)
    found = {"machine": machine(asked.device), "rounds": asked.rounds, "measurements": measured, "start_up": start_up}
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    tables = report.tables(found)
    print(tables)
    if asked.markdown:
        asked.markdown.write_text(tables + "\n", encoding="utf-8")
    if asked.page:
        report.write_between_markers(asked.page, tables)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=known_cases, default=list(CASES), help=f"of {','.join(CASES)}")
    parser.add_argument("--variants", type=known_variants, default=list(VARIANTS), help=f"of {'; '.join(VARIANTS)}")
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--before", type=interpreter, help="measure dlpipe with this Python, too, of an older dlpipe")
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--threads", type=numbers, default=report.unique([1, CORES]), help="1 and all cores, as 1,2")
    parser.add_argument("--neighbour", action="store_true", help="measure dlpipe beside a busy process, too")
    parser.add_argument("--json", type=output, help="write every measurement to this file")
    parser.add_argument("--markdown", type=output, help="write the tables to this file")
    parser.add_argument("--page", type=report.page, help="write the tables between the markers of this Markdown file")
    return parser.parse_args(arguments)


def output(text: str) -> Path:
    """A file to write, in a folder that is there; to find out at the end would be late."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{path.parent} is no folder")
    return path


def interpreter(text: str) -> str:
    """A Python that has dlpipe."""
    try:
        done = subprocess.run([text, "-I", "-c", "import dlpipe"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} does not start: {error.strerror}") from error
    if done.returncode:
        raise argparse.ArgumentTypeError(f"{text} has no dlpipe: {done.stderr.strip().splitlines()[-1]}")
    return text


def count(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def known_cases(text: str) -> list[str]:
    """Names of cases, separated by commas."""
    names = text.split(",")
    if unknown := [name for name in names if name not in CASES]:
        raise argparse.ArgumentTypeError(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    return names


def known_variants(text: str) -> list[str]:
    """Names of variants, separated by semicolons."""
    names = [name.strip() for name in text.split(";")]
    if unknown := [name for name in names if name not in VARIANTS]:
        raise argparse.ArgumentTypeError(f"no variant {', '.join(unknown)}; there are {'; '.join(VARIANTS)}")
    return names


def numbers(text: str) -> list[int]:
    """Whole numbers from 1, separated by commas."""
    return [count(number) for number in text.split(",")]


def measure(
    runs: list[Run], rounds: int, device: str, before: str | None = None
) -> tuple[list[report.Measurement], list[dict[str, float]]]:
    """Every run and the start-up once a round; ``before`` is the Python with the older dlpipe."""
    measured, start_up = [], []
    for number in range(rounds):
        for run in runs:
            print(f"round {number + 1}/{rounds}:", *run[:3], *["beside"] * run.neighbour, file=sys.stderr)
            with busy_process() if run.neighbour else contextlib.nullcontext():
                is_before = run.variant == BEFORE
                python, variant = (before or "", "dlpipe") if is_before else (sys.executable, run.variant)
                found = child("one_run.py", run.case, variant, str(run.threads), f"--device={device}", python=python)
            measured.append({**found, "variant": run.variant, "round": number, "neighbour": run.neighbour})
        start_up.append(child("start_up.py"))
    return measured, start_up


def child(script: str, *arguments: str, python: str = sys.executable) -> dict[str, Any]:
    """The JSON line that one of the scripts beside this one prints last."""
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    command = [python, str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]  # JSON


@contextlib.contextmanager
def busy_process() -> Iterator[None]:
    """A neighbour that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def machine(device: str) -> dict[str, Any]:
    """What the numbers belong to."""
    return {
        "cpu": f"{cpu_name()} ({instruction_set()})",
        "gpu": gpu_name() if device == "gpu" else "",
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "torch": version("torch"),
        "lightning": version("pytorch-lightning"),
        "date": date.today().isoformat(),
    }


def instruction_set() -> str:
    """The one that torch's own kernels use; its matrix products choose for themselves."""
    command = [sys.executable, "-c", "import torch; print(torch.backends.cpu.get_cpu_capability())"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def gpu_name() -> str:
    """The first GPU, with its driver."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]


if __name__ == "__main__":
    main(sys.argv[1:])
