"""The verb that lists runs."""

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime

import pytest

CONFIG = "format: 1\ndataset:\n  name: mnist\nmodel:\n  name: lenet\nseed: 7\n"


@pytest.fixture
def outputs(tmp_path):
    """Write runs below a folder of this name; returns the folder."""
    folder = tmp_path / "outputs"

    def write(name, started, text=None, **summary):
        path = folder / name
        path.mkdir(parents=True)
        (path / "config.yaml").write_text(CONFIG)
        os.utime(path / "config.yaml", (started, started))
        if text or summary:
            (path / "summary.json").write_text(text or json.dumps(summary))

    def best(value, mode="min"):
        return {"metric": "val/error", "value": value, "update": 3, "epoch": 1, "mode": mode}

    finished = {"model": "mlp", "dataset": "digits", "seed": 1, "status": "finished"}
    write("day/1-mlp", 100, **finished, best=best(0.2), test={"test/loss": 1.5, "test/error": 0.1}, seconds=90)
    write("day/2-sweep/0-mlp", 200, **finished, best=best(0.1), test={"test/error": 0.3}, seconds=7300)
    write("day/3-gan", 300, **{**finished, "model": "gan"}, best=None, test={"test/fid": None}, seconds=2.5)
    write("day/4-lenet", 400)
    write("day/5-lenet", 500, text="{")
    return folder


def paths(out, outputs):
    """The runs in a table, as their directories below the folder's day."""
    return [line.split()[0].removeprefix(f"{outputs}/day/") for line in out.splitlines()[1:]]


def test_the_latest_runs_come_first_with_jobs_of_sweeps_and_errors_in_per_cent(outputs, cli):
    result = cli("runs", str(outputs))
    assert (result.code, result.err) == (0, "")
    assert paths(result.out, outputs) == ["5-lenet", "4-lenet", "3-gan", "2-sweep/0-mlp", "1-mlp"]
    rows = [line.split()[1:] for line in result.out.splitlines()]
    assert rows[0] == ["model", "dataset", "seed", "status", "best", "test", "duration"]
    assert rows[1] == ["lenet", "mnist", "7", "damaged"]
    assert rows[2] == ["lenet", "mnist", "7", "unfinished"]
    assert rows[3] == ["gan", "digits", "1", "finished", "test/fid", "nan", "2.5", "s"]
    errors = ["val/error", "10.000000", "%", "test/error", "30.000000", "%"]
    assert rows[4] == ["mlp", "digits", "1", "finished", *errors, "2.0", "h"]
    assert rows[5][-2:] == ["1.5", "min"]


@pytest.mark.parametrize(
    ("words", "listed"),
    [
        (["model=mlp"], ["2-sweep/0-mlp", "1-mlp"]),
        (["model=mlp,gan", "status=finished"], ["3-gan", "2-sweep/0-mlp", "1-mlp"]),
        (["dataset=mnist", "status=unfinished"], ["4-lenet"]),
        (["seed=7"], ["5-lenet", "4-lenet"]),
        (["--sort", "best", "status=finished"], ["2-sweep/0-mlp", "1-mlp", "3-gan"]),
        (["--sort", "test", "model=mlp"], ["1-mlp", "2-sweep/0-mlp"]),
        (["--sort", "duration", "status=finished"], ["2-sweep/0-mlp", "1-mlp", "3-gan"]),
        (["--sort", "model", "status=finished"], ["3-gan", "2-sweep/0-mlp", "1-mlp"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_runs_are_chosen_and_sorted(words, listed, outputs, cli):
    assert paths(cli("runs", str(outputs), *words).out, outputs) == listed


def test_the_highest_of_a_metric_that_is_maximised_is_the_best(outputs, cli):
    for path in outputs.rglob("summary.json"):
        path.write_text(path.read_text().replace('"min"', '"max"'))
    assert paths(cli("runs", str(outputs), "--sort", "best", "model=mlp").out, outputs) == ["1-mlp", "2-sweep/0-mlp"]


def test_a_count_leaves_out_the_rest_and_says_so(outputs, cli):
    lines = cli("runs", str(outputs), "-n", "2").out.splitlines()
    assert (len(lines), lines[-1]) == (4, "2 of 5 runs; -n 5 lists all")


def test_json_has_all_runs_with_null_for_nan_and_the_time_in_iso_format(outputs, cli):
    listed = json.loads(cli("runs", str(outputs), "--json").out, parse_constant=pytest.fail)
    assert len(listed) == 5
    assert listed[2] == {
        "path": str(outputs / "day" / "3-gan"),
        "model": "gan",
        "dataset": "digits",
        "status": "finished",
        "started": listed[2]["started"],
        "best": None,
        "test": {"test/fid": None},
        "seed": 1,
        "seconds": 2.5,
    }
    assert datetime.fromisoformat(listed[2]["started"]).timestamp() == 300


def test_a_narrow_terminal_has_the_path_on_a_line_of_its_own(outputs, cli, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, 20)))
    lines = cli("runs", str(outputs), "model=mlp").out.splitlines()
    assert lines[2] == str(outputs / "day/2-sweep/0-mlp")
    assert lines[3].startswith("  mlp    digits   1     finished  val/error 10.000000 %")
    assert len(lines[3]) <= 60


def test_a_folder_without_runs_has_none(cli):
    for words, out in ((["runs"], "there are no runs below outputs/\n"), (["runs", "--json"], "[]\n")):
        result = cli(*words)
        assert (result.code, result.out, result.err) == (0, out, "")


def test_a_value_that_no_run_has_is_answered_with_those_they_have(outputs, cli):
    result = cli("runs", str(outputs), "status=finsihed")
    expected = f"no run below {outputs}/ has status=finsihed; they have status damaged, finished, unfinished\n"
    assert (result.code, result.out) == (0, expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no such folder; give one that has runs (default: outputs)"),
        ([".", "."], "takes one DIR; there are ., ."),
        (
            ["modle=mlp"],
            "modle: runs are not chosen by it; did you mean 'model'? choose by model, dataset, status, seed",
        ),
        (["--sort", "tset"], "must be one of started, best, test, duration, model, not 'tset'; did you mean 'test'?"),
        (["-n", "0"], "argument -n/--count: must be a whole number from 1, not '0'"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_wrong_arguments_are_refused(words, message, cli):
    result = cli("runs", *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_listing_runs_imports_no_torch(tmp_path):
    code = "import sys; from dlpipe.cli.main import main; main(['runs']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "False"
