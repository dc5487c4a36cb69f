"""Kill real runs at random moments, go on with them, and compare with the run that nothing interrupts.

    python tests/faults/kills.py --kills 100 model=logreg dataset=mnist

prints one hash of the weights and one of the record where all is well; exit code 1 where there are more.
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


def main(arguments: list[str]) -> int:
    """Make the comparison for one command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("overrides", nargs="+", help="of the run, as model=mlp")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        killed, whole = (Path(folder) / name for name in ("killed", "whole"))
        seconds = run_whole(whole, asked.overrides)
        kills = run_killed(killed, asked.overrides, asked.kills, seconds, random.Random(asked.seed))
        found = {
            name: {digest(run / name) for run in (whole, killed)} for name in ("weights.safetensors", "metrics.csv")
        }
    for name, digests in found.items():
        print(f"{name}: {', '.join(sorted(digests))}")
    same = all(len(digests) == 1 for digests in found.values())
    print(f"{' '.join(asked.overrides)}: {kills} kills, {'the same bits' if same else 'NOT THE SAME'}")
    return 0 if same and kills == asked.kills else 1


def run_whole(directory: Path, overrides: list[str]) -> float:
    """The run without interruption; gives the seconds of its training."""
    subprocess.run([*DLPIPE, *overrides, f"hydra.run.dir={directory}"], check=True, stdout=subprocess.DEVNULL)
    return float(json.loads((directory / "summary.json").read_text())["seconds"])


def run_killed(directory: Path, overrides: list[str], kills: int, seconds: float, draw: random.Random) -> int:
    """The run, killed so often; gives how often it was.

    Moments are drawn so that the kills spread over the run: each, on average, a part of it after the process went on.
    """
    done, words = 0, [*overrides, f"hydra.run.dir={directory}"]
    while done < kills:
        with subprocess.Popen([*DLPIPE, *words], stdout=subprocess.DEVNULL, start_new_session=True) as process:
            wait_for_training(directory, process)
            time.sleep(draw.random() * 2 * seconds / kills)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                done += 1
            elif process.returncode:
                raise SystemExit(f"the run failed with exit code {process.returncode}: see {directory}/dlpipe.log")
            else:
                break  # it was faster
        words = ["resume", str(directory)]
    subprocess.run([*DLPIPE, "resume", str(directory)], check=True, stdout=subprocess.DEVNULL)
    return done


def wait_for_training(directory: Path, process: "subprocess.Popen[bytes]") -> None:
    """Until the record or a checkpoint is written for the first time by this process, or it ends."""
    begun = time.time()
    watched = [directory / "metrics.csv", directory / "checkpoints" / "last.ckpt"]
    while process.poll() is None and not any(path.exists() and path.stat().st_mtime > begun for path in watched):
        time.sleep(0.002)


def digest(path: Path) -> str:
    """The beginning of a file's sha256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
