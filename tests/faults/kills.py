"""Interrupt real runs at random moments, resume them, and compare with a run that is never interrupted.

    python tests/faults/kills.py --kills 100 model=logreg dataset=mnist
    python tests/faults/kills.py --kills 20 --signal SIGTERM --directory ddp model=mlp trainer=ddp trainer.devices=2

prints one hash of the weights and one of ``metrics.csv`` if all runs agree; otherwise the exit code is 1. With
``--directory`` the same command continues where it stopped.
"""

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DLPIPE = [sys.executable, "-m", "dlpipe"]
FILES = ("weights.safetensors", "metrics.csv")


def main(arguments: list[str]) -> int:
    """Compare the runs of one command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="number of interruptions in all")
    parser.add_argument("--per-run", type=int, default=10, help="about so many of them in one run")
    parser.add_argument("--signal", default="SIGKILL", choices=("SIGKILL", "SIGTERM", "SIGINT", "SIGUSR1"))
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments")
    parser.add_argument("--directory", type=Path, help="keep the runs here, and continue with those that are here")
    parser.add_argument("overrides", nargs="+", help="of the run, such as model=mlp")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.directory or Path(temporary)
        run_uninterrupted(folder / "whole", options.overrides)
        kills = interrupt_runs(folder, options)
        runs = [folder / "whole", *sorted(folder.glob("interrupted-*"))]
        digests = {name: {digest(run / name) for run in runs} for name in FILES}
    for name, found in digests.items():
        print(f"{name}: {', '.join(sorted(found))}")
    same = all(len(found) == 1 for found in digests.values())
    what = "kills" if options.signal == "SIGKILL" else options.signal
    print(f"{' '.join(options.overrides)}: {kills} {what}, {'the same bits' if same else 'NOT THE SAME'}")
    return 0 if same else 1


def run_uninterrupted(directory: Path, overrides: list[str]) -> None:
    """Train the run to compare with, unless it is there."""
    if not is_finished(directory):
        command = [*DLPIPE, *overrides, f"hydra.run.dir={directory}", "resume=auto"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def interrupt_runs(folder: Path, options: argparse.Namespace) -> int:
    """Interrupt and resume one run after another; return the number of interruptions, those of earlier calls included.

    The moments spread over the length of a run. ``interruptions.jsonl`` gets a line for each.
    """
    record = folder / "interruptions.jsonl"
    seconds = float(json.loads((folder / "whole" / "summary.json").read_text())["seconds"])
    done = len(record.read_text().splitlines()) if record.exists() else 0
    runs = sorted(folder.glob("interrupted-*"))
    run = runs[-1] if runs else folder / "interrupted-001"
    while done < options.kills:
        if is_finished(run):
            run = folder / f"interrupted-{int(run.name[-3:]) + 1:03d}"
        wait = random.Random(f"{options.seed} {done} {run.name}").random() * 2 * seconds / options.per_run
        if interrupt(run, options.overrides, signal.Signals[options.signal], wait):
            done += 1
            with record.open("a") as lines:
                lines.write(json.dumps({"run": run.name, "signal": options.signal, "seconds": wait}) + "\n")
    if not is_finished(run):
        subprocess.run([*DLPIPE, "resume", str(run)], check=True, stdout=subprocess.DEVNULL)
    return done


def interrupt(directory: Path, overrides: list[str], number: signal.Signals, wait: float) -> bool:
    """Start or resume a run and send it a signal so many seconds after it trains; False if it ended before.

    Raises:
        SystemExit: the exit code is not the signal's.
    """
    start = [*overrides, f"hydra.run.dir={directory}"]
    command = ["resume", str(directory)] if (directory / "config.yaml").exists() else start
    with subprocess.Popen([*DLPIPE, *command], stdout=subprocess.DEVNULL, start_new_session=True) as process:
        wait_for_training(directory, process)
        time.sleep(wait)
        process.send_signal(number)
    # a run that is already being tested has nothing to save, and ends by the signal itself
    expected = {-number} if number == signal.SIGKILL else {128 + number, -number}
    if process.returncode == 0 and is_finished(directory):
        return False
    if process.returncode not in expected:
        allowed = " or ".join(map(str, sorted(expected)))
        raise SystemExit(f"exit code {process.returncode} instead of {allowed}: see {directory}/dlpipe.log")
    return True


def wait_for_training(directory: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until this process has written metrics or a checkpoint, or has ended."""
    begun = time.time()
    watched = [directory / "metrics.csv", directory / "checkpoints" / "last.ckpt"]
    while process.poll() is None and not any(path.exists() and path.stat().st_mtime > begun for path in watched):
        time.sleep(0.002)


def is_finished(directory: Path) -> bool:
    """Whether the run there has been trained and tested."""
    summary = directory / "summary.json"
    return summary.exists() and json.loads(summary.read_text())["status"] == "finished"


def digest(path: Path) -> str:
    """The beginning of a file's sha256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
