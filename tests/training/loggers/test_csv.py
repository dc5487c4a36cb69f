"""metrics.csv: durable after each call, one row a step, columns in the order they appeared."""

import csv
import os
import signal
import subprocess
import sys

import pytest
import torch

from dlpipe.training.loggers.csv import MetricsCsv


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


LOG_FOR_EVER = """
import sys
from dlpipe.training.loggers.csv import MetricsCsv
logger = MetricsCsv(sys.argv[1])
step = 0
while True:
    logger.log_metrics({"epoch": step, f"metric{step % 7}": step}, step)
    logger.log_metrics({"epoch": step, "train/loss": step}, step)
    print(step, flush=True)
    step += 1
"""


def test_every_row_logged_before_a_kill_is_there(path):
    process = subprocess.Popen([sys.executable, "-c", LOG_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True)
    for _ in range(200):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    logged = 200 + len(process.stdout.read().splitlines())
    process.wait()
    process.stdout.close()
    found = rows(path)
    assert logged <= len(found) <= logged + 1
    for step, row in enumerate(found[:logged]):
        assert (row["step"], row[f"metric{step % 7}"], row["train/loss"]) == (str(step),) * 3
    assert None not in {cell for row in found for cell in row.values()}  # no short row


@pytest.mark.parametrize("call", ["log_metrics", "a new column"])
def test_a_row_is_flushed_to_the_disk_before_the_call_returns(call, path, monkeypatch):
    logger = MetricsCsv(str(path))
    logger.log_metrics({"val/loss": 1.0}, 0)
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size) or real(descriptor))
    logger.log_metrics({"val/loss" if call == "log_metrics" else "val/error": 0.5}, 1)
    assert synced[-1] == path.stat().st_size


def test_columns_are_step_epoch_and_metrics_in_the_order_they_appeared(path):
    logger = MetricsCsv(str(path))
    logger.log_metrics({"val/loss": 0.5, "epoch": 0}, 9)
    logger.log_metrics({"a": 1.0, "epoch": 1}, 19)
    assert path.read_text() == "step,epoch,val/loss,a\n9,0,0.5,\n19,1,,1.0\n"


def test_a_new_column_keeps_the_rows_before_it(path):
    logger = MetricsCsv(str(path))
    logger.log_metrics({"val/loss": 0.5}, 0)
    logger.log_metrics({"val/loss": 0.25}, 1)
    logger.log_metrics({"test/loss": 0.125}, 2)
    assert [(row["step"], row["val/loss"], row["test/loss"]) for row in rows(path)] == [
        ("0", "0.5", ""),
        ("1", "0.25", ""),
        ("2", "", "0.125"),
    ]


def test_metrics_logged_apart_at_one_step_share_a_row(path):
    logger = MetricsCsv(str(path))
    for step in (9, 19):
        logger.log_metrics({"epoch": step // 10, "val/loss": 0.5}, step)
        logger.log_metrics({"epoch": step // 10, "train/loss": 0.75}, step)
    assert path.read_text() == "step,epoch,val/loss,train/loss\n9,0,0.5,0.75\n19,1,0.5,0.75\n"


def test_a_metric_logged_twice_at_one_step_keeps_both_values(path):
    logger = MetricsCsv(str(path))
    logger.log_metrics({"val/loss": 0.5}, 9)
    logger.log_metrics({"val/loss": 0.25}, 9)
    assert [row["val/loss"] for row in rows(path)] == ["0.5", "0.25"]


def test_metrics_without_a_step_never_share_a_row(path):
    logger = MetricsCsv(str(path))
    logger.log_metrics({"a": 1})
    logger.log_metrics({"b": 2})
    assert [(row["step"], row["a"], row["b"]) for row in rows(path)] == [("", "1", ""), ("", "", "2")]


def test_a_file_that_is_there_is_continued(path):
    MetricsCsv(str(path)).log_metrics({"train/loss": 0.5}, 0)
    logger = MetricsCsv(str(path))
    logger.log_metrics({"train/loss": 0.25}, 1)
    logger.log_metrics({"val/loss": 0.125}, 2)
    assert path.read_text() == "step,epoch,train/loss,val/loss\n0,,0.5,\n1,,0.25,\n2,,,0.125\n"


def test_a_tensor_that_a_module_logs_by_itself_is_written_as_a_number(path):
    MetricsCsv(str(path)).log_metrics({"norm": torch.tensor(0.5)}, 0)
    assert rows(path)[0]["norm"] == "0.5"


def test_nothing_is_left_beside_the_file(path):
    logger = MetricsCsv(str(path))
    logger.log_metrics({"a": 1.0}, 0)
    logger.log_metrics({"b": 1.0}, 1)
    assert [entry.name for entry in path.parent.iterdir()] == ["metrics.csv"]


def test_a_run_leaves_one_row_a_validation_with_its_training_loss_and_one_for_the_test(cli):
    result = cli("model=logreg", "recipe.max_epochs=3", "recipe.batch_size=100", "recipe.patience=null")
    assert result.code == 0, result.err
    first, second, third, test = rows(result.run_dir / "metrics.csv")
    for epoch, row in enumerate((first, second, third)):
        assert (row["step"], row["epoch"]) == (str(11 * epoch + 10), str(epoch))
        assert all(row[name] for name in ("train/loss", "val/loss", "val/error"))
    assert (test["step"], test["epoch"]) == ("33", "3")
    assert all(test[name] for name in ("test/loss", "test/error", "best/val/error"))


def test_a_module_that_asks_for_a_log_directory_gets_the_runs(path):
    assert MetricsCsv(str(path)).save_dir == str(path.parent)
