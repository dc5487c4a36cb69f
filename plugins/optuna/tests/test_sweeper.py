"""Searches of real runs, from the command line."""

import json
import os
import signal
import subprocess
import sys
import time

import optuna
import pytest
from optuna.trial import TrialState
from safetensors.torch import load_file

from dlpipe_optuna.journal import JOURNAL, STUDY, open_storage

SWEEP = ("hydra.sweep.dir=sweep", "recipe.max_epochs=1", "try_one_batch=false")
SEARCH = ("-m", "hydra/sweeper=optuna", *SWEEP)
RATE = "optimizer.lr=tag(log,interval(1e-3,1))"
MEDIAN = ("hydra.sweeper.pruner=median", "hydra.sweeper.pruner_options={n_startup_trials: 1}")


def read_study(folder):
    return optuna.load_study(study_name=STUDY, storage=open_storage(folder / "sweep"))


def summaries(folder):
    found = sorted((folder / "sweep").glob("*/summary.json"), key=lambda path: int(path.parent.name.split("-")[0]))
    return [json.loads(path.read_text()) for path in found]


def test_the_values_of_the_runs_are_those_of_the_study(cli):
    result = cli(*SEARCH, RATE, "recipe.batch_size=choice(20,50)", "hydra.sweeper.n_trials=3")
    assert result.code == 0, result.err
    study = read_study(result.folder)
    assert [trial.value for trial in study.trials] == [one["best"]["value"] for one in summaries(result.folder)]
    assert [set(trial.params) for trial in study.trials] == [{"optimizer.lr", "recipe.batch_size"}] * 3


def test_a_metric_of_which_more_is_better_is_maximised(cli):
    result = cli(*SEARCH, RATE, "hydra.sweeper.n_trials=2", "recipe.monitor=val/loss", "recipe.monitor_mode=max")
    assert result.code == 0, result.err
    study = read_study(result.folder)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.best_value == max(one["best"]["value"] for one in summaries(result.folder))


def test_a_run_that_diverges_is_a_failed_trial_and_the_search_goes_on(cli):
    result = cli(*SEARCH, "model=logreg", "optimizer.lr=0.1,1e38", "hydra.sweeper.sampler=grid")
    states = {trial.params["optimizer.lr"]: trial.state for trial in read_study(result.folder).trials}
    assert states == {"0.1": TrialState.COMPLETE, "1e+38": TrialState.FAIL}, result.err


def test_hopeless_trials_are_pruned_and_the_others_are_as_without_a_pruner(cli):
    options = (RATE, "hydra.sweeper.n_trials=4", "recipe.max_epochs=2")
    assert cli(*SEARCH, *options, "hydra.sweep.dir=without").code == 0
    result = cli(*SEARCH, *options, *MEDIAN)
    assert result.code == 0, result.err
    study, own = read_study(result.folder), summaries(result.folder)
    pruned = [trial.number for trial in study.trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert pruned == [number for number, one in enumerate(own) if one["status"] == "pruned"]
    for number in {0, 1, 2, 3} - set(pruned):
        job = f"{number}-logreg/weights.safetensors"
        one, other = (load_file(result.folder / name / job) for name in ("without", "sweep"))
        assert all(one[key].equal(other[key]) for key in one)
    reports = study.trials[0].intermediate_values
    assert list(reports) == [1, 2]
    assert min(reports.values()) == own[0]["best"]["value"]


def test_a_search_in_a_file_is_the_same_search(cli, tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "rate.yaml").write_text(
        "# @package hydra.sweeper.params\noptimizer.lr: tag(log,interval(1e-3,1))\n"
    )
    result = cli("-cd", str(tmp_path), *SEARCH, "search=rate", "hydra.sweeper.n_trials=1")
    assert result.code == 0, result.err
    typed = cli(*SEARCH, RATE, "hydra.sweeper.n_trials=2", "resume=auto")  # of the same space
    assert typed.code == 0, typed.err
    assert len(read_study(result.folder).trials) == 2


BAD = {
    "no dimension": (
        [],
        "hydra/sweeper=optuna: needs something to search; give a value an interval",
    ),
    "sampler": (["hydra.sweeper.sampler=tpee"], "no such sampler; did you mean 'tpe'? there are tpe, random, grid"),
    "pruner": (["hydra.sweeper.pruner=mdian"], "no such pruner; did you mean 'median'? there are none, median"),
    "n_trials": (["hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: must be a whole number from 1"),
    "n_jobs": (["hydra.sweeper.n_jobs=2.5"], "hydra.sweeper.n_jobs=2.5: must be a whole number from 1"),
    "seed": (["hydra.sweeper.seed=-1"], "hydra.sweeper.seed=-1: must be a whole number from 0, or null for the run's"),
    "sampler's option": (["hydra.sweeper.sampler_options={x: 1}", RATE], "unexpected keyword argument 'x'"),
    "pruner's option": (["hydra.sweeper.pruner=percentile", RATE], "hydra.sweeper.pruner=percentile: "),
    "object in an option": (
        ["hydra.sweeper.sampler_options={_target_: os.mkdir, path: here}", RATE],
        "must be numbers, words, true or false by name",
    ),
    "object in the params": (["hydra.sweeper.params={_target_: os.mkdir, path: here}"], "must be overrides, such as"),
    "grid of an interval": (
        ["hydra.sweeper.sampler=grid", RATE],
        "a grid needs choices or a range, and optimizer.lr is an interval",
    ),
    "logarithm of 0": (["optimizer.lr=tag(log,interval(0,1))"], "a logarithm needs numbers above 0"),
    "another tag": (["optimizer.lr=tag(lgo,interval(0.1,1))"], "the only tag is log"),
    "value that is refused at an end": (["optimizer.lr=interval(-1,1)"], "optimizer.lr=-1.0: Invalid learning rate"),
    "pruner of stages": (
        ["hydra.sweeper.pruner=median", "model=sda", "recipe.batch_size=10,20"],
        "hydra.sweeper.pruner=median: cannot prune model=sda, which is trained in stages; choose one with stages=",
    ),
    "two objectives": (["recipe.monitor_mode=min,max", "recipe.monitor=val/error", RATE], "differs between the trials"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_search_is_refused_before_anything_is_written(name, cli):
    words, message = BAD[name]
    result = cli("-m", "hydra/sweeper=optuna", *words)
    assert (result.code, result.written) == (2, []), result.err
    assert message in result.err


@pytest.fixture
def searched(cli):
    """The working folder of a search that has finished."""
    result = cli(*SEARCH, RATE, "hydra.sweeper.n_trials=1")
    assert result.code == 0, result.err
    return result.folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimizer.lr=interval(0.1,1)"], "another search space (optimizer.lr was from 0.001 to 1.0 on a log scale)"),
        ([RATE, "seed=1,2"], "another search space (seed was not searched)"),
        (
            [RATE, "recipe.monitor=val/error", "recipe.monitor_mode=max"],
            "a study of another recipe.monitor_mode than max",
        ),
    ],
)
def test_a_search_continues_only_its_own_study(searched, cli, words, message):
    before = (searched / "sweep" / JOURNAL).read_bytes()
    result = cli(*SEARCH, *words, "resume=auto")
    assert result.code == 2
    assert f"{JOURNAL}: holds " in result.err
    assert message in result.err
    assert (searched / "sweep" / JOURNAL).read_bytes() == before


@pytest.mark.parametrize("damage", [b"no JSON\n", b'{"op_code": 99, "worker_id": "x"}\n', b"[]\n"])
def test_a_damaged_journal_is_refused(searched, cli, damage):
    journal = searched / "sweep" / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], damage, *lines[2:]]))
    result = cli(*SEARCH, RATE, "resume=auto")
    assert result.code == 2
    assert f"{journal} is damaged: " in result.err
    assert "take a good copy, or choose another hydra.sweep.dir" in result.err


def test_a_missing_optuna_is_told_with_the_extra(cli, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "dlpipe_optuna"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = cli(*SEARCH, RATE)
    assert (result.code, result.written) == (2, [])
    assert "hydra/sweeper=optuna: needs Optuna (" in result.err
    assert "): pip install 'dlpipe[optuna]'" in result.err


def test_a_missing_cmaes_is_told_with_the_extra(cli, monkeypatch):
    def refuse(*arguments, **named):
        raise ImportError("Tried to import 'cmaes'\nbut failed")

    monkeypatch.setattr("dlpipe_optuna.checks.build_sampler", refuse)
    result = cli(*SEARCH, RATE, "hydra.sweeper.sampler=cmaes")
    assert result.code == 2
    assert "needs the package cmaes (Tried to import 'cmaes'): pip install 'dlpipe[optuna]'" in result.err


@pytest.mark.parametrize("words", [["list"], ["--help"], ["recipe.max_epochs=1"]], ids=["list", "help", "run"])
def test_optuna_is_imported_for_searches_alone(words, tmp_path):
    code = "import sys\nfrom dlpipe.cli.main import main\nassert main(sys.argv[1:]) == 0\n"
    code += "assert not [name for name in sys.modules if name.partition('.')[0] in ('optuna', 'dlpipe_optuna')]"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_a_search_that_was_killed_continues_with_its_history(cli, tmp_path, dlpipe_process, run_dlpipe):
    options = (RATE, "hydra.sweeper.n_trials=4", "hydra.sweep.dir=sweep")
    process = dlpipe_process([*SEARCH, *options], cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 100
    while not (tmp_path / "sweep" / "1-logreg" / "checkpoints").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(read_study(tmp_path).trials) == 2
    done = run_dlpipe([*SEARCH, *options, "resume=auto"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    undisturbed = cli(*SEARCH, *options)
    one, other = read_study(tmp_path).trials, read_study(undisturbed.folder).trials
    assert [(trial.params, trial.value) for trial in one] == [(trial.params, trial.value) for trial in other]
    assert sorted(path.name for path in (tmp_path / "sweep").glob("*-logreg")) == [f"{n}-logreg" for n in range(4)]


@pytest.mark.slow
def test_trials_run_side_by_side_in_the_workers_of_a_launcher(tmp_path):
    words = (RATE, "hydra/launcher=joblib", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2", *MEDIAN)
    command = [sys.executable, "-m", "dlpipe", *SEARCH, *words, "recipe.max_epochs=2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    trials = read_study(tmp_path).trials
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
    assert all(trial.intermediate_values for trial in trials)
    assert sorted(path.name for path in (tmp_path / "sweep").glob("*-logreg")) == [f"{n}-logreg" for n in range(3)]
