"""Models of people who know Lightning and only the README and two pages of dlpipe's docs, from their wheel.

Each of `package/` is run, killed and resumed, tested, predicted with, drawn and swept over.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "package"
# neither a build environment nor an index: the suite needs no network
OFFLINE = ("--no-index", "--no-deps", "--quiet", "--disable-pip-version-check")

# model to its request, long enough to be killed in
REQUESTS = {
    "gan": ["model=gan", "recipe.max_epochs=25"],
    "prices": ["model=prices", "recipe.max_epochs=20"],
    "segmenter": ["model=segmenter", "recipe.max_epochs=25"],
    "tagger": ["model=tagger", "recipe.max_epochs=20"],
    "lit_autoencoder": ["model=lit_autoencoder", "dataset=strokes", "recipe.max_epochs=14"],
    "text_classifier": ["model=text_classifier", "dataset=sentences", "recipe.max_epochs=18"],
}
MONITORS = {
    "gan": "val_distance",
    "prices": "val_mse",
    "segmenter": "val/iou",
    "tagger": "val_loss",
    "lit_autoencoder": "val_loss",
    "text_classifier": "val_loss",
}
TESTED = {
    "gan": {"test_distance"},
    "prices": {"test_mse", "test_rmse"},
    "segmenter": {"test/iou", "test/cross_entropy"},
    "tagger": {"test_loss", "test_f1", "test_acc"},
    "lit_autoencoder": {"test_loss"},
    "text_classifier": {"test_acc"},
}
PREDICTED = {
    "gan": ("predictions.csv", "example,prediction", 31),
    "prices": ("predictions.csv", "example,prediction", 41),
    "segmenter": ("00029.png", None, None),
    "tagger": ("predictions.csv", "example,prediction_0,prediction_1,prediction_2,prediction_3", 41),
    "lit_autoencoder": ("predictions.csv", "example,prediction_0,prediction_1,prediction_2", 33),
    "text_classifier": ("predictions.jsonl", '{"label": 1, "score": ', 40),
}
FIGURES = {"gan": {"generated.png"}, "segmenter": {"mask.png"}}


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory: pytest.TempPathFactory, forget_plugins: Callable[[], None]) -> Iterator[None]:
    """Install the wheel, for this process and those that it starts."""
    folder = tmp_path_factory.mktemp("strangers")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(PACKAGE))
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    pip("install", "--target", str(site), str(wheel))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        patch.delenv("DLPIPE_DATA", raising=False)
        forget_plugins()
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "strangers"]:
        del sys.modules[name]
    forget_plugins()


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *arguments, *OFFLINE], check=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the uninterrupted runs, each of which several tests read."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(params=sorted(REQUESTS))
def model(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def run(model: str, runs: Path, cli: Callable) -> Path:
    """The uninterrupted run of a model."""
    directory = runs / model
    if not directory.exists():
        result = cli(*REQUESTS[model], f"hydra.run.dir={directory}")
        assert result.code == 0, result.err
    return directory


def summary_of(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def kill(start: Callable, directory: Path, request: list[str], num_rows: int) -> None:
    """Start a run in a process of its own and kill it when metrics.csv has so many rows and there is a checkpoint."""
    words = [*request, f"hydra.run.dir={directory}"]
    metrics, checkpoint = directory / "metrics.csv", directory / "checkpoints" / "last.ckpt"
    with start(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if checkpoint.exists() and metrics.exists() and metrics.read_bytes().count(b"\n") > num_rows:
                process.kill()
                break
            time.sleep(0.002)
    assert process.returncode == -signal.SIGKILL


def test_a_run_monitors_and_tests_what_the_module_logs(model, run):
    summary = summary_of(run)
    assert summary["status"] == "finished"
    assert summary["best"]["metric"] == MONITORS[model]
    assert set(summary["test"]) == TESTED[model]


@pytest.mark.parametrize(
    "model",
    [name if name in ("gan", "tagger") else pytest.param(name, marks=pytest.mark.slow) for name in sorted(REQUESTS)],
    indirect=True,
)
def test_a_killed_run_is_resumed_to_the_same_bits(model, run, cli, tmp_path, dlpipe_process):
    killed = tmp_path / "killed"
    num_rows = len(rows_of(run / "metrics.csv")) // 4
    kill(dlpipe_process, killed, [*REQUESTS[model], "callbacks.checkpoints.every_n_updates=7"], num_rows)
    result = cli("resume", str(killed))
    assert result.code == 0, result.err
    for name in ("weights.safetensors", "metrics.csv"):
        assert (killed / name).read_bytes() == (run / name).read_bytes(), name
    assert summary_of(killed)["test"] == summary_of(run)["test"]


def test_a_run_is_tested_again(run, cli):
    result = cli("test", str(run))
    assert result.code == 0, result.err
    assert result.out.count(": as the run\n") == len(summary_of(run)["test"])


def test_a_run_predicts(model, run, cli):
    result = cli("predict", str(run))
    assert result.code == 0, result.err
    name, first, num_lines = PREDICTED[model]
    path = run / "predictions" / name
    assert path.is_file()
    if first:
        lines = path.read_text().splitlines()
        assert (lines[0][: len(first)], len(lines)) == (first, num_lines)


def test_figures_are_drawn_again(model, run, cli):
    drawn = {"learning_curves.png"} | FIGURES.get(model, set())
    for name in drawn:
        (run / "figures" / name).unlink()
    result = cli("figures", str(run))
    assert result.code == 0, result.err
    assert {path.name for path in (run / "figures").iterdir()} == drawn


def test_a_sweep_over_seeds_is_ranked(model, cli):
    result = cli("-m", *REQUESTS[model][:-1], "seed=1,2", "recipe.max_epochs=1")
    assert result.code == 0, result.err
    (table,) = result.folder.rglob("sweep.csv")
    rows = rows_of(table)
    assert [row["status"] for row in rows] == ["finished", "finished"]
    assert {row["seed"] for row in rows} == {"1", "2"}
    assert {row["metric"] for row in rows} == {MONITORS[model]}
    values = [float(row["best"]) for row in rows]
    assert values == sorted(values, reverse=model == "segmenter")
    assert values[0] != values[1]
