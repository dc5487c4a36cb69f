"""The first lines of a run."""

import re

import pytest

SHORT = ("recipe.max_epochs=2", "hydra.run.dir=run")


def test_a_run_first_says_what_it_trains_on_what_and_where(cli):
    result = cli("model=logreg", *SHORT, "recipe.patience=900")
    assert result.code == 0, result.err
    assert result.out.splitlines()[1:6] == [
        "model logreg: 7,850 parameters",  # 784 * 10 weights and 10 biases
        "dataset digits: 1,078 train, 359 validation, 360 test examples",
        "device cpu, 1 thread, precision 32-true",
        f"run directory: {result.folder / 'run'}",
        "training: SGD with lr 0.3; batch size 50, at most 2 epochs, patience 900 updates",
    ]


def test_each_stage_says_how_it_is_trained(cli):
    one_epoch = ("recipe.max_epochs=1", "recipe.stages.pretrain.max_epochs=1", "hydra.run.dir=run")
    result = cli("model=sda", "model.hidden_sizes=[20,10]", "model.corruption=[0.1,0.2]", *one_epoch)
    assert result.code == 0, result.err
    assert result.out.count("dataset digits") == 1
    # the stage's own learning rate
    assert re.findall(r"training: (.*)", result.out) == [
        *2 * ["SGD with lr 0.2; batch size 20, at most 1 epoch"],
        "SGD with lr 0.5; batch size 20, at most 1 epoch",
    ]


MODULE = """
import pytorch_lightning as pl, torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset


class Plain(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch[0]).sum() ** 2

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.001)


class Endless(IterableDataset):
    def __iter__(self):
        return iter(torch.zeros(4, 1, 3))


class Data(pl.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(TensorDataset(torch.zeros(7, 3)), batch_size=2)


class Stream(pl.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(Endless(), batch_size=None)
"""


@pytest.mark.parametrize(
    ("dataset", "counts", "batch_size"),
    [("Data", ": 7 train examples", "batch size 2, "), ("Stream", "", "")],
)
def test_a_plain_datamodule_counts_what_its_loaders_can(dataset, counts, batch_size, cli, install):
    install("dlpipe-plain", {"plain": "plain:Plain"}, {"plain.py": MODULE})
    install("dlpipe-counted", {"counted": f"plain:{dataset}"}, {}, kind="datasets")
    result = cli("model=plain", "dataset=counted", "recipe.max_epochs=1", "hydra.run.dir=run")
    assert result.code == 0, result.err
    assert f"dataset counted{counts}\n" in result.out
    assert f"training: Adam with lr 0.001; {batch_size}at most 1 epoch\n" in result.out


def test_the_batch_size_is_that_of_the_dataset(cli):
    result = cli("model=logreg", "dataset.batch_size=30", *SHORT)
    assert result.code == 0, result.err
    assert "; batch size 30, at most 2 epochs" in result.out


@pytest.mark.filterwarnings("ignore:`LightningModule.configure_optimizers` returned")
def test_a_module_without_an_optimizer_is_trained(cli, install):
    code = MODULE.replace("return torch.optim.Adam(self.parameters(), lr=0.001)", "return None")
    install(
        "dlpipe-none", {"none": "none_at_all:Plain"}, {"none_at_all.py": code.replace("Linear(3, 1)", "Linear(784, 1)")}
    )
    result = cli("model=none", "recipe.max_epochs=1", "hydra.run.dir=run")
    assert result.code == 0, result.err
    assert "training: no optimizer; " in result.out
