"""What a sweep leaves: its two tables, its pictures, and its own run in W&B."""

import csv
import json
import os
import subprocess
import sys
import time

import pytest
import wandb

from dlpipe.sweeps.results import write_results
from dlpipe.sweeps.rows import Row
from dlpipe.sweeps.wandb_run import sync_lines


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def sweep(tmp_path, write_job):
    """Two learning rates by two seeds, one of which failed."""
    jobs = [("1", 1, 0.1, 0.5), ("1", 2, 0.3, 0.25), ("2", 1, 0.4, 0.125)]
    for number, (lr, seed, value, test) in enumerate(jobs):
        write_job(tmp_path, number, [f"optimizer.lr={lr}", f"seed={seed}"], value, test={"test/error": test})
    write_job(tmp_path, 3, ["optimizer.lr=2", "seed=2"], status="failed", error="no space left on device")
    return tmp_path


def test_results_are_two_tables_and_a_picture(sweep):
    printed = write_results(sweep)
    assert printed[-2:] == ["settings: sweep-summary.csv; pictures: figures/", f"table: {sweep / 'sweep.csv'}"]
    assert [path.name for path in (sweep / "figures").iterdir()] == ["val_error.png"]


def test_a_sweep_without_jobs_leaves_nothing(tmp_path):
    assert write_results(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_sweep_csv_has_a_row_a_job_with_its_status_and_error(sweep):
    write_results(sweep)
    rows = table(sweep / "sweep.csv")
    columns = ("job", "optimizer.lr", "seed", "status", "error", "setting", "best", "test/error")
    assert [[row[column] for column in columns] for row in rows] == [
        ["0-job", "1", "1", "finished", "", "optimizer.lr=1", "0.1", "0.5"],
        ["1-job", "1", "2", "finished", "", "optimizer.lr=1", "0.3", "0.25"],
        ["2-job", "2", "1", "finished", "", "optimizer.lr=2", "0.4", "0.125"],
        ["3-job", "2", "2", "failed", "no space left on device", "optimizer.lr=2", "", ""],
    ]


def test_sweep_summary_has_a_row_a_setting(sweep):
    write_results(sweep)
    first, second = table(sweep / "sweep-summary.csv")
    assert {key: first[key] for key in ("setting", "optimizer.lr", "jobs", "finished", "metric", "best_job")} == {
        "setting": "optimizer.lr=1",
        "optimizer.lr": "1",
        "jobs": "2",
        "finished": "2",
        "metric": "val/error",
        "best_job": "0-job",
    }
    # two values have the deviation |a - b| / sqrt(2)
    assert [float(first[key]) for key in ("mean", "std", "best")] == pytest.approx([0.2, 0.2 / 2**0.5, 0.1])
    tests = [float(first[f"test/error_{key}"]) for key in ("of_best", "mean", "std")]
    assert tests == pytest.approx([0.5, 0.375, 0.25 / 2**0.5])
    assert [second[key] for key in ("jobs", "finished", "mean", "std", "best")] == ["2", "1", "0.4", "", "0.4"]


def test_results_of_a_thousand_jobs_take_seconds(tmp_path, write_job, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # of writing the sweep, not of its results
    for number in range(1000):
        overrides = [f"optimizer.lr={1 + number // 10}", f"seed={number % 10}"]
        write_job(tmp_path, number, overrides, (1 + number) / 1000, test={"test/error": 0.5})
    start = time.monotonic()
    write_results(tmp_path)
    assert time.monotonic() - start < 20  # 1 s on an idle machine
    assert len(table(tmp_path / "sweep-summary.csv")) == 100


@pytest.fixture
def without_wandb_account(monkeypatch, tmp_path):
    """W&B as somebody has it who never used it; it reads its environment once."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("WANDB_CONFIG_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    wandb.teardown()
    yield
    wandb.teardown()


def wandb_records(directory):
    """The records of the only W&B run in a directory, read back with the wandb command."""
    (log,) = directory.glob("wandb/offline-run-*/*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(log)]
    environment = os.environ | {"WANDB_MODE": "offline"}
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    return [json.loads(line) for line in text.splitlines()]


def test_a_sweep_whose_jobs_log_to_wandb_has_a_run_of_its_own_in_their_group(cli, without_wandb_account):
    command = ("-m", "logger=[csv,wandb]", "logger.wandb.project=mine", "optimizer.lr=0.1,0.2", "recipe.max_epochs=1")
    result = cli(*command)
    assert result.code == 0, result.err
    (directory,) = result.folder.glob("outputs/*/*")
    records = wandb_records(directory)
    (run,) = [record["run"] for record in records if record["type"] == "run"]
    assert (run["project"], run["run_group"], run["job_type"]) == ("mine", directory.name, "sweep")
    (job,) = [record["run"] for record in wandb_records(result.run_dirs[0]) if record["type"] == "run"]
    assert (job["project"], job["run_group"], job["job_type"]) == ("mine", directory.name, "train")
    (picture,) = directory.glob("wandb/offline-run-*/files/media/images/figures/*.png")
    assert picture.read_bytes() == (directory / "figures" / "val_error.png").read_bytes()
    (content,) = [json.loads(path.read_text()) for path in directory.glob("wandb/offline-run-*/files/media/table/*")]
    summary = table(directory / "sweep-summary.csv")
    assert content["columns"] == list(summary[0])
    assert [row[content["columns"].index("optimizer.lr")] for row in content["data"]] == [
        row["optimizer.lr"] for row in summary
    ]
    write_results(directory)  # as a resumed sweep does: the same run once more
    assert {record["run"]["run_id"] for record in wandb_records(directory) if record["type"] == "run"} == {
        run["run_id"]
    }


FLAKY = """
import os
from pytorch_lightning import Callback

class Flaky(Callback):
    def on_train_start(self, trainer, pl_module):
        if trainer.optimizers[0].param_groups[0]["lr"] == 0.2 and not os.path.exists(os.environ["MENDED"]):
            raise RuntimeError("not mended yet")
"""


def test_the_table_in_wandb_and_the_sync_line_are_right_after_a_sweep_is_resumed(
    cli, install, without_wandb_account, tmp_path, monkeypatch
):
    install("dlpipe-flaky", {}, {"acme_flaky.py": FLAKY})
    monkeypatch.setenv("MENDED", str(tmp_path / "mended"))
    flaky = ("+callbacks.flaky._target_=acme_flaky.Flaky", "try_one_batch=false")
    sweep = ("hydra.sweep.dir=sweep", "optimizer.lr=0.1,0.2", "recipe.max_epochs=1", *flaky)
    first = cli("-m", "logger=wandb", *sweep)
    assert first.code == 1
    (tmp_path / "mended").touch()
    resumed = cli("resume", "sweep", "--failed")
    assert resumed.code == 0, resumed.err
    directory = first.folder / "sweep"
    line = (
        f"send the whole sweep later with: wandb sync {directory}/wandb/offline-run-* {directory}/*/wandb/offline-run-*"
    )
    assert line in first.out.splitlines()
    assert line in resumed.out.splitlines()
    (content,) = [json.loads(path.read_text()) for path in directory.glob("wandb/offline-run-*/files/media/table/*")]
    summary = table(directory / "sweep-summary.csv")
    assert [row["finished"] for row in summary] == ["1", "1"]
    assert content["columns"] == list(summary[0])
    shown = [["" if cell is None else str(cell) for cell in row] for row in content["data"]]
    assert shown == [list(row.values()) for row in summary]


def test_the_sync_line_covers_every_log_of_a_sweep_and_none_that_was_superseded(tmp_path):
    sweep_dir = tmp_path / "it's a [sweep] $HOME"
    names = [*(f"{number}-job" for number in range(300)), "lenet/seed 1"]
    logs = [sweep_dir / "wandb" / "offline-run-9-sweep"]
    for name in names:
        folder = sweep_dir / name / "wandb"
        logs.append(folder / "offline-run-2-id")
        for other in ("superseded-offline-run-1-id", "run-3-online"):
            (folder / other).mkdir(parents=True)
    for log in logs:
        log.mkdir(parents=True)
    (line,) = sync_lines(sweep_dir, [Row(name, "", {}, "finished") for name in names])
    command = line.removeprefix("send the whole sweep later with: wandb sync ")
    expanded = subprocess.run(["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True)
    assert sorted(expanded.stdout.splitlines()) == sorted(map(str, logs))


def test_a_sweep_without_offline_logs_has_no_sync_line(tmp_path):
    (tmp_path / "0-job" / "wandb" / "run-1-online").mkdir(parents=True)
    assert sync_lines(tmp_path, [Row("0-job", "", {}, "finished")]) == []


def test_a_sweep_whose_jobs_do_not_log_to_wandb_has_no_run_there(sweep):
    write_results(sweep)
    assert not (sweep / "wandb").exists()


def test_a_damaged_config_costs_the_run_in_wandb_alone(sweep, caplog):
    (sweep / "0-job" / "config.yaml").write_text("[")
    write_results(sweep)
    assert (sweep / "sweep.csv").exists()
    assert "the sweep is not logged to W&B: " in caplog.text
