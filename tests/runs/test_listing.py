"""The runs below a folder, and the run that a command's RUN names."""

import json
import os
import subprocess
import sys
import time

import pytest

from dlpipe.errors import DlpipeError
from dlpipe.runs.listing import find_run, runs

CONFIG = "format: 1\ndataset:\n  image_shape:\n  - 1\n  name: mnist\nmodel:\n  num_hidden: 3\n  name: lenet\nseed: 7\n"


@pytest.fixture
def make(tmp_path):
    """Write a run that started at a time; without a status, it has no summary."""

    def run(name, started, status=None):
        path = tmp_path / "outputs" / name
        (path / ".hydra").mkdir(parents=True)
        (path / ".hydra" / "config.yaml").write_text("seed: 1\n")
        (path / "config.yaml").write_text(CONFIG)
        os.utime(path / "config.yaml", (started, started))
        if status:
            best = {"metric": "val/error", "value": 0.1, "update": 3, "epoch": 1}
            summary = {"model": "mlp", "dataset": "digits", "status": status, "best": best, "test": {"test/error": 0.2}}
            summary |= {"seed": 3, "seconds": 4.5}
            (path / "summary.json").write_text(json.dumps(summary))
        return path

    return run


def test_runs_are_listed_newest_first_with_their_state(make, tmp_path):
    old, new = make("2026-01-01/10-00-00-mlp", 100, "finished"), make("2026-01-02/09-00-00-lenet", 200)
    job = make("2026-01-01/11-00-00-sweep-1/0-mlp", 150, "diverged")
    found = runs(tmp_path / "outputs")
    assert [run.path for run in found] == [new, job, old]
    assert [run.status for run in found] == ["unfinished", "diverged", "finished"]
    assert [(run.model, run.dataset) for run in found] == [("lenet", "mnist"), ("mlp", "digits"), ("mlp", "digits")]
    assert [run.best and run.best["value"] for run in found] == [None, 0.1, 0.1]
    assert found[0].started.timestamp() == 200
    assert [(run.seed, run.seconds, run.test) for run in found[:2]] == [
        (7, None, {}),
        (3, 4.5, {"test/error": 0.2}),
    ]


@pytest.mark.parametrize("text", ["{", "[]", '{"test": [1]}', '{"best": 3}', '{"best": {"metric": "val/error"}}'])
def test_a_damaged_summary_hides_no_run(text, make, tmp_path):
    run = make("2026-01-01/10-00-00-mlp", 100, "finished")
    (run / "summary.json").write_text(text)
    assert [(found.status, found.model) for found in runs(tmp_path / "outputs")] == [("damaged", "lenet")]


def test_there_are_no_runs_below_a_folder_that_is_not_there(tmp_path):
    assert runs(tmp_path / "nowhere") == []


def test_a_thousand_runs_are_listed_within_a_second_of_processor_time(make, tmp_path):
    for number in range(1000):
        make(f"2026-01-01/{number}-mlp", number, "finished")
    start = time.process_time()
    assert len(runs(tmp_path / "outputs")) == 1000
    assert time.process_time() - start < 1


def test_listing_runs_imports_neither_torch_nor_a_yaml_parser():
    code = "import sys; from dlpipe.runs.listing import runs; runs(); print({'torch', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_last_is_the_latest_run(make, tmp_path):
    make("2026-01-01/10-00-00-mlp", 100, "finished")
    new = make("2026-01-01/09-00-00-mlp", 200, "finished")
    assert find_run("last", tmp_path / "outputs") == new


def test_last_without_runs_is_refused(tmp_path):
    with pytest.raises(DlpipeError, match=r"last: there are no runs below .*outputs/"):
        find_run("last", tmp_path / "outputs")


def test_a_directory_that_does_not_exist_is_refused_with_the_latest_five_runs(make, tmp_path):
    made = [make(f"2026-01-01/{number}-mlp", number, "finished") for number in range(7)]
    with pytest.raises(
        DlpipeError, match=r"nowhere is not a run's directory: it does not exist\. The latest"
    ) as caught:
        find_run("nowhere", tmp_path / "outputs")
    lines = str(caught.value).splitlines()[1:]
    assert lines == [f"  {path}  model=mlp dataset=digits  finished" for path in reversed(made[2:])]
