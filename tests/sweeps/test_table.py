"""Multirun: one directory a job, one table, and what happens when a job or the request is wrong."""

import csv
import json
import re
from datetime import datetime
from types import SimpleNamespace

import hydra.core.utils
import pytest

import dlpipe
from dlpipe.cli.flags import parse
from dlpipe.runs import config_file
from dlpipe.sweeps import csv_files
from dlpipe.sweeps.rows import read_rows
from dlpipe.sweeps.table import lines

SHORT = "recipe.max_epochs=1"


def table(folder):
    with (folder / csv_files.JOBS_CSV).open(newline="") as file:
        return list(csv.DictReader(file))


def printed_jobs(out):
    """The job column of the printed table, from the top."""
    table = out[out.index("\njob ") :].splitlines()[2:]
    return [line.split()[0] for line in table if re.match(r"\d+-\S+  ", line)]


@pytest.fixture(scope="module")
def grid(tmp_path_factory, run_dlpipe):
    """The command of the README, once: flags after overrides, two models by two learning rates."""
    folder = tmp_path_factory.mktemp("grid")
    words = ["model=logreg,mlp", "optimizer.lr=0.1,0.01", SHORT, "-m"]
    done = run_dlpipe(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (directory,) = folder.glob("outputs/*/*-sweep-*")
    return directory, done.stdout


def test_grid_has_one_directory_a_job(grid):
    directory, _ = grid
    jobs = sorted(path.name for path in directory.iterdir() if path.is_dir() and path.name != "figures")
    assert jobs == ["0-logreg", "1-logreg", "2-mlp", "3-mlp"]


def test_each_job_of_a_grid_is_a_run_of_its_own(grid):
    directory, _ = grid
    summaries = [json.loads(path.read_text()) for path in sorted(directory.glob("*/summary.json"))]
    assert [(summary["model"], summary["status"]) for summary in summaries] == [
        ("logreg", "finished"),
        ("logreg", "finished"),
        ("mlp", "finished"),
        ("mlp", "finished"),
    ]


def test_sweep_csv_has_a_column_a_sweep_varied_and_is_ranked_on_validation(grid):
    rows = table(grid[0])
    assert {(row["model"], row["optimizer.lr"]) for row in rows} == {
        ("logreg", "0.1"),
        ("logreg", "0.01"),
        ("mlp", "0.1"),
        ("mlp", "0.01"),
    }
    best = [float(row["best"]) for row in rows]
    assert best == sorted(best)
    assert {row["metric"] for row in rows} == {"val/error"}


def test_a_sweep_opened_from_python_has_its_jobs_settings_and_swept_keys(grid):
    sweep = dlpipe.Sweep(grid[0])
    assert [job.name for job in sweep.jobs] == [row["job"] for row in table(grid[0])]
    assert [len(setting.rows) for setting in sweep.settings] == [1, 1, 1, 1]
    assert sweep.keys == ["model", "optimizer.lr"]


def test_printed_table_is_in_the_order_of_sweep_csv(grid):
    directory, out = grid
    assert printed_jobs(out) == [row["job"] for row in table(directory)]


def test_printed_table_fits_a_terminal_of_80_columns(grid):
    _, out = grid
    printed = out.splitlines()
    first = next(place for place, line in enumerate(printed) if line.startswith("jobs ranked"))
    assert max(len(line) for line in printed[first:-1]) <= 80


def test_last_line_says_where_the_table_is(grid):
    directory, out = grid
    assert out.splitlines()[-1].endswith(f"{directory.name}/sweep.csv")


def test_flags_may_stand_anywhere():
    flags_last = parse(["model=logreg,mlp", "optimizer.lr=1", "-m"])
    assert flags_last == parse(["-m", "model=logreg,mlp", "optimizer.lr=1"])
    assert flags_last == parse(["model=logreg,mlp", "-m", "optimizer.lr=1"])


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("recipe.lr=range(0.1,0.3,0.1)", {"0.1", "0.2"}),
        ("optimizer=glob(adam*)", {"adam", "adamw"}),
    ],
    ids=["range", "glob"],
)
def test_sweep_runs_every_value_of(override, values, cli):
    result = cli("-m", override, SHORT)
    assert result.code == 0, result.err
    (directory,) = result.folder.glob("outputs/*/*")
    assert {row[override.partition("=")[0]] for row in table(directory)} == values


@pytest.mark.parametrize("wrong", ["model=logreg,lenett", "optimizer.lr=0.1,abc", "recipe.batch_size=20,0"])
def test_sweep_with_one_wrong_choice_runs_nothing(wrong, cli):
    result = cli("-m", wrong)
    assert (result.code, result.written) == (2, [])


@pytest.mark.parametrize(
    ("empty", "message"),
    [
        ("optimizer=glob(x*)", r"optimizer=glob\(x\*\): an empty sweep; there are adadelta, adagrad"),
        ("recipe.lr=range(1,1)", r"recipe.lr=range\(1,1\): an empty sweep$"),
    ],
    ids=["glob", "range"],
)
def test_sweep_of_no_values_is_refused(empty, message, cli):
    result = cli("-m", empty)
    assert (result.code, result.written) == (2, [])
    assert re.search(message, result.err, re.MULTILINE)


@pytest.fixture
def failing(cli):
    """A sweep whose first job asks for a metric that is never logged, which training tells where the check is off."""
    result = cli("-m", "recipe.monitor=val/none,val/error", "try_one_batch=false", SHORT)
    (directory,) = result.folder.glob("outputs/*/*")
    return result, directory


def test_sweep_with_a_failed_job_runs_the_others_and_exits_with_1(failing):
    result, directory = failing
    assert result.code == 1
    assert [(row["job"], row["status"]) for row in table(directory)] == [
        ("1-logreg", "finished"),
        ("0-logreg", "failed"),
    ]
    assert printed_jobs(result.out) == ["1-logreg", "0-logreg"]


def test_failure_of_a_job_is_told_when_it_happens_and_kept_in_its_log(failing):
    result, directory = failing
    message = "recipe.monitor=val/none was not logged"
    assert result.out.index(message) < result.out.index("best validation error")
    assert message in (directory / "0-logreg" / "dlpipe.log").read_text()
    assert "pytorch_lightning/trainer" not in result.err  # no traceback of ours for an error of the user's


CALLBACK = """
from pytorch_lightning import Callback

class Raise(Callback):
    def __init__(self, what: str = ""):
        self.what = what
    def on_train_start(self, trainer, pl_module):
        if self.what:
            raise {"bug": RuntimeError("a bug"), "ctrl-c": KeyboardInterrupt()}[self.what]
"""


def test_traceback_of_every_bug_is_in_the_log_of_its_job(cli, install):
    install("dlpipe-acme", {}, {"acme_raise.py": CALLBACK})
    callback = ("+callbacks.acme._target_=acme_raise.Raise", "+callbacks.acme.what=bug")
    result = cli("-m", *callback, "try_one_batch=false", "seed=1,2", SHORT)
    assert result.code == 1
    logs = [(folder / "dlpipe.log").read_text() for folder in result.run_dirs]
    assert ["RuntimeError: a bug" in log for log in logs] == [True, True]


def test_ctrl_c_ends_the_sweep_and_ranks_what_it_has(cli, install):
    install("dlpipe-acme", {}, {"acme_raise.py": CALLBACK})
    callback = ("+callbacks.acme._target_=acme_raise.Raise", "+callbacks.acme.what='',ctrl-c,''")
    result = cli("-m", *callback, "try_one_batch=false", SHORT)
    assert result.code == 130
    (directory,) = result.folder.glob("outputs/*/*")
    assert [(row["job"], row["status"]) for row in table(directory)] == [
        ("0-logreg", "finished"),
        ("1-logreg", "interrupted"),
    ]


def test_sweep_goes_where_the_user_says(cli):
    result = cli("-m", "hydra.sweep.dir=my sweeps/first", "seed=1,2", SHORT)
    assert result.code == 0, result.err
    assert len(table(result.folder / "my sweeps" / "first")) == 2


def test_a_directory_that_holds_a_sweep_is_refused(cli):
    assert cli("-m", "hydra.sweep.dir=first", "seed=1", SHORT).code == 0
    before = cli("list").written
    result = cli("-m", "hydra.sweep.dir=first", "seed=2", SHORT)
    assert "already holds a sweep; choose another directory, or resume it: resume=auto" in result.err
    assert (result.code, result.written) == (2, before)


def test_two_sweeps_of_one_second_get_two_directories(cli, monkeypatch):
    noon = datetime(2026, 1, 1, 12)
    monkeypatch.setattr(hydra.core.utils, "datetime", SimpleNamespace(now=lambda: noon))
    cli("-m", "seed=1", SHORT)
    result = cli("-m", "seed=1", SHORT)
    assert len(list(result.folder.glob("outputs/2026-01-01/12-00-00-sweep-*"))) == 2


def names(jobs):
    return [job.name for job in jobs]


def test_the_largest_value_is_first_where_more_is_better(tmp_path, write_job):
    for number, value in enumerate((0.5, 0.9, 0.7)):
        write_job(tmp_path, number, [f"seed={number}"], value, metric="val/accuracy", mode="max")
    assert names(read_rows(tmp_path)) == ["1-job", "2-job", "0-job"]


def test_jobs_without_a_result_are_last_in_the_order_they_ran(tmp_path, write_job):
    for number in (2, 9, 10):
        write_job(tmp_path, number, [f"seed={number}"], None)
    write_job(tmp_path, 11, ["seed=11"], 0.5)
    assert names(read_rows(tmp_path)) == ["11-job", "2-job", "9-job", "10-job"]


def test_values_of_different_metrics_are_not_compared(tmp_path, write_job):
    for number, (metric, value) in enumerate([("val/loss", 0.2), ("val/error", 0.3), ("val/loss", 0.1)]):
        write_job(tmp_path, number, [f"seed={number}"], value, metric=metric)
    assert names(read_rows(tmp_path)) == ["1-job", "2-job", "0-job"]


def test_a_thousand_jobs_are_ranked_without_reading_their_configs(tmp_path, monkeypatch, write_job):
    for number in range(1000):
        write_job(tmp_path, number, [f"seed={number}"], 1000 - number)
    read = []
    monkeypatch.setattr(config_file, "_read", read.append)
    jobs = read_rows(tmp_path)
    assert names(jobs) == [f"{number}-job" for number in reversed(range(1000))]
    assert read == []


DAMAGE = {
    "summary of no JSON": ("summary.json", '{"status": "fini', "summary.json is damaged: "),
    "summary of a list": ("summary.json", "[]", "summary.json is damaged: it holds a list"),
    "best of no metric": ("summary.json", '{"status": "finished", "best": {"value": 1}}', "'metric'"),
    "best of no number": ("summary.json", '{"best": {"metric": "val/error", "value": "x", "epoch": 1}}', "'x'"),
    "test of no numbers": ("summary.json", '{"status": "finished", "test": {"test/error": [1]}}', "list"),
    "test of a list": ("summary.json", '{"status": "finished", "test": [1]}', "list"),
}


@pytest.mark.parametrize(("file", "content", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_job_costs_only_its_own_row(file, content, message, tmp_path, write_job):
    for number, value in enumerate((0.25, 0.125, 0.5)):
        job = write_job(tmp_path, number, [f"optimizer.lr={number}", "trainer=cpu"], value)
    (job / file).write_text(content)
    jobs = read_rows(tmp_path)
    assert names(jobs) == ["1-job", "0-job", "2-job"]
    assert [job.status for job in jobs[:2]] == ["finished", "finished"]
    assert jobs[2].status == "damaged"
    assert message in jobs[2].error
    assert lines(jobs)[0] == "jobs ranked on validation, all with trainer=cpu:"
    csv_files.write_jobs(tmp_path, jobs)
    assert [row["status"] for row in table(tmp_path)] == [job.status for job in jobs]


def test_a_best_value_that_is_not_finite_is_ranked_last(tmp_path, write_job):
    job = write_job(tmp_path, 0, ["seed=0"], 0.5)
    summary = (job / "summary.json").read_text()
    (job / "summary.json").write_text(summary.replace("0.5", "null"))
    write_job(tmp_path, 1, ["seed=1"], 0.25)
    assert names(read_rows(tmp_path)) == ["1-job", "0-job"]


def test_a_summary_without_a_mode_is_ranked_by_the_least_value(tmp_path, write_job):
    for number, value in enumerate((0.5, 0.25)):
        job = write_job(tmp_path, number, [f"seed={number}"], value)
        summary = json.loads((job / "summary.json").read_text())
        del summary["best"]["mode"]
        (job / "summary.json").write_text(json.dumps(summary))
    assert names(read_rows(tmp_path)) == ["1-job", "0-job"]


def test_printed_table_shows_what_differs_and_names_the_rest_once(tmp_path, write_job):
    write_job(tmp_path, 0, ["optimizer.lr=0.1", "seed=7"], 0.5)
    write_job(tmp_path, 1, ["optimizer.lr=0.01", "seed=7"], 0.25)
    assert lines(read_rows(tmp_path)) == [
        "jobs ranked on validation, all with seed=7:",
        "job    optimizer.lr  best val/error  epoch",
        "1-job  0.01          25.000000 %     1",
        "0-job  0.1           50.000000 %     1",
    ]


def test_a_sweep_that_is_asked_for_again_trains_nothing_and_other_values_are_other_jobs(cli):
    words = ["-m", "model=logreg", "recipe.max_epochs=1", "hydra.sweep.dir=sweep", "resume=auto"]
    assert cli(*words, "optimizer.lr=0.1,0.01").code == 0
    again = cli(*words, "optimizer.lr=0.1,0.01")
    assert again.code == 0
    assert "run directory:" not in again.out
    other = cli(*words, "optimizer.lr=0.5,0.1")
    assert other.code == 0
    with (other.folder / "sweep" / "sweep.csv").open(newline="") as file:
        assert sorted(row["optimizer.lr"] for row in csv.DictReader(file)) == ["0.01", "0.1", "0.5"]
