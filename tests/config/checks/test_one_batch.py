"""Before a run writes anything, a copy of its model trains on one minibatch, and its checkpoint is read back."""

import json
import random

import numpy as np
import pytest
import torch
import wandb
from pytorch_lightning import seed_everything

from dlpipe.config.checks import one_batch
from dlpipe.runs.checkpoint_file import read_checkpoint

MODELS = """
import enum, pathlib, random
import numpy as np, pytorch_lightning as pl, torch
from torch.nn import functional as F

class Color(enum.Enum):
    RED = 1

class Good(pl.LightningModule):
    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.linear = torch.nn.Linear(784, num_classes)
    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self.linear(batch[0]), batch[1])
    def validation_step(self, batch, batch_idx):
        error = (self.linear(batch[0]).argmax(1) != batch[1]).double().mean()
        self.log("val/error", error, batch_size=len(batch[1]))

class Training(Good):
    def training_step(self, batch, batch_idx):
        return self.linear(batch[0].T).sum()  # shapes of training

class Validation(Good):
    def validation_step(self, batch, batch_idx):
        self.log("val/error", self.nothing(batch))  # a name in validation

class EpochEnd(Good):
    def on_train_epoch_end(self):
        raise KeyError("later")  # a hook

class Exits(Good):
    def on_fit_start(self):
        raise SystemExit("no")  # an exit

class Extra(Good):
    def get_extra_state(self):
        return {"words": {"zero": 0}}
    def set_extra_state(self, state):
        self.words = state["wrods"]  # a key of the state that is read back

class Array(Good):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["means"] = {"of": [np.zeros(3)]}

class Enumeration(Good):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters({"color": Color.RED})

class Hyper(Good):
    def __init__(self):
        super().__init__()
        sizes = (np.int64(2),)
        self.save_hyperparameters({"words": pathlib.Path("words.txt"), "scale": np.float64(1.5), "sizes": sizes})

class Words(Good):
    def __init__(self):
        super().__init__()
        self.words = {"zero": 0}
    def get_extra_state(self):
        return {"words": self.words}
    def set_extra_state(self, state):
        self.words = state["words"]

class Views(Good):
    def __init__(self):
        super().__init__()
        table = torch.arange(20.0)
        self.register_buffer("first", table[:12])
        self.register_buffer("second", table[8:])

class Random(Good):
    def __init__(self):
        super().__init__()
        self.torch_draws, self.numpy_draws = torch.Generator().manual_seed(1), np.random.default_rng(1)
        self.python_draws = random.Random(1)
        self.count = 0
    def training_step(self, batch, batch_idx):
        self.count += 1
        own = torch.rand(1, generator=self.torch_draws) + self.numpy_draws.random() + self.python_draws.random()
        world = torch.rand(1) + np.random.rand() + random.random()
        noise = F.dropout(batch[0]) * (own + world) * self.count
        return F.cross_entropy(self.linear(noise), batch[1])

class Mine(pl.Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        outputs["accuracy"]  # of a callback

class Held(Good):
    def __init__(self):
        super().__init__()
        self.results = (number for number in range(3))  # neither copied nor pickled
"""
BAD = {
    "Training": (r"RuntimeError: mat1 and mat2 shapes", "return self.linear(batch[0].T).sum()  # shapes of training"),
    "Validation": ("AttributeError", 'self.log("val/error", self.nothing(batch))  # a name in validation'),
    "EpochEnd": ("KeyError: 'later'", 'raise KeyError("later")  # a hook'),
    "Exits": ("SystemExit: no", 'raise SystemExit("no")  # an exit'),
    "Extra": ("KeyError: 'wrods'", 'self.words = state["wrods"]  # a key of the state that is read back'),
}
REFUSED = {
    "Array": "means.of.0 is a numpy.ndarray",
    "Enumeration": "hyper_parameters.color is a odd.Color",
}
SHORT = ("recipe.batch_size=100", "recipe.max_epochs=2", "hydra.run.dir=r")


@pytest.fixture
def models(install) -> str:
    """The models above, by the names of their classes; returns their file."""
    lines = [line for line in MODELS.splitlines() if line.startswith("class ") and ("Good" in line)]
    names = [line.split("(")[0].removeprefix("class ") for line in lines]
    install("dlpipe-odd", {name: f"odd:{name}" for name in names}, {"odd/__init__.py": MODELS})
    return "odd/__init__.py"


@pytest.fixture
def tried(monkeypatch):
    """The models that train on one minibatch, in place of training on it."""
    names = []
    monkeypatch.setattr(one_batch, "_train_one_batch", lambda stage, *_: names.append(type(stage.module).__name__))
    return names


@pytest.mark.parametrize("verb", [(), ("check",)])
@pytest.mark.parametrize(("model", "expected"), BAD.items())
def test_error_in_the_users_code_is_known_before_training_with_its_line(verb, model, expected, models, cli):
    what, source = expected
    result = cli(*verb, f"model={model}", *SHORT)
    assert result.code == 2
    assert what in result.err
    line = 1 + MODELS.splitlines().index(next(text for text in MODELS.splitlines() if source in text))
    assert f"{models}:{line}: {source})" in result.err
    assert not result.written


def test_error_in_a_callback_is_known_before_training_with_its_line(models, cli):
    result = cli("model=Good", "+callbacks.mine._target_=odd.Mine", *SHORT)
    assert result.code == 2
    assert "KeyError: 'accuracy' (" in result.err
    assert 'outputs["accuracy"]  # of a callback)' in result.err


@pytest.mark.parametrize(("model", "reason"), REFUSED.items())
def test_state_that_could_not_be_read_back_is_refused_before_training_with_its_key(model, reason, models, cli):
    result = cli(f"model={model}", *SHORT)
    assert result.code == 2
    assert f"could not be read back: its {reason}. Save tensors, numbers, text, lists and dicts" in result.err
    assert not result.written


@pytest.mark.parametrize("model", ["Hyper", "Words", "Views"])
def test_legal_state_is_trained_tested_and_read_back(model, models, cli):
    result = cli(f"model={model}", *SHORT)
    assert result.code == 0, result.err
    assert (result.folder / "r" / "weights.safetensors").is_file()
    assert cli("reproduce", "r").code == 0


def test_paths_and_numpy_numbers_are_text_and_numbers_in_a_checkpoint(models, cli):
    result = cli("model=Hyper", *SHORT)
    kept = read_checkpoint(result.folder / "r" / "checkpoints" / "last.ckpt")["hyper_parameters"]
    assert kept == {"words": "words.txt", "scale": 1.5, "sizes": (2,)}
    assert [type(value) for value in (kept["scale"], kept["sizes"][0])] == [float, int]


def test_numbers_and_weights_are_the_same_to_the_bit_without_the_check(models, cli):
    for value in ("true", "false"):
        result = cli("model=Random", f"try_one_batch={value}", *SHORT[:2], f"hydra.run.dir=tried-{value}")
        assert result.code == 0, result.err
    with_check, without = (result.folder / f"tried-{value}" for value in ("true", "false"))
    for name in ("weights.safetensors", "metrics.csv"):
        assert (with_check / name).read_bytes() == (without / name).read_bytes()
    rng = [read_checkpoint(run / "checkpoints" / "last.ckpt")["dlpipe"]["rng_states"] for run in (with_check, without)]
    assert str(rng[0]) == str(rng[1])


def test_check_leaves_the_global_generators_as_they_were(models, cli):
    seed_everything(3)
    before = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())
    assert cli("check", "model=Random", *SHORT).code == 0
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_check_prints_and_logs_nothing_of_the_one_minibatch(models, cli):
    result = cli("check", "model=Good", *SHORT)
    assert result.out.count("\n") == 2  # what starts, and that nothing is wrong
    assert result.err == ""


def test_model_that_cannot_be_copied_is_trained_without_the_check_and_that_is_logged(models, cli, caplog):
    result = cli("check", "model=Held", *SHORT)
    assert result.code == 0
    assert "one minibatch is not tried before training: the model cannot be copied: cannot pickle" in caplog.text


def test_a_sweep_checks_each_model_and_dataset_once(tried, models, cli):
    grid = ("model=Good,Hyper", "optimizer.lr=0.1,0.01", "seed=1,2", *SHORT[:2])
    assert cli("check", "-m", *grid).code == 0
    assert tried == ["Good", "Hyper"]


@pytest.mark.parametrize("name", ["optimizer.lr", "recipe.lr"])
def test_a_sweep_of_twenty_learning_rates_trains_on_one_minibatch_once(name, tried, models, cli):
    rates = ",".join(["1", *(str(0.5**power) for power in range(1, 20))])
    assert cli("check", "-m", "model=Good", f"{name}={rates}", *SHORT[:2]).code == 0
    assert tried == ["Good"]


@pytest.mark.parametrize(
    "swept",
    [
        "recipe.monitor=null,val/error",
        "callbacks.patience.monitor=null,val/error",
        "+trainer.gradient_clip_algorithm=norm,value",
        "optimizer=sgd,adam",
        "scheduler=none,inverse_time",
        "recipe.batch_size=100,50",
        "on_nan=stop,warn",
    ],
)
def test_a_sweep_trains_on_one_minibatch_for_each_value_that_training_could_fail_with(swept, tried, models, cli):
    assert cli("check", "-m", "model=Good", swept).code == 0
    assert tried == ["Good", "Good"]


def test_every_value_of_a_sweep_that_training_fails_with_is_refused(models, cli):
    result = cli("check", "-m", "model=Good", "recipe.monitor=val/error,val/eror", *SHORT[:2])
    assert result.code == 2
    assert "did you mean 'val/error'?" in result.err


def test_try_one_batch_false_leaves_the_error_to_the_run(models, cli):
    result = cli("model=Training", "try_one_batch=false", *SHORT)
    assert result.code == 1
    assert json.loads((result.folder / "r" / "summary.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model=logreg", "model.num_classes=2"), "is out of bounds. ("),
        (("model=sda", "recipe.significance=0.05"), "stage pretrain/0 of model 'sda' has no predict_step"),
        (("model=dbn", "recipe.significance=0.05"), "stage pretrain/0 of model 'dbn' has no predict_step"),
        (("model=hmc", "trainer=ddp", "trainer.devices=2"), "HamiltonianMonteCarlo has no gradients"),
        (("model=logreg", "+trainer.val_check_interval=1000"), "must be less than or equal to the number of the train"),
        (
            ("model=logreg", "trainer.limit_val_batches=0.5"),
            "trainer.limit_val_batches=0.5: You requested to check 0.5",
        ),
        (("model=logreg", "trainer.limit_train_batches=0.001"), "trainer.limit_train_batches=0.001: You requested"),
        (("model=logreg", "recipe.monitor=val/eror"), "did you mean 'val/error'?"),
    ],
)
def test_request_that_could_not_be_trained_is_refused_and_nothing_is_written(arguments, message, cli):
    result = cli(*arguments)
    assert result.code == 2
    assert message in result.err
    assert not result.written


@pytest.mark.parametrize(
    ("name", "message"),
    [("WANDB_MODE", "mode Input should be 'online', 'offline'"), ("WANDB_INIT_TIMEOUT", "could not convert string")],
)
def test_nonsense_in_the_environment_of_wandb_is_refused_before_the_run(name, message, cli, monkeypatch):
    wandb.teardown()  # a test before has had W&B read the environment
    monkeypatch.setenv(name, "nonsense")
    result = cli("model=logreg", "logger=wandb")
    assert result.code == 2
    assert "logger=wandb: W&B's own settings are wrong: " in result.err
    assert message in result.err
    assert not result.written


def test_no_process_group_is_left_where_the_strategy_makes_one_of_a_single_process(cli):
    assert cli("check", "model=logreg", "trainer=ddp", "trainer.devices=1").code == 0
    assert not torch.distributed.is_initialized()


def test_interval_that_fits_and_full_batch_optimizers_pass(cli):
    assert cli("check", "model=logreg", "+trainer.val_check_interval=5", "trainer.limit_val_batches=1.0").code == 0
    assert cli("check", "model=logreg", "optimizer=cg").code == 0
