"""logger=tensorboard, read back with TensorBoard's own reader: rows, stages, figures, ranks, resumed runs."""

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SHORT = ("recipe.max_epochs=2", "recipe.patience=null")


def read(run_dir):
    return EventAccumulator(str(run_dir / "tensorboard"), {"scalars": 0, "images": 0}).Reload()


def scalars(run_dir):
    """By metric, its steps and values."""
    events = read(run_dir)
    return {tag: [(row.step, row.value) for row in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def assert_same_metrics(run_dir, expected):
    found = scalars(run_dir)
    del found["hp_metric"], expected["epoch"]
    del found["epoch"]  # with every call of log_metrics, of which metrics.csv joins those of a step
    assert found == {name: [(step, pytest.approx(value)) for step, value in rows] for name, rows in expected.items()}


@pytest.fixture
def run_dir(cli):
    result = cli("model=logreg", "logger=tensorboard", *SHORT)
    assert result.code == 0, result.err
    return result.run_dir


def test_metrics_are_those_of_metrics_csv_which_every_run_has(run_dir, metrics_of):
    assert len(metrics_of(run_dir)["val/error"]) == 2
    assert_same_metrics(run_dir, metrics_of(run_dir))


def test_a_run_that_was_killed_and_resumed_has_every_row_once(resumed_run, metrics_of):
    assert len(metrics_of(resumed_run)["lr-SGD"]) == 18
    assert_same_metrics(resumed_run, metrics_of(resumed_run))


def test_figures_are_shown(run_dir):
    events = read(run_dir)
    assert events.Tags()["images"] == [f"figures/{name}" for name in ("learning_curves", "filters", "confusion_matrix")]
    assert events.Images("figures/filters")[0].encoded_image_string.startswith(b"\x89PNG")


def test_hyper_parameters_are_the_composed_config(run_dir):
    kept = yaml.safe_load((run_dir / "tensorboard" / "hparams.yaml").read_text())
    assert {"format": 1, **kept} == yaml.safe_load((run_dir / "config.yaml").read_text())
    assert "_hparams_/session_start_info" in read(run_dir).summary_metadata


def test_stages_are_logged_under_their_names(cli, metrics_of):
    sizes = ("model.hidden_sizes=[9,4]", "model.corruption=[0.1,0.1]", "trainer.limit_train_batches=3")
    result = cli("model=sda", "logger=tensorboard", *sizes, "recipe.stages.pretrain.max_epochs=1", *SHORT)
    assert result.code == 0, result.err
    steps = {name: [step for step, _ in rows] for name, rows in scalars(result.run_dir).items()}
    assert (steps["pretrain/0/loss"], steps["pretrain/1/loss"], steps["finetune/loss"]) == ([2], [5], [8, 11])
    assert_same_metrics(result.run_dir, metrics_of(result.run_dir))


WRITES = """
from pytorch_lightning import Callback

class Writes(Callback):
    def on_train_start(self, trainer, pl_module):
        pl_module.logger.experiment.add_scalar("rank", trainer.global_rank, 0)
"""


@pytest.mark.slow
def test_of_several_ranks_only_the_first_writes_and_every_rank_has_a_logger(cli, install, metrics_of):
    install("dlpipe-writes", {}, {"acme_writes.py": WRITES})
    own = "+callbacks.own._target_=acme_writes.Writes"
    result = cli("model=logreg", "logger=tensorboard", "trainer=ddp", "trainer.devices=2", *SHORT, own)
    assert result.code == 0, result.out + result.err
    assert_same_metrics(result.run_dir, metrics_of(result.run_dir) | {"rank": [(0, 0.0)]})


def test_a_run_that_starts_from_scratch_again_has_no_row_twice(cli, metrics_of):
    result = cli("model=logreg", "logger=tensorboard", *SHORT, "hydra.run.dir=run")
    for path in [result.run_dir / "summary.json", *(result.run_dir / "checkpoints").glob("*.ckpt")]:
        path.unlink()
    again = cli("resume", "run")
    assert (again.code, "starting from scratch" in again.out) == (0, True)
    assert_same_metrics(result.run_dir, metrics_of(result.run_dir))
    assert "_hparams_/session_start_info" in read(result.run_dir).summary_metadata


def test_without_the_package_the_request_names_the_extra_that_installs_it(cli, monkeypatch):
    monkeypatch.setattr("dlpipe.config.checks.loggers.find_spec", lambda name: None)
    result = cli("logger=tensorboard")
    assert (result.code, result.written) == (2, [])
    assert "logger=tensorboard: needs the package tensorboard: pip install 'dlpipe[tensorboard]'" in result.err
