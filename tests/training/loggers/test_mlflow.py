"""logger=mlflow, read back with MLflow's client: rows, stages, figures, sweeps, resumed runs, where they are stored."""

import os
import sys
import time

import pytest
from mlflow.tracking import MlflowClient

from dlpipe.errors import DlpipeError
from dlpipe.training.loggers.mlflow import WAITS, ResumableMLFlowLogger

SHORT = ("recipe.max_epochs=2", "recipe.patience=null")


def read(run_dir, store):
    """The run of a run directory, and by metric, its steps and values."""
    client = MlflowClient(store)
    run = client.get_run((run_dir / "mlflow_run_id").read_text())
    history = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return run, {name: [(row.step, row.value) for row in rows] for name, rows in history.items()}


def assert_same_metrics(found, expected):
    del found["epoch"], expected["epoch"]  # logged with every call of log_metrics, of which metrics.csv joins some
    assert found == {name: [(step, pytest.approx(value)) for step, value in rows] for name, rows in expected.items()}


def test_a_run_that_was_killed_and_resumed_is_one_run_with_every_row_once(resumed_run, metrics_of):
    store = f"sqlite:///{resumed_run.parent}/mlflow.db"  # MLflow's default where the command was typed
    run, metrics = read(resumed_run, store)
    experiment = MlflowClient(store).get_experiment_by_name("dlpipe")
    assert len(MlflowClient(store).search_runs([experiment.experiment_id])) == 1
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    assert len(metrics["lr-SGD"]) == 18
    assert_same_metrics(metrics, metrics_of(resumed_run))


def test_parameters_are_the_composed_config_and_figures_are_artifacts(cli, mlflow_store, metrics_of):
    options = ("logger.mlflow.experiment_name=mine", "logger.mlflow.run_name=first", "logger.mlflow.tags={team: a}")
    result = cli("model=logreg", "logger=mlflow", "seed=3", *SHORT, *options)
    assert result.code == 0, result.err
    run, metrics = read(result.run_dir, mlflow_store)
    assert (run.info.run_name, run.data.tags["team"]) == ("first", "a")
    assert MlflowClient(mlflow_store).get_experiment(run.info.experiment_id).name == "mine"
    assert (run.data.params["seed"], run.data.params["recipe/max_epochs"]) == ("3", "2")
    names = [item.path for item in MlflowClient(mlflow_store).list_artifacts(run.info.run_id, "figures")]
    assert names == [f"figures/{name}.png" for name in ("confusion_matrix", "filters", "learning_curves")]
    assert_same_metrics(metrics, metrics_of(result.run_dir))


def test_stages_are_logged_under_their_names(cli, mlflow_store):
    sizes = ("model.hidden_sizes=[9,4]", "model.corruption=[0.1,0.1]", "trainer.limit_train_batches=3")
    result = cli("model=sda", "logger=mlflow", *sizes, "recipe.stages.pretrain.max_epochs=1", *SHORT)
    assert result.code == 0, result.err
    _, metrics = read(result.run_dir, mlflow_store)
    steps = {name: [step for step, _ in rows] for name, rows in metrics.items()}
    assert (steps["pretrain/0/loss"], steps["pretrain/1/loss"], steps["finetune/loss"]) == ([2], [5], [8, 11])


def test_jobs_of_a_sweep_are_two_runs_with_its_name(cli, mlflow_store):
    result = cli("-m", "model=logreg", "logger=mlflow", "seed=1,2", "recipe.max_epochs=1", "hydra.sweep.dir=grid")
    assert result.code == 0, result.err
    runs = [read(run_dir, mlflow_store)[0] for run_dir in result.run_dirs]
    assert [run.info.run_name for run in runs] == ["0-logreg", "1-logreg"]
    assert [run.data.tags["sweep"] for run in runs] == ["grid", "grid"]


FAILS = """
from pytorch_lightning import Callback

class Fails(Callback):
    def on_train_start(self, trainer, pl_module):
        raise RuntimeError("a bug")
"""


def test_a_run_that_fails_is_failed_at_mlflow(cli, install, mlflow_store):
    install("dlpipe-fails", {}, {"acme_fails.py": FAILS})
    own = "+callbacks.own._target_=acme_fails.Fails"
    result = cli("model=logreg", "logger=mlflow", "try_one_batch=false", own)
    assert result.code == 1
    run, _ = read(result.run_dir, mlflow_store)
    assert run.info.status == "FAILED"


def test_a_store_that_mlflow_cannot_use_ends_the_run_in_one_line(cli, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://store")
    result = cli("model=logreg", "logger=mlflow")
    assert result.code == 1
    assert "MLflow cannot use nowhere://store: " in result.out + result.err
    assert "Traceback" not in result.out + result.err


def test_a_server_that_cannot_be_reached_ends_the_run_within_seconds(tmp_path, monkeypatch):
    for name in WAITS:
        monkeypatch.delenv(name, raising=False)
    start = time.monotonic()
    with pytest.raises(
        DlpipeError, match=r"MLflow cannot start a run: .*127\.0\.0\.1.*; start it if it is a server, or choose"
    ):
        ResumableMLFlowLogger(str(tmp_path), tracking_uri="http://127.0.0.1:9")
    assert time.monotonic() - start < 10
    assert not WAITS.keys() & os.environ.keys()


def test_a_resumed_run_that_the_store_lacks_is_another_run(tmp_path, mlflow_store, caplog):
    (tmp_path / "mlflow_run_id").write_text("0" * 32)
    logger = ResumableMLFlowLogger(str(tmp_path))
    logger.log_metrics({"val/loss": 0.5}, 3)
    assert "MLflow cannot continue the run that" in caplog.text
    run, metrics = read(tmp_path, mlflow_store)
    assert (run.info.run_id != "0" * 32, metrics) == (True, {"val/loss": [(3, 0.5)]})


def test_without_the_package_the_request_names_the_extra_that_installs_it(cli, monkeypatch):
    monkeypatch.setattr("dlpipe.config.checks.loggers.find_spec", lambda name: None)
    result = cli("logger=mlflow")
    assert (result.code, result.written) == (2, [])
    assert "logger=mlflow: needs the package mlflow: pip install 'dlpipe[mlflow]'" in result.err


def test_without_a_package_of_the_database_only_a_server_can_be_used(cli, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("dlpipe.training.loggers.mlflow.find_spec", lambda name: name == "mlflow")
    refused = cli("check", "logger=mlflow")
    assert (refused.code, refused.written) == (2, [])
    assert "logger=mlflow: needs the package sqlalchemy: pip install 'dlpipe[mlflow]'" in refused.err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert cli("check", "logger=mlflow").code == 0


def test_an_offline_run_is_not_sent_to_a_server(cli, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    result = cli("logger=mlflow", "offline=true")
    assert (result.code, result.written) == (2, [])
    assert "offline=true never uses the network, and MLflow's store is http://127.0.0.1:1; unset" in result.err


def test_a_checked_request_does_not_import_mlflow(cli, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    assert cli("check", "logger=mlflow").code == 0
    assert "mlflow" not in sys.modules
