"""Lightning's own callbacks, each once: it works in a run, or the check refuses it before anything is written."""

import pytest
import pytorch_lightning as pl
import torch

from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.directory import read_summary

SHORT = ("recipe.max_epochs=3", "recipe.patience=null")
LIGHTNING = "pytorch_lightning.callbacks"


def callback(name, **arguments):
    """Overrides that add one."""
    return [f"+callbacks.own._target_={LIGHTNING}.{name}", *(f"+callbacks.own.{k}={v}" for k, v in arguments.items())]


WORKING = {
    "EarlyStopping": callback("EarlyStopping", monitor="val/error", patience=5),
    "EMAWeightAveraging": callback("EMAWeightAveraging", decay=0.5),
    "GradientAccumulationScheduler": callback("GradientAccumulationScheduler", scheduling="{1:4}"),
    "LearningRateMonitor": [*callback("LearningRateMonitor"), "+trainer.log_every_n_steps=5"],
    "ModelCheckpoint": callback("ModelCheckpoint", monitor="val/error", save_last="true"),
    "ModelSummary": callback("ModelSummary"),
    "RichModelSummary": callback("RichModelSummary"),
    "RichProgressBar": callback("RichProgressBar"),
    "TQDMProgressBar": callback("TQDMProgressBar"),
    "Timer": callback("Timer", duration="00:01:00:00"),
    "WeightAveraging": callback("WeightAveraging"),
}
REFUSED = {
    "BatchSizeFinder": ([], "trains before the run, which could not be reproduced; set recipe.batch_size"),
    "DeviceStatsMonitor": (["~logger.csv"], "needs a logger; choose logger=csv"),
    "LearningRateFinder": ([], "trains before the run, which could not be reproduced; sweep instead"),
    "LearningRateMonitor": (["~logger.csv"], "needs a logger; choose logger=csv"),
    "ModelCheckpoint": (
        ["+callbacks.own.dirpath=${output_dir}/checkpoints"],
        "is the folder of the run's own checkpoints; leave it out, or choose another",
    ),
    "ModelPruning": (["+callbacks.own.pruning_fn=l1_unstructured"], "its masks are lost when a run is resumed"),
    "OnExceptionCheckpoint": (["+callbacks.own.dirpath=exceptions"], "leave it out: a failed run has a last.ckpt"),
    "SpikeDetection": ([], "saves a state that Lightning cannot load, so the run could not be resumed; leave it out"),
    "StochasticWeightAveraging": (["+callbacks.own.swa_lrs=0.1"], "averages weights only after the last validation"),
}


@pytest.mark.parametrize("overrides", WORKING.values(), ids=WORKING)
def test_a_callback_that_works_leaves_a_finished_run(overrides, cli):
    result = cli("model=logreg", *SHORT, *overrides)
    assert result.code == 0, result.err
    assert "best validation error" in result.out


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_callback_that_cannot_work_is_refused_with_the_reason(name, verb, cli):
    overrides, message = REFUSED[name]
    result = cli(*(["check"] if verb == "check" else []), *callback(name), *overrides)
    assert (result.code, result.written) == (2, [])
    assert message in result.err


def test_device_stats_without_psutil_are_refused_with_the_command_that_installs_it(cli, monkeypatch):
    monkeypatch.setattr("dlpipe.config.checks.callbacks.find_spec", lambda name: None)
    result = cli("check", *callback("DeviceStatsMonitor"))
    assert (result.code, result.written) == (2, [])
    assert "DeviceStatsMonitor: needs psutil: pip install psutil" in result.err


OWN = """
import torch
import pytorch_lightning as pl
from pytorch_lightning import callbacks

class Own(pl.LightningModule):
    def __init__(self, which: str = ""):
        super().__init__()
        self.which = which
        self.flops_per_batch = 1
        self.backbone = torch.nn.Linear(784, 10)
        self.head = torch.nn.Linear(10, 10)
    def loss(self, batch):
        return torch.nn.functional.cross_entropy(self.head(self.backbone(batch[0])), batch[1])
    def training_step(self, batch, batch_idx):
        return self.loss(batch)
    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.loss(batch))
    def configure_callbacks(self):
        return {
            "": [],
            "checkpoint": [callbacks.ModelCheckpoint()],
            "lambda": [callbacks.LambdaCallback(on_train_batch_end=lambda *_: print("a minibatch"))],
            "throughput": [callbacks.ThroughputMonitor(lambda batch: len(batch[0]))],
            "finetuning": [callbacks.BackboneFinetuning(1)],
            "finder": callbacks.LearningRateFinder(),
        }[self.which]
"""


@pytest.fixture
def own(cli, install):
    """Run a module with a callback of its own."""
    install("dlpipe-own", {"own": "own:Own"}, {"own.py": OWN})
    return lambda which, *overrides: cli("model=own", f"model.which={which}", *SHORT, *overrides)


@pytest.mark.parametrize("which", ["checkpoint", "lambda", "throughput", "finetuning"])
def test_a_callback_of_the_module_works(which, own):
    result = own(which, "+trainer.log_every_n_steps=10")
    assert result.code == 0, result.err
    if which == "lambda":
        assert result.out.count("a minibatch") == read_summary(result.run_dir)["updates"]


def test_a_callback_of_the_module_that_cannot_work_is_refused(own):
    result = own("finder")
    assert (result.code, result.written) == (2, [])
    assert "callback LearningRateFinder: trains before the run" in result.err


@pytest.mark.parametrize("logger", ["csv", "wandb"])
def test_lightnings_checkpoints_are_in_a_folder_of_the_run_beside_ours(logger, cli, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    loggers = {"csv": [], "wandb": ["logger=wandb", "~logger.csv"]}[logger]
    result = cli("model=logreg", *SHORT, *WORKING["ModelCheckpoint"], *loggers)
    assert result.code == 0, result.err
    kept = set(result.run_dir.rglob("*.ckpt"))
    ours = {result.run_dir / "checkpoints" / f"{name}.ckpt" for name in ("best", "last", "previous")}
    assert ours < kept
    theirs = {path.name for path in kept - ours}
    assert "last.ckpt" in theirs
    assert len(theirs) == 2
    assert all(path.parent.parent != result.run_dir for path in kept - ours)


def test_lightnings_checkpoints_without_a_logger_need_a_folder(cli):
    refused = cli("check", "~logger.csv", *callback("ModelCheckpoint"))
    assert (refused.code, refused.written) == (2, [])
    assert "ModelCheckpoint: needs a logger, or dirpath: it would write among the run's own checkpoints" in refused.err
    result = cli("model=logreg", *SHORT, "~logger.csv", *callback("ModelCheckpoint"), "+callbacks.own.dirpath=theirs")
    assert result.code == 0, result.err
    assert list((result.folder / "theirs").glob("*.ckpt"))


def test_lightnings_checkpoints_of_each_stage_are_in_a_folder_of_their_own(cli):
    sizes = ("model.hidden_sizes=[9,4]", "model.corruption=[0.1,0.1]", "trainer.limit_train_batches=3")
    result = cli(
        "model=sda", *sizes, "recipe.stages.pretrain.max_epochs=1", "recipe.max_epochs=1", *callback("ModelCheckpoint")
    )
    assert result.code == 0, result.err
    kept = [path.relative_to(result.run_dir / "lightning") for path in (result.run_dir / "lightning").rglob("*.ckpt")]
    assert {path.parts[0] for path in kept} == {"pretrain", "finetune"}


def test_the_average_of_the_weights_is_validated_tested_and_written(cli):
    from safetensors.torch import load_file

    result = cli("model=logreg", *SHORT, *WORKING["EMAWeightAveraging"])
    best = read_checkpoint(result.run_dir / "checkpoints" / "best.ckpt")
    written = load_file(result.run_dir / "weights.safetensors")
    for name, average in best["state_dict"].items():
        assert torch.equal(written[name], average)
        assert not torch.equal(best["current_model_state"][name], average)


@pytest.mark.parametrize("fused", ["true", "false"])
def test_a_schedule_of_accumulation_gives_the_numbers_of_lightnings_own_loop(fused, cli):
    from safetensors.torch import load_file

    schedule = WORKING["GradientAccumulationScheduler"]
    one, other = (
        cli("model=logreg", *SHORT, *schedule, *options, f"hydra.run.dir={index}")
        for index, options in enumerate([("max_chunk_batches=1", "fused=false"), (f"fused={fused}",)])
    )
    assert one.code == other.code == 0
    weights, others = (load_file(one.folder / str(index) / "weights.safetensors") for index in range(2))
    for name, tensor in weights.items():
        torch.testing.assert_close(others[name], tensor, rtol=0, atol=1e-6)


def test_every_callback_of_lightning_is_in_a_table():
    others = {"Callback", "Checkpoint", "BaseFinetuning", "BasePredictionWriter", "ProgressBar"}  # to inherit from
    of_modules = {"LambdaCallback", "ThroughputMonitor", "BackboneFinetuning"}
    assert set(pl.callbacks.__all__) - others == {*WORKING, *REFUSED} | of_modules
