"""Kill a sweep of 20 jobs at random moments, resume it, and compare every job with those of a sweep left alone.

    python tests/faults/sweep_kills.py
    python tests/faults/sweep_kills.py hydra/launcher=joblib hydra.launcher.n_jobs=2
    python tests/faults/sweep_kills.py hydra/launcher=submitit_local
    python tests/faults/sweep_kills.py --search

The exit code is 1 unless each job has the same bits and was finished once. SIGKILL goes to the sweep's own process;
its workers are left to what the launcher does with them.
"""

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from dlpipe.sweeps.record import read_events, read_jobs

DLPIPE = [sys.executable, "-m", "dlpipe"]
SHORT = [
    *("-m", "model=logreg", "recipe.max_epochs=5", "recipe.patience=null", "try_one_batch=false"),
    "callbacks.checkpoints.every_n_updates=5",
]
GRID = ["optimizer.lr=0.1,0.05,0.02,0.01", "seed=1,2,3,4,5"]
SEARCH = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=20", "optimizer.lr=tag(log,interval(1e-3,1e-1))"]


def main(arguments: list[str]) -> int:
    """Compare the two sweeps of one command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments")
    parser.add_argument("--search", action="store_true", help="20 trials of Optuna in place of a grid")
    parser.add_argument("overrides", nargs="*", help="such as hydra/launcher=joblib")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        command = [*DLPIPE, *SHORT, *(SEARCH if options.search else GRID), *options.overrides]
        seconds = run([*command, "hydra.sweep.dir=whole"], folder)
        kills = kill_and_resume([*command, "hydra.sweep.dir=killed"], folder, options, seconds)
        whole, killed = digests(folder / "whole"), digests(folder / "killed")
        ends = Counter(event["job"] for event in read_events(folder / "killed") if event["event"] == "finished")
    same = whole == killed and len(whole) == 20 == len(ends) and set(ends.values()) == {1}
    print(f"{' '.join(arguments)}: {kills} kills, {len(killed)} jobs, {'the same bits' if same else 'NOT THE SAME'}")
    return 0 if same else 1


def run(command: list[str], folder: Path) -> float:
    """Run a command to its end; return the seconds it took."""
    start = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.monotonic() - start


def kill_and_resume(command: list[str], folder: Path, options: argparse.Namespace, seconds: float) -> int:
    """Kill the sweep, and resume it, as often as asked; then let it end. Return the number of kills."""
    moments, kills = random.Random(options.seed), 0
    for _ in range(options.kills):
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_a_job(process, folder / "killed")
        try:
            process.wait(moments.uniform(0, seconds / options.kills))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        counts = Counter(job.status for job in read_jobs(folder / "killed"))
        print(f"after kill {kills}: {dict(counts)}", flush=True)
        command = [*DLPIPE, "resume", "killed"]
    run(command, folder)
    return kills


def wait_for_a_job(process: subprocess.Popen, sweep: Path) -> None:
    """Return when the sweep has started one more job, or has ended."""
    before = count_starts(sweep)
    while process.poll() is None and count_starts(sweep) == before:
        time.sleep(0.1)


def count_starts(sweep: Path) -> int:
    """How often jobs of a sweep were started."""
    return sum(event["event"] == "started" for event in read_events(sweep)) if sweep.exists() else 0


def digests(sweep: Path) -> dict[str, str]:
    """A hash of the weights of each job, by its directory's name."""
    return {
        path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sweep.rglob("weights.safetensors")
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
