"""Which loggers a run has: one, several, those of a sweep, one of the user's own; and metrics.csv in any case."""

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SHORT = ("model=logreg", "recipe.max_epochs=1")


def loggers_of(run_dir):
    return list(yaml.safe_load((run_dir / "config.yaml").read_text())["logger"])


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("logger=csv", ["csv"]),
        ("logger=tensorboard", ["tensorboard", "csv"]),
        ("logger=[csv,tensorboard]", ["tensorboard", "csv"]),
        ("logger=[tensorboard,wandb]", ["tensorboard", "wandb", "csv"]),
    ],
)
def test_a_run_has_the_chosen_loggers_then_metrics_csv(typed, names, cli, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    result = cli(*SHORT, typed)
    assert result.code == 0, result.err
    assert loggers_of(result.run_dir) == names
    assert (result.run_dir / "metrics.csv").is_file()
    assert (result.run_dir / "tensorboard").exists() == ("tensorboard" in names)


def test_each_job_of_a_sweep_has_all_loggers(cli):
    result = cli("-m", *SHORT, "logger=[csv,tensorboard]", "seed=1,2")
    assert result.code == 0, result.err
    assert [loggers_of(run_dir) for run_dir in result.run_dirs] == [["tensorboard", "csv"]] * 2


OWN = """
from pytorch_lightning.loggers import TensorBoardLogger

class Own(TensorBoardLogger):
    def __init__(self, save_dir: str, note: str = "", **kwargs):
        super().__init__(save_dir, "", "", **kwargs)
"""


def test_a_logger_of_the_users_own_is_added_by_its_class(cli, install):
    install("dlpipe-own", {}, {"acme_own.py": OWN})
    own = ("+logger.own._target_=acme_own.Own", "+logger.own.save_dir=${output_dir}/own", "+logger.own.note=a")
    result = cli(*SHORT, *own, "+logger.own.flush_secs=5")
    assert result.code == 0, result.err
    assert EventAccumulator(str(result.run_dir / "own")).Reload().Scalars("val/error")[0].step == 21


def test_loggers_and_callbacks_of_a_folder_of_configs_are_chosen_in_lists(cli, install, tmp_path):
    install("dlpipe-own", {}, {"acme_own.py": OWN})
    for name, text in {
        "logger/mine.yaml": "mine:\n  _target_: acme_own.Own\n  save_dir: ${output_dir}/mine\n",
        "callbacks/mine.yaml": "timer:\n  _target_: pytorch_lightning.callbacks.Timer\n",
    }.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    result = cli("-cd", str(tmp_path / "conf"), *SHORT, "logger=[mine,tensorboard]", "callbacks=[default,mine]")
    assert result.code == 0, result.err
    assert loggers_of(result.run_dir) == ["mine", "tensorboard", "csv"]
    assert list((result.run_dir / "mine").iterdir())
    callbacks = yaml.safe_load((result.run_dir / "config.yaml").read_text())["callbacks"]
    assert {"timer", "checkpoints"} < set(callbacks)


def test_two_packages_with_the_same_logger_are_refused_also_in_a_list(cli, tmp_path):
    (tmp_path / "logger").mkdir()
    (tmp_path / "logger" / "wandb.yaml").write_text("{}\n")
    result = cli("-cd", str(tmp_path), *SHORT, "logger=[csv,wandb]")
    assert (result.code, result.written) == (2, [])
    assert "logger/wandb.yaml: shipped by --config-dir" in result.err


MODULE = """
import pytorch_lightning as pl, torch

class Own(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(784, 10)
    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.linear(batch[0]), batch[1])
    def on_train_start(self):
        self.logger.experiment.add_histogram("weights", self.linear.weight, 0)
"""


def test_a_modules_logger_is_the_chosen_one_as_in_lightning(cli, install):
    install("dlpipe-own", {"own": "acme_module:Own"}, {"acme_module.py": MODULE})
    result = cli(
        "model=own", "logger=tensorboard", "recipe.max_epochs=1", "recipe.patience=null", "recipe.monitor=null"
    )
    assert result.code == 0, result.err
    events = EventAccumulator(str(result.run_dir / "tensorboard")).Reload()
    assert events.Tags()["histograms"] == ["weights"]
