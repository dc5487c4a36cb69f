"""Examples/s of many small models at once: joblib's jobs x threads, each against one job on one thread in its round."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

import report
from cases import NUM_EXAMPLES

EPOCHS = {"logreg": 20, "mlp": 2}


class Setting(NamedTuple):
    """How many jobs run at the same time, with how many threads each."""

    jobs: int
    threads: int


def main(arguments: list[str]) -> None:
    """Measure, print a table, and put it into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="logreg,mlp")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--page", type=report.page, help="write the table between the markers of this Markdown file")
    asked = parser.parse_args(arguments)
    settings = [Setting(jobs, threads) for threads in asked.threads for jobs in asked.jobs]
    rows = [row for model in asked.models.split(",") for row in table(model, settings, asked.rounds, asked.dataset)]
    text = report.markdown(["model", "jobs", "threads", "examples/s, all jobs", "× one job"], rows)
    print(text)
    if asked.page:
        report.write_between_markers(asked.page, text)


def table(model: str, settings: list[Setting], rounds: int, dataset: str) -> list[list[str]]:
    """A row for each setting: the median over the rounds, each with every setting in turn."""
    measured = [[examples_per_second(model, setting, dataset) for setting in settings] for _ in range(rounds)]
    return [
        [
            model,
            str(setting.jobs),
            str(setting.threads),
            f"{median(speeds):,.0f}",
            f"{median(speed / each[0] for speed, each in zip(speeds, measured, strict=True)):.2f}",
        ]
        for setting, speeds in zip(settings, zip(*measured, strict=True), strict=True)
    ]


def examples_per_second(model: str, setting: Setting, dataset: str) -> float:
    """The sum over the jobs of one sweep, all of which start together and have the same length."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = ",".join(str(seed) for seed in range(1, setting.jobs + 1))
        words = [f"model={model}", f"dataset={dataset}", f"seed={seeds}", f"threads={setting.threads}"]
        words += [f"recipe.max_epochs={EPOCHS[model]}", "recipe.patience=null", "try_one_batch=false"]
        words += ["launcher=joblib", f"hydra.launcher.n_jobs={setting.jobs}", f"hydra.sweep.dir={folder}/sweep"]
        subprocess.run([sys.executable, "-m", "dlpipe", "-m", *words], check=True, capture_output=True)
        return sum(speed(path.parent) for path in Path(folder).rglob("summary.json"))


def speed(run_dir: Path) -> float:
    """Examples/s of a job, from its updates/s and its batch size."""
    summary = json.loads((run_dir / "summary.json").read_text())
    updates_per_epoch = summary["updates"] / summary["epochs"]
    return float(summary["updates_per_second"] * NUM_EXAMPLES / updates_per_epoch)


if __name__ == "__main__":
    main(sys.argv[1:])
