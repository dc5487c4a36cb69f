"""The verb that compares runs on the terminal."""

import functools
import json
import subprocess
import sys

import pytest

from .written_run import write_run


@pytest.fixture
def run(tmp_path):
    return functools.partial(write_run, tmp_path)


@pytest.fixture
def pair(run):
    config = {"model": {"name": "mlp", "num_hidden": 200, "l2": 0.1}, "seed": 2}
    best = {"metric": "val/error", "value": 0.125, "update": 40, "epoch": 2, "mode": "min"}
    machine = {"libraries": {"torch": "2.14.0", "numpy": "2.4.6"}, "git": {"commit": "c" * 40, "modified": False}}
    return run("a"), run("b", config, machine, seed=2, best=best, test={"test/error": 0.75, "test/f1": None})


def rows(out, title):
    """The cells of a table by its first column."""
    lines = out.partition(f"\n{title}")[2].partition("\n\n")[0].splitlines()[2:]
    return {line.split()[0]: line.split()[1:] for line in lines}


def test_keys_metrics_and_versions_stand_side_by_side(pair, cli):
    result = cli("compare", *map(str, pair))
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"run 1: {pair[0]}\nrun 2: {pair[1]}\n")
    assert rows(result.out, "config keys") == {
        "model.num_hidden": ["500", "200"],
        "model.l2": ["0.1"],
        "seed": ["1", "2"],
    }
    results = rows(result.out, "results")
    assert results["status"] == ["finished", "finished"]
    assert results["best"] == ["val/error", "25.000000", "%", "12.500000", "%", "*"]
    assert results["test/error"] == ["50.000000", "%", "*", "75.000000", "%"]
    assert results["test/loss"] == ["2.500000"]
    assert results["test/f1"] == ["nan"]
    assert (results["updates"], results["seconds"]) == (["60", "60"], ["6.0", "6.0"])
    versions = rows(result.out, "versions")
    assert versions["libraries.torch"] == ["2.13.0", "2.14.0"]
    assert versions["git.commit"] == ["a" * 12, "c" * 12]


def test_the_highest_of_a_metric_that_a_target_maximises_is_the_best(run, cli):
    target = {"dataset": "digits", "metric": "test/f1", "value": 0.9, "mode": "max", "source": "x", "run": 0.5}
    pair = [run(name, test={"test/f1": value}, targets=[target]) for name, value in (("a", 0.5), ("b", 0.75))]
    assert rows(cli("compare", *map(str, pair)).out, "results")["test/f1"] == ["0.500000", "0.750000", "*"]


def test_nothing_differs_between_a_run_and_itself(run, cli):
    path = str(run("a"))
    out = cli("compare", path, path).out
    assert "config keys that differ: none\n" in out
    assert out.endswith("versions, data and machine that differ: none\n")
    assert "*" not in out.partition("marked with *")[2]


def test_a_run_that_is_training_is_unfinished(run, cli):
    out = cli("compare", str(run("a")), str(run("b", summary=None))).out
    assert rows(out, "results")["status"] == ["finished", "unfinished"]


def test_json_has_null_for_nan_and_for_a_key_that_a_run_lacks(pair, cli):
    found = json.loads(cli("compare", *map(str, pair), "--json").out, parse_constant=pytest.fail)
    assert found["runs"] == list(map(str, pair))
    assert found["config"]["model.l2"] == [None, 0.1]
    assert found["results"]["test/f1"] == [None, None]
    assert found["provenance"]["libraries.torch"] == ["2.13.0", "2.14.0"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "compare takes two runs or more; there is only a"),
        (["a", "nowhere"], "nowhere is not a run's directory: it does not exist"),
        (["a", "empty"], "empty is not a run's directory: it has no config.yaml"),
        (["a", "damaged"], "summary.json is damaged: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_runs_are_refused(names, message, run, cli):
    folder = cli("help").folder
    for name in ("a", "damaged"):
        run(name).rename(folder / name)
    (folder / "empty").mkdir()
    (folder / "damaged" / "summary.json").write_text("{")
    result = cli("compare", *names)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_comparing_imports_no_torch(pair):
    code = f"import sys; from dlpipe.cli.main import main; main(['compare', {str(pair[0])!r}, {str(pair[1])!r}]); "
    command = [sys.executable, "-c", code + "print('torch' in sys.modules)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1] == "False"


def test_a_sweep_is_refused_with_what_to_give_instead(swept, cli):
    result = cli("compare", str(swept))
    assert result.code == 2
    assert f"{swept} is a sweep; give the directories of its jobs, or see {swept}/sweep.csv" in result.err
