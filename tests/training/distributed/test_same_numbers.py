"""Two processes on the CPU: one run, with the numbers of one process and the doubled minibatch."""

import csv
import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from dlpipe.runs.directory import read_summary

SHORT = ("recipe.max_epochs=2", "recipe.patience=null")


def rows(run_dir):
    with (run_dir / "metrics.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


def assert_same_numbers(one, other):
    """Equal to rounding: the weights, and every metric that was logged."""
    first, second = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=0, atol=2e-6)
    for a, b in zip(rows(one), rows(other), strict=True):
        assert b == pytest.approx(a, rel=1e-5)


def test_two_processes_equal_one_with_the_doubled_minibatch(cli):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    together = cli("model=mlp", "trainer=ddp", "trainer.devices=2", "recipe.batch_size=32", *SHORT, "hydra.run.dir=two")
    assert together.code == 0, together.err
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    two = together.run_dir
    one = cli("model=mlp", "recipe.batch_size=64", *SHORT, "hydra.run.dir=one").folder / "one"
    assert_same_numbers(one, two)

    summary = read_summary(two)
    assert summary["test"]["test/error"] == read_summary(one)["test"]["test/error"]
    assert summary["evaluated"] == {"val": 359, "test": 360}  # no example twice
    assert summary["status"] == "finished"

    assert [row["epoch"] for row in rows(two)] == [0, 1, 2]  # rank 1 wrote none
    assert len(list((two / "figures").iterdir())) > 0
    ranks = json.loads((two / "ranks.json").read_text())
    assert [rank["rank"] for rank in ranks] == [0, 1]
    assert len({rank["pid"] for rank in ranks} | {os.getpid()}) == 3  # Hydra's process is none of them
    (digest,) = {rank["config_sha256"] for rank in ranks}
    assert len(digest) == 64

    repeated = cli("test", "two")
    assert repeated.code == 0
    assert repeated.out.count("as the run") == 2


@pytest.mark.slow
def test_what_a_module_adds_up_in_buffers_is_of_both_processes(cli):
    """DDP gives all ranks the buffers of rank 0 before each step."""
    short = ("model=ca", "model.num_hidden=20", *SHORT)
    two = cli(*short, "trainer.devices=2", "recipe.batch_size=32", "hydra.run.dir=two")
    assert two.code == 0, two.err
    one = cli(*short, "recipe.batch_size=64", "hydra.run.dir=one")
    assert "train/contraction" in rows(one.folder / "one")[0]
    assert_same_numbers(one.folder / "one", two.folder / "two")


@pytest.mark.slow
def test_what_an_rbm_is_monitored_by_is_of_both_processes(cli, install):
    install("dlpipe-listening", {}, {"listening.py": MONITORED})
    short = (
        "model=rbm",
        "model.persistent=false",
        "model.num_hidden=20",
        "model.k=1",
        "model.sampling_steps=1",
        *SHORT,
    )
    callback = "+callbacks.listening._target_=listening.Listening"
    result = cli(*short, callback, "trainer.devices=2", "recipe.batch_size=32", "hydra.run.dir=two")
    assert result.code == 0, result.err
    two = result.folder / "two"
    by_rank = [json.loads((two / f"rank_{rank}.json").read_text()) for rank in (0, 1)]
    logged = [row["train/reconstruction"] for row in rows(two) if "train/reconstruction" in row]
    assert len(logged) == len(by_rank[0]) == 2
    for epoch, value in enumerate(logged):
        assert by_rank[0][epoch] != pytest.approx(by_rank[1][epoch], rel=1e-6)  # each has examples of its own
        assert value == pytest.approx((by_rank[0][epoch] + by_rank[1][epoch]) / 2, rel=1e-6)


MONITORED = """
import json
from pathlib import Path
import pytorch_lightning as pl
from dlpipe_boltzmann import rbm


class Listening(pl.Callback):
    def on_train_start(self, trainer, module):
        self.epochs = []
        self.monitored = monitored = rbm.reconstruction_log_likelihood

        def listening(*args):
            found = monitored(*args)
            if module.training:
                self.own.append(float(found))
            return found

        rbm.reconstruction_log_likelihood = listening

    def on_train_epoch_start(self, trainer, module):
        self.own = []

    def on_train_epoch_end(self, trainer, module):
        self.epochs.append(sum(self.own) / len(self.own))
        Path(trainer.default_root_dir, f"rank_{trainer.global_rank}.json").write_text(json.dumps(self.epochs))

    def teardown(self, trainer, module, stage):
        rbm.reconstruction_log_likelihood = self.monitored  # one minibatch was tried in the tests' own process
"""
ODD = """
import torch
from dlpipe.data import Split, TensorDataModule

class Odd(TensorDataModule):
    def __init__(self, batch_size: int):
        super().__init__(image_shape=[1, 1, 3], num_features=3, num_classes=2, batch_size=batch_size, shuffle=True,
                         drop_last=False, eval_batch_size=4, eval_drop_last=True, seed=1)

    def load_splits(self):
        x = torch.randn(29, 3, generator=torch.Generator().manual_seed(1))
        split = Split(x, (x.sum(1) > 0).long())
        return {"train": split.first(11), "val": split, "test": split}
"""


@pytest.mark.slow
def test_a_last_minibatch_that_is_not_divided_evenly(cli, install):
    """11 examples in minibatches of 8: of the last 3, one rank has 2 and the other 1."""
    install("dlpipe-odd", {"odd": "odd:Odd"}, {"odd/__init__.py": ODD}, kind="datasets")
    ask = ("model=logreg", "dataset=odd", "model.num_features=3", "model.num_classes=2", "model.image_shape=[1,1,3]")
    two = cli(*ask, "trainer.devices=2", "dataset.batch_size=4", *SHORT, "hydra.run.dir=two")
    assert two.code == 0, two.err
    one = cli(*ask, "dataset.batch_size=8", *SHORT, "hydra.run.dir=one")
    assert_same_numbers(one.folder / "one", two.folder / "two")
    assert read_summary(two.folder / "two")["evaluated"] == read_summary(one.folder / "one")["evaluated"]
    assert cli("test", "two").code == 0


FOREIGN = """
import json
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

class Foreign(pl.LightningDataModule):
    def setup(self, stage):
        x = torch.randn(23, 3, generator=torch.Generator().manual_seed(1))
        self.data = TensorDataset(x, (x.sum(1) > 0).long())

    def train_dataloader(self):
        return DataLoader(self.data, batch_size=4, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.data, batch_size=5)

    test_dataloader = val_dataloader

class Listening(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen += batch[0][:, 0].tolist()
        return torch.nn.functional.cross_entropy(self.linear(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        error = (self.linear(batch[0]).argmax(1) != batch[1]).double().mean()
        if self.global_rank == 0:
            self.log("val/error", error, batch_size=len(batch[0]), rank_zero_only=True)

    def test_step(self, batch, batch_idx):
        self.log("test/error", (self.linear(batch[0]).argmax(1) != batch[1]).double().mean(), batch_size=len(batch[0]))

    def on_train_end(self):
        said = {"seen": self.seen, "seed": torch.initial_seed()}
        Path(self.trainer.default_root_dir, f"rank_{self.global_rank}.json").write_text(json.dumps(said))
"""


def test_a_datamodule_that_knows_nothing_of_us_is_divided_for_training_only(cli, install):
    install("dlpipe-foreign-data", {"foreign": "foreign:Foreign"}, {}, kind="datasets")
    install("dlpipe-foreign", {"listening": "foreign:Listening"}, {"foreign.py": FOREIGN})
    two = cli("model=listening", "dataset=foreign", "trainer=ddp", "recipe.max_epochs=1", "hydra.run.dir=two")
    assert two.code == 0, two.err
    first, second = (json.loads((two.run_dir / f"rank_{rank}.json").read_text()) for rank in (0, 1))
    assert len(first["seen"]) == len(second["seen"]) == 12  # half of the 23, padded by one as DistributedSampler does
    assert len({*first["seen"], *second["seen"]}) == 23  # in one order for both, or examples would be left out
    assert first["seed"] != second["seed"]  # or dropout would be the same on both
    summary = read_summary(two.folder / "two")
    assert summary["best"]["metric"] == "val/error"  # which rank 0 alone has logged
    assert summary["evaluated"] == {"val": 23, "test": 23}
    assert summary["test"]["test/error"] * 23 == pytest.approx(round(summary["test"]["test/error"] * 23))


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["1,2", "2,1"])
def test_a_grid_over_devices_gives_each_job_what_it_asks_for(devices, cli):
    """Lightning alone would run the sweep again on each rank, or the second job on half the data."""
    result = cli("-m", "model=logreg", f"trainer.devices={devices}", *SHORT, "hydra.sweep.dir=sweep")
    assert result.code == 0, result.err
    assert len(result.run_dirs) == 2
    for number, count in enumerate(devices.split(",")):
        run_dir = result.folder / "sweep" / f"{number}-logreg"
        alone = cli("model=logreg", f"recipe.batch_size={50 * int(count)}", *SHORT, f"hydra.run.dir={count}")
        assert_same_numbers(alone.folder / count, run_dir)
        assert (run_dir / "ranks.json").exists() == (count == "2")


@pytest.mark.slow
def test_ranks_import_nothing_from_the_working_folder(cli):
    folder = cli("list").folder
    for name in ("dlpipe", "torch"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('imported from the working folder')")
    result = cli("model=logreg", "trainer=ddp", "trainer.devices=2", *SHORT, "hydra.run.dir=two")
    assert result.code == 0, result.out + result.err
