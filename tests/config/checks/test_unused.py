"""An override that nothing in the run reads is refused, with the key that works instead."""

import ast
from pathlib import Path

import pytest

import dlpipe
from dlpipe.settings import READ_BY_CORE, Recipe

CODE = """
import pytorch_lightning as pl, torch
from torch.nn import functional as F

class Own(pl.LightningModule):
    def __init__(self, lr: float = 0.1):
        super().__init__()
        self.linear, self.lr = torch.nn.Linear(784, 10), lr
    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self.linear(batch[0]), batch[1])
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)

class Data(pl.LightningDataModule):
    def __init__(self, batch_size: int = 5):
        super().__init__()
        self.batch_size = batch_size
    def train_dataloader(self):
        x, y = torch.zeros(20, 784), torch.zeros(20, dtype=torch.long)
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=self.batch_size)
"""
QUICK = "try_one_batch=false"


@pytest.fixture
def own(install) -> None:
    """A model with its own optimizer, and a dataset with its own batch size."""
    install("dlpipe-own", {"own": "own:Own"}, {"own/__init__.py": CODE})
    install("dlpipe-own-data", {"own_data": "own:Data"}, {}, kind="datasets")


REFUSED = {
    "the learning rate of another optimizer": (
        "optimizer=adam recipe.lr=0.5",
        "recipe.lr=0.5: nothing reads it with optimizer=adam; set optimizer.lr=0.5",
    ),
    "the learning rate of the model's default optimizer": (
        "model=lstm recipe.lr=0.5",
        "recipe.lr=0.5: nothing reads it with model=lstm; set optimizer.lr=0.5",
    ),
    "an optimizer without a learning rate": (
        "optimizer=cg recipe.lr=0.5",
        "recipe.lr=0.5: nothing reads it with optimizer=cg; leave it out",
    ),
    "a model with its own optimizer": (
        "model=own recipe.lr=0.5",
        "recipe.lr=0.5: nothing reads it with model=own; set model.lr=0.5",
    ),
    "a scheduler beside a model's own optimizer": (
        "model=own scheduler=cosine",
        "scheduler=cosine: model 'own' configures its own optimizer; drop this override",
    ),
    "a dataset with its own batch size": (
        "model=own dataset=own_data recipe.batch_size=3",
        "recipe.batch_size=3: nothing reads it with model=own dataset=own_data; set dataset.batch_size=3",
    ),
    "a batch size that the dataset's replaces": (
        "dataset.batch_size=7 recipe.batch_size=3",
        "recipe.batch_size=3: nothing reads it; set dataset.batch_size=3",
    ),
    "a dataset that draws no order": (
        "model=hmc recipe.shuffle=true",
        "recipe.shuffle=true: nothing reads it with model=hmc; leave it out",
    ),
    "epochs that the trainer's replace": (
        "trainer.max_epochs=2 recipe.max_epochs=3",
        "recipe.max_epochs=3: nothing reads it; set trainer.max_epochs=3",
    ),
    "patience without its callback": ("recipe.patience=5 ~callbacks.patience", "recipe.patience=5: nothing reads it"),
    "checkpoints without their callback": (
        "recipe.keep_every_n_epochs=1 ~callbacks.checkpoints",
        "recipe.keep_every_n_epochs=1: nothing reads it; leave it out",
    ),
    "what only patience reads": (
        "recipe.patience=null recipe.significance=0.05",
        "recipe.significance=0.05: nothing reads it while recipe.patience is null; set recipe.patience",
    ),
    "the recipe of the other stages": (
        "model=dbn stages=[pretrain] recipe.lr=0.5",
        "recipe.lr=0.5: nothing reads it with model=dbn stages=[pretrain]; set recipe.stages.pretrain.lr=0.5",
    ),
    "the recipe of a stage that is not trained": (
        "model=dbn stages=[finetune] recipe.stages.pretrain.lr=0.5",
        "recipe.stages.pretrain.lr=0.5: nothing reads it with model=dbn stages=[finetune]; leave it out",
    ),
    "the learning rate of a stage with another optimizer": (
        "model=dbn optimizer=adam recipe.stages.pretrain.lr=0.5",
        "recipe.stages.pretrain.lr=0.5: nothing reads it with model=dbn optimizer=adam; set optimizer.lr=0.5",
    ),
    "the optimizer of the whole run where every trained stage has its own": (
        "model=dbn stages=[pretrain] optimizer.lr=0.5 recipe.stages.pretrain.optimizer={_target_:torch.optim.SGD}",
        "optimizer.lr=0.5: nothing reads it with model=dbn stages=[pretrain]; leave it out",
    ),
    "an option that no scheduler reads": (
        "scheduler.gamma=0.5",
        "scheduler.gamma=0.5: no such key; scheduler has none",
    ),
    "an option of another scheduler": ("scheduler=step scheduler.T_max=3", "scheduler.T_max=3: no such key"),
    "a recipe for an optimizer by the wrong name": ("optimizer_recipe=cg", "Did you mean to override optimizer_recipe"),
}


@pytest.mark.parametrize(("typed", "message"), REFUSED.values(), ids=REFUSED)
def test_override_that_nothing_reads_is_refused_with_the_key_that_works(typed, message, own, cli):
    result = cli(*typed.split(), QUICK)
    assert result.code == 2
    assert message in result.err
    assert not result.written


@pytest.mark.parametrize(
    "typed",
    [
        "recipe.lr=0.5",
        "optimizer=adam optimizer.lr=0.5",
        "optimizer=adam optimizer.lr=${recipe.lr} recipe.lr=0.5",
        "optimizer=adam optimizer.lr=${..recipe.lr} recipe.lr=0.5",
        "optimizer=adam optimizer.eps=${oc.select:recipe.lr} recipe.lr=0.5",
        "model=rbm recipe.batch_size=10 dataset.batch_size=10",
        "scheduler=cosine recipe.max_epochs=3 trainer.max_epochs=2",
        "scheduler=plateau recipe.monitor_mode=max recipe.monitor=val/error",
        "model=dbn recipe.lr=0.5 recipe.stages.pretrain.lr=0.5",
        "model=dbn optimizer=adam recipe.stages.pretrain.optimizer={_target_:torch.optim.SGD,lr:0.1}",
        "recipe.patience=100 recipe.patience_increase=3 recipe.significance=0.05",
        "model=own model.lr=0.5 dataset=own_data dataset.batch_size=3",
        "recipe.targets=[]",
        "offline=true threads=1 +trainer.log_every_n_steps=1 hydra.job.name=x",
    ],
)
def test_override_that_something_reads_passes(typed, own, cli):
    result = cli("check", *typed.split(), QUICK)
    assert result.code == 0, result.err


def test_published_recipe_may_state_what_a_run_does_not_read(cli):
    assert cli("check", "model=mlp", "optimizer=adam", QUICK).code == 0


def test_sweep_is_refused_for_the_jobs_that_do_not_read_a_value(cli):
    result = cli("-m", "optimizer=sgd,adam", "recipe.lr=0.1,0.2", QUICK)
    assert result.code == 2
    assert result.err.splitlines()[1:] == [
        f"  recipe.lr={value}: nothing reads it with optimizer=adam; set optimizer.lr={value}"
        for value in ("0.1", "0.2")
    ]


@pytest.mark.parametrize(("header", "code"), [("# @package _global_\n", 2), ("", 0)])
def test_users_own_file_is_refused_where_it_overrides_another_group_and_not_where_it_is_a_choice(
    header, code, cli, tmp_path
):
    group = "random_search" if header else "recipe"
    (tmp_path / group).mkdir()
    (tmp_path / group / "mine.yaml").write_text(f"{header}{'recipe: {lr: 0.5}' if header else 'lr: 0.5'}\n")
    result = cli("check", "-cd", str(tmp_path), f"{group}=mine", "optimizer=adam", QUICK)
    assert result.code == code
    assert ("recipe.lr=0.5: nothing reads it with optimizer=adam; set optimizer.lr=0.5" in result.err) == (code == 2)


EXPERIMENT = "# @package _global_\ndefaults: [override /optimizer: adam]\nrecipe: {lr: 0.5}\n"


@pytest.mark.parametrize("owner", ["DLPIPE_CONF", "plugin"])
def test_experiment_of_a_plugin_or_of_the_environment_is_refused_for_what_nothing_reads(
    owner, cli, install, tmp_path, monkeypatch
):
    if owner == "plugin":
        files = {"own/__init__.py": CODE, "own/conf/experiment/mine.yaml": EXPERIMENT}
        install("dlpipe-own", {"own": "own:Own"}, files)
    else:
        (tmp_path / "experiment").mkdir()
        (tmp_path / "experiment" / "mine.yaml").write_text(EXPERIMENT)
        monkeypatch.setenv("DLPIPE_CONF", str(tmp_path))
    result = cli("check", "experiment=mine", QUICK)
    assert result.code == 2
    assert "recipe.lr=0.5: nothing reads it; set optimizer.lr=0.5" in result.err


def test_every_value_of_the_recipe_that_the_core_reads_is_marked():
    """Of the checks, which read values to report problems with them, none counts."""
    package = Path(dlpipe.__file__).parent
    files = [path for path in package.rglob("*.py") if "checks" not in path.parts and "testing" not in path.parts]
    read = {
        node.attr
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith(".recipe")
    }
    fields = read & Recipe.model_fields.keys()
    assert fields == {*READ_BY_CORE, "stages"}  # the values of a stage's recipe are read where its config has them
    assert len(fields) > 3
