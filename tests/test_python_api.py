"""Runs from Python: the same checks, files and numbers as on the command line."""

import importlib.util
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import dlpipe
from dlpipe.errors import DlpipeError, RequestError
from dlpipe.runs.directory import METRICS, WEIGHTS
from dlpipe_supervised.lenet import LeNet

SHORT = ("model=logreg", "recipe.max_epochs=2")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run, made in Python, with the settings of torch and logging before and after it."""
    folder = tmp_path_factory.mktemp("work")
    torch.set_num_threads(2)
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), logging.root.handlers[:])
    made = dlpipe.run("model=lenet", "recipe.max_epochs=2", f"hydra.run.dir={folder}/run")
    after = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), logging.root.handlers[:])
    assert after == before
    return made


@pytest.mark.slow
def test_run_trains_on_two_devices(tmp_path):
    run = dlpipe.run("trainer=ddp", "trainer.devices=2", "recipe.max_epochs=1", f"hydra.run.dir={tmp_path / 'run'}")
    assert run.summary["status"] == "finished"
    assert "epoch 1, minibatch 11/11" in (tmp_path / "run" / "dlpipe.log").read_text()


def test_a_run_has_the_numbers_of_the_command_line(run, cli):
    result = cli("model=lenet", "recipe.max_epochs=2", "hydra.run.dir=run")
    assert result.code == 0, result.err
    for name in (METRICS, WEIGHTS):
        assert (result.folder / "run" / name).read_bytes() == (run.directory / name).read_bytes()
    files = [
        {str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in (run.directory, result.run_dir)
    ]
    assert files[0] == files[1]
    assert (run.directory / ".hydra" / "overrides.yaml").read_text().startswith("- model=lenet\n- recipe.max_epochs=2")


def test_a_run_has_config_summary_metrics_and_figures(run):
    assert (run.config.model.name, run.config.recipe.max_epochs) == ("lenet", 2)
    assert (run.summary["status"], run.summary["epochs"]) == ("finished", 2)
    assert {"learning_curves", "confusion_matrix", "filters"} == set(run.figures)
    assert run.figures["confusion_matrix"].size == (600, 540)
    assert repr(run) == (
        f"Run({str(run.directory)!r}: lenet on digits, finished, best val/error {run.summary['best']['value']:g})"
    )


def test_metrics_are_a_data_frame_or_columns_without_pandas(run, monkeypatch):
    frame = run.metrics
    assert list(frame["val/error"].dropna())[-1] == pytest.approx(run.summary["best"]["value"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    columns = run.metrics
    assert list(columns) == list(frame.columns)
    for name, values in columns.items():
        assert np.array_equal(values, frame[name].to_numpy(), equal_nan=True)


def test_a_run_without_metrics_csv_has_no_curves_and_says_why_it_has_no_table(run, tmp_path):
    (tmp_path / "config.yaml").write_bytes((run.directory / "config.yaml").read_bytes())
    bare = dlpipe.Run(tmp_path)
    assert (bare.curves, bare.epochs) == ({}, [])
    with pytest.raises(DlpipeError, match=r"has no metrics\.csv: nothing was logged yet, or the file was removed"):
        _ = bare.metrics


def test_the_model_has_the_best_weights_and_tests_and_predicts_as_the_run(run):
    torch.set_num_threads(2)
    stored = torch.load(run.directory / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, stored[name]) for name, value in run.model.state_dict().items())
    assert run.test() == run.summary["test"]
    x = run.data.splits["test"].first(5).x
    expected = run.predict((x,))
    assert expected.shape == (5, 10)
    assert torch.equal(run.predict(x), expected)
    assert torch.equal(run.predict(x.numpy()), expected)
    assert torch.get_num_threads() == 2


def test_lightnings_own_load_from_checkpoint_knows_the_models_arguments(run):
    module = LeNet.load_from_checkpoint(run.directory / "checkpoints" / "best.ckpt")
    assert all(torch.equal(value, run.model.state_dict()[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=lenett"], "no model 'lenett'; did you mean 'lenet'?"),
        (["recipe.lr=-1"], "recipe.lr=-1"),
        (["hydra.job.chdir=true"], "hydra.run.dir is the only one"),
        (["hydra/launcher=joblib"], "is for Hydra's command line"),
        (["model=logreg,mlp"], "model=logreg,mlp"),
    ],
)
def test_a_wrong_request_raises_and_writes_nothing(overrides, message, here):
    with pytest.raises(dlpipe.RequestError) as caught:
        dlpipe.run(*overrides)
    assert message in str(caught.value)
    assert list(here.iterdir()) == []


def test_an_interrupted_run_says_how_to_resume_and_resumes_to_the_same_bits(here):
    whole = dlpipe.run(*SHORT, "hydra.run.dir=whole")

    class Interrupt(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("epoch 1"):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)

    handler = Interrupt()
    logging.root.addHandler(handler)
    with pytest.raises(KeyboardInterrupt, match=r"dlpipe.Run\('.*part'\).resume\(\)"):
        dlpipe.run(*SHORT, "hydra.run.dir=part")
    logging.root.removeHandler(handler)
    part = dlpipe.Run("part")
    assert part.summary["status"] == "interrupted"
    assert part.resume() is part
    assert part.summary["status"] == "finished"
    for name in (METRICS, WEIGHTS):
        assert (part.directory / name).read_bytes() == (whole.directory / name).read_bytes()
    assert "epoch 2" in (part.directory / "dlpipe.log").read_text()
    assert part.resume().summary == json.loads((part.directory / "summary.json").read_text())


def test_a_run_without_results_says_so(here):
    (here / "config.yaml").write_text("model: {name: lenet}")
    assert repr(dlpipe.Run(here)) == f"Run({str(here)!r}: no summary yet)"
    assert dlpipe.Run(here).figures == {}


def test_compose_gives_the_config_and_trains_nothing(here):
    config = dlpipe.compose("model=mlp", "optimizer=adam", "optimizer.lr=0.01")
    assert (config.model.name, config.optimizer.lr, config.trainer.max_epochs) == ("mlp", 0.01, 50)
    assert "hydra" not in config
    assert list(here.iterdir()) == []


def test_a_folder_of_ones_own_yaml_is_used_for_that_call_alone(here):
    folder = here / "own"
    (folder / "optimizer").mkdir(parents=True)
    (folder / "optimizer" / "slow.yaml").write_text("_target_: torch.optim.SGD\nlr: 0.001\n")
    assert dlpipe.compose("optimizer=slow", config_dir=folder).optimizer.lr == 0.001
    with pytest.raises(dlpipe.RequestError, match="slow"):
        dlpipe.compose("optimizer=slow")


def test_a_folder_of_ones_own_yaml_that_does_not_exist_is_refused(here):
    with pytest.raises(RequestError, match=r"--config-dir .*nowhere: no such folder"):
        dlpipe.compose("seed=7", config_dir="nowhere")


def test_models_and_datasets_come_with_their_description():
    assert "lenet" in dlpipe.models()
    assert dlpipe.datasets()["digits"].startswith("1,797 grey digits")
    assert all(dlpipe.models().values())


def test_a_dataset_prints_its_sizes(run):
    assert str(run.data) == "Digits: 1,078 train, 359 val, 360 test examples"


def test_runs_are_listed_newest_first_and_opened(run):
    (listed,) = dlpipe.runs(run.directory.parent)
    assert (listed.model, listed.dataset, listed.status) == ("lenet", "digits", "finished")
    assert dlpipe.Run(listed.path) == run
    assert dlpipe.runs("nowhere") == []


def test_a_run_is_opened_as_last_and_refused_where_there_is_none(run, here):
    with pytest.raises(DlpipeError, match=r"last: there are no runs below outputs/"):
        dlpipe.Run("last")
    with pytest.raises(DlpipeError, match=r"nowhere is not a run's directory: it does not exist"):
        dlpipe.Run("nowhere")
    (here / "outputs").symlink_to(run.directory.parent)
    assert dlpipe.Run("last").summary == run.summary


def test_a_finished_run_is_made_longer_with_the_bits_of_a_longer_run(here):
    longer = dlpipe.run("model=logreg", "recipe.max_epochs=3", "hydra.run.dir=longer")
    run = dlpipe.run("model=logreg", "recipe.max_epochs=2", "hydra.run.dir=run")
    assert run.resume("recipe.max_epochs=3").summary["epochs"] == 3
    assert (run.directory / WEIGHTS).read_bytes() == (longer.directory / WEIGHTS).read_bytes()
    with pytest.raises(dlpipe.RequestError, match=r"recipe\.batch_size"):
        run.resume("recipe.batch_size=10")


def test_reading_a_run_or_a_sweep_imports_no_torch(run):
    code = f"""
import sys, dlpipe
run = dlpipe.Run({str(run.directory)!r})
assert run.status == "finished" and run.provenance["command"] and run.config.model.name == "lenet"
assert [updates for updates, _ in run.curves["val/error"]] == sorted(u for u, _ in run.curves["val/error"])
dlpipe.Sweep, dlpipe.compose("model=mlp"), dlpipe.runs({str(run.directory.parent)!r})
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_test_set_is_classified_as_the_run_tested_it(run):
    labels, probabilities = run.classify_test_set()
    assert probabilities.shape == (len(labels), 10)
    assert np.mean(probabilities.argmax(1) != labels) == pytest.approx(run.summary["test"]["test/error"])
    assert run.epochs[0][1] == 1
    assert run.epochs[0][0] == run.curves["val/error"][0][0]


def test_nothing_is_downloaded_to_classify_the_test_set(run, tmp_path, monkeypatch):
    monkeypatch.delenv("DLPIPE_DATA", raising=False)
    copy = shutil.copytree(run.directory, tmp_path / "copy")
    config = (copy / "config.yaml").read_text()
    mnist = "name: mnist\n  directory: null\n  offline: false\n  resident_bytes: null"
    (copy / "config.yaml").write_text(config.replace("name: digits", mnist))
    monkeypatch.setattr("dlpipe.data.files.download", lambda *arguments: pytest.fail("it downloads"))
    with pytest.raises(DlpipeError, match="no mnist in "):
        dlpipe.Run(copy).classify_test_set()


def test_the_test_set_of_a_model_that_is_no_classifier_is_not_classified(tmp_path):
    run = dlpipe.run("model=da", "model.num_hidden=3", "recipe.max_epochs=1", f"hydra.run.dir={tmp_path}/run")
    assert run.classify_test_set() is None


def test_a_run_without_a_summary_is_unfinished_and_has_no_curves(tmp_path):
    (tmp_path / "config.yaml").write_text("model: {name: mlp}\n")
    run = dlpipe.Run(tmp_path)
    assert (run.status, run.curves, run.epochs, run.provenance) == ("unfinished", {}, [], {})


def test_a_folder_that_is_no_sweep_is_refused(tmp_path):
    with pytest.raises(DlpipeError, match=r"is not a sweep's directory: it has no sweep\.yaml"):
        dlpipe.Sweep(tmp_path)
