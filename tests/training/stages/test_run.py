"""A model with stages, run by the command line."""

import csv
import hashlib
import json
import shutil

import pytest
import torch
import yaml

import dlpipe
from dlpipe.testing import check_model

VARIES = {"seconds": 0, "max_chunk_batches": 0}  # a callback for each minibatch disables chunks
AT_ITS_END = 100  # more updates than the stage has
PRETRAINED = ["pretrain/0/loss"] * 2 + ["pretrain/1/loss"] * 2


def record(run_dir):
    """The step and the names of the metrics of each row."""
    with (run_dir / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [(int(row["step"]), [name for name, value in row.items() if value and "/" in name]) for row in rows]


def summary(run_dir):
    return json.loads((run_dir / "summary.json").read_text())


def same_bits(one, other):
    return all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in ("weights.safetensors", "metrics.csv")
    )


def test_stages_are_trained_in_order_in_one_directory_with_one_log(stacked, cli):
    result = cli("model=stacked")
    assert result.code == 0, result.err
    steps, names = zip(*record(result.run_dir), strict=True)
    # 1,078 examples: 11 minibatches of 100 per epoch, then 22 of 50
    assert steps == (10, 21, 32, 43, 65, 87, 109, 110)
    finetuned = [sorted(("finetune/loss", "finetune/val/error"))] * 3
    assert [sorted(found) for found in names[4:7]] == finetuned
    assert [found for (found,) in names[:4]] == PRETRAINED
    assert sorted(names[7]) == ["best/val/error", "test/error"]
    found = summary(result.run_dir)
    assert [(stage["name"], stage["updates"], stage["epochs"]) for stage in found["stages"]] == [
        ("pretrain/0", 22, 2),
        ("pretrain/1", 22, 2),
        ("finetune", 66, 3),
    ]
    assert found["updates"] == 110
    assert found["best"]["metric"] == "val/error"
    assert "stage pretrain/0: 2 epochs, 22 updates, " in result.err + result.out
    kept = {str(path.relative_to(result.run_dir)) for path in result.run_dir.rglob("epoch_*.ckpt")}
    assert kept == {f"checkpoints/pretrain/{k}/epoch_000{epoch}.ckpt" for k in (0, 1) for epoch in (1, 2)}


def test_stage_uses_its_part_of_the_recipe_also_in_its_optimizer(stacked, cli):
    result = cli("model=stacked", "recipe.stages.pretrain.lr=0.25", "recipe.stages.finetune.patience=7")
    assert result.code == 0, result.err
    config = yaml.safe_load((result.run_dir / "config.yaml").read_text())
    assert config["stage_configs"]["pretrain"] == {
        "recipe": {"lr": 0.25, "batch_size": 100, "max_epochs": 2, "keep_every_n_epochs": 1},
        "dataset": {"batch_size": 100},
        "optimizer": config["optimizer"] | {"lr": 0.25},
        "trainer": {"max_epochs": 2},
        "callbacks": {"checkpoints": {"every_n_epochs": 1}},
    }
    assert config["stage_configs"]["finetune"]["callbacks"] == {"patience": {"patience": 7}}
    saved = torch.load(result.run_dir / "checkpoints/pretrain/1/last.ckpt", weights_only=True)
    assert saved["optimizer_states"][0]["param_groups"][0]["lr"] == 0.25
    assert summary(result.run_dir)["stopped_by"] == "patience"


def test_stage_may_have_its_own_optimizer(stacked, cli):
    node = "recipe.stages.pretrain.optimizer={_target_: torch.optim.Adam, lr: 0.01}"
    result = cli("model=stacked", node)
    assert result.code == 0, result.err
    saved = torch.load(result.run_dir / "checkpoints/pretrain/0/last.ckpt", weights_only=True)
    assert "betas" in saved["optimizer_states"][0]["param_groups"][0]
    saved = torch.load(result.run_dir / "checkpoints/finetune/last.ckpt", weights_only=True)
    assert "momentum" in saved["optimizer_states"][0]["param_groups"][0]


def test_run_that_crashed_in_a_stage_resumes_to_the_same_bits(stacked, cli, tmp_path):
    common = ["model=stacked", "callbacks.checkpoints.every_n_updates=3"]
    whole = cli(*common, f"hydra.run.dir={tmp_path}/whole")
    assert whole.code == 0, whole.err
    wanted = [stage | VARIES for stage in summary(tmp_path / "whole")["stages"]]
    for stage, update in [("pretrain/0", 5), ("pretrain/1", 17), ("pretrain/1", AT_ITS_END), ("finetune", 40)]:
        left = tmp_path / f"{stage}-{update}"
        crash = {"_target_": "crash.Crash", "flag": tmp_path / f"flag{update}", "stage": stage, "update": update}
        crashed = cli(*common, *(f"+callbacks.crash.{k}={v}" for k, v in crash.items()), f"hydra.run.dir={left}")
        assert crashed.code == 1
        assert "RuntimeError: crashed" in crashed.out
        assert summary(left)["status"] == "failed"
        resumed = cli("resume", str(left))
        assert resumed.code == 0, resumed.err
        assert same_bits(tmp_path / "whole", left)
        assert [found | VARIES for found in summary(left)["stages"]] == wanted


@pytest.mark.parametrize("content", [None, "{", '{"name": "pretrain/0"}'])
def test_damaged_result_of_a_stage_is_reported(stacked, cli, tmp_path, content):
    run = tmp_path / "run"
    crash = {"_target_": "crash.Crash", "flag": tmp_path / "flag", "stage": "finetune", "update": 40}
    crashed = cli("model=stacked", *(f"+callbacks.crash.{k}={v}" for k, v in crash.items()), f"hydra.run.dir={run}")
    assert crashed.code == 1
    path = run / "checkpoints" / "pretrain" / "0" / "stage.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    resumed = cli("resume", str(run))
    assert resumed.code == 1
    assert f"cannot read the result of stage pretrain/0 from {path}: " in resumed.out + resumed.err
    assert "Traceback" not in resumed.err


def test_encoding_computed_once_gives_the_same_numbers_as_encoding_at_every_step(stacked, cli, install):
    code = """
import stacked
from dlpipe.stages import Stage


class Recomputing(stacked.Autoencoder):
    below = None

    def training_step(self, batch, batch_idx):
        x = self.below[0](batch[0]).detach() if self.below else batch[0]
        return super().training_step((x, batch[1]), batch_idx)


class Recomputed(stacked.Stacked):
    def __init__(self, num_features, num_classes):
        super().__init__(num_features, num_classes)
        for k, old in enumerate(self.autoencoders):
            self.autoencoders[k] = new = Recomputing(old.encoder.in_features, old.encoder.out_features)
            new.load_state_dict(old.state_dict())
        new.below = (self.autoencoders[0],)

    def stages(self):
        return [Stage(stage.name, stage.module, begin=stage.begin) for stage in super().stages()]
"""
    yaml_text = "name: recomputed\nnum_features: ${dataset.num_features}\nnum_classes: ${dataset.num_classes}\n"
    install(
        "dlpipe-recomputed",
        {"recomputed": "recomputed:Recomputed"},
        {"recomputed/__init__.py": code, "recomputed/conf/model/recomputed.yaml": yaml_text},
    )
    recipe = [f"recipe.stages.pretrain.{value}" for value in ("lr=0.1", "max_epochs=1", "batch_size=50")]
    runs = [
        cli(f"model={name}", *recipe, "stages=[pretrain]", f"hydra.run.dir={name}")
        for name in ("stacked", "recomputed")
    ]
    assert [run.code for run in runs] == [0, 0], runs[1].err
    one, other = (dlpipe.load(runs[0].folder / name).autoencoders.state_dict() for name in ("stacked", "recomputed"))
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-5, atol=1e-6)


def test_run_may_start_from_the_weights_of_another(stacked, cli):
    assert cli("model=stacked", "stages=[pretrain]", "hydra.run.dir=first").code == 0
    second = cli("model=stacked", "stages=[finetune]", "init_from=first", "hydra.run.dir=second")
    assert second.code == 0, second.err
    assert cli("model=stacked", "hydra.run.dir=whole").code == 0
    whole, found = (dlpipe.load(second.folder / name).state_dict() for name in ("whole", "second"))
    assert all(torch.equal(value, whole[name]) for name, value in found.items())
    assert all("pretrain" not in name for _, names in record(second.folder / "second") for name in names)


def test_resumed_run_starts_from_its_own_copy_of_the_weights(stacked, cli, tmp_path):
    """Even if its directory was moved and the other run is gone."""
    assert cli("model=stacked", "stages=[pretrain]", "hydra.run.dir=first").code == 0
    words = ["model=stacked", "stages=[pretrain/1,finetune]", "init_from=first"]
    whole = cli(*words, "hydra.run.dir=whole")
    assert whole.code == 0, whole.err
    left, folder = tmp_path / "left", whole.folder
    shutil.copytree(folder / "whole", left)
    (left / "summary.json").unlink()
    for path in left.rglob("*.ckpt"):
        if path.name != "start.ckpt":
            path.unlink()
    shutil.move(folder / "first", folder / "moved")
    resumed = cli("resume", str(left))
    assert resumed.code == 0, resumed.out + resumed.err
    assert same_bits(folder / "whole", left)
    for path in [*left.rglob("start.ckpt"), left / "summary.json"]:
        path.unlink()
    for path in left.rglob("last.ckpt"):
        path.unlink()
        path.with_name("previous.ckpt").unlink()
    gone = cli("resume", str(left))
    assert gone.code == 1
    assert f"init_from={folder / 'first'} no longer has weights of this model; restore that run" in gone.out


def test_provenance_records_the_initial_weights(stacked, cli):
    assert cli("model=stacked", "stages=[pretrain]", "hydra.run.dir=first").code == 0
    second = cli("model=stacked", "stages=[finetune]", "init_from=first", "hydra.run.dir=second")
    found = json.loads((second.folder / "second" / "provenance.json").read_text())["start"]
    best = second.folder / "first" / "checkpoints" / "pretrain" / "0" / "best.ckpt"
    assert found["pretrain/0"] == hashlib.sha256(best.read_bytes()).hexdigest()
    assert sorted(found) == ["pretrain/0", "pretrain/1"]


def test_init_from_needs_only_the_stages_before_the_trained_ones(stacked, cli):
    assert cli("model=stacked", "stages=[pretrain]", "hydra.run.dir=first").code == 0
    again = cli("model=stacked", "stages=[pretrain/1]", "init_from=first", "hydra.run.dir=second")
    assert again.code == 0, again.err


def test_a_classifier_that_was_not_trained_is_not_tested(stacked, cli):
    result = cli("model=stacked", "stages=[pretrain]", "hydra.run.dir=run")
    assert result.code == 0
    assert "no test: stage finetune has not been trained" in result.out
    assert summary(result.folder / "run")["test"] == {}


def test_a_minibatch_of_a_stage_that_is_larger_than_the_dataset_is_refused_at_once(stacked, cli):
    result = cli("model=stacked", "recipe.stages.finetune.batch_size=5000", "recipe.drop_last=true")
    assert result.code == 2
    assert "fewer than one minibatch of 5000" in result.err
    assert result.written == []


def test_finished_stage_needs_only_its_best_weights(stacked, cli, tmp_path):
    run = tmp_path / "run"
    crash = {"_target_": "crash.Crash", "flag": tmp_path / "flag", "stage": "finetune", "update": 40}
    assert cli("model=stacked", *(f"+callbacks.crash.{k}={v}" for k, v in crash.items()), f"hydra.run.dir={run}").code
    for name in ("last.ckpt", "previous.ckpt"):
        (run / "checkpoints" / "pretrain" / "0" / name).write_bytes(b"damaged")
    resumed = cli("resume", str(run))
    assert resumed.code == 0, resumed.out + resumed.err
    assert "can be read; start the run in another directory; stage pretrain/0 is over" in resumed.out
    assert f"Resuming from checkpoint {run}/checkpoints/finetune/last.ckpt" in resumed.out


def test_init_from_without_the_needed_weights_is_refused(stacked, cli):
    nowhere = cli("model=stacked", "stages=[finetune]", "init_from=nowhere")
    assert nowhere.code == 2
    message = "is not a run's directory: it does not exist. There are no runs below outputs/"
    assert f"init_from={nowhere.folder / 'nowhere'} {message}" in nowhere.err
    (nowhere.folder / "empty").mkdir()
    empty = cli("model=stacked", "stages=[finetune]", "init_from=empty")
    assert empty.code == 2
    assert f"init_from={empty.folder / 'empty'} has no checkpoint of Stacked; name the directory of a" in empty.err
    assert cli("model=stacked", "stages=[finetune]", "hydra.run.dir=first").code == 0
    missing = cli("model=stacked", "stages=[finetune]", "init_from=first")
    assert missing.code == 2
    message = "has no weights of pretrain/0, pretrain/1; add them to stages= to train them"
    assert f"init_from={missing.folder / 'first'} {message}" in missing.err


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stages=[finetun]", "no stage 'finetun'; did you mean 'finetune'?"),
        ("stages=[]", "stages=[]: List should have at least 1 item"),
        ("recipe.stages.pretrian.lr=0.1", "recipe.stages.pretrian: no such stage; did you mean 'pretrain'?"),
        ("recipe.stages.pretrain.lr=-1", "recipe.stages.pretrain.lr=-1: must be greater than 0"),
        ("recipe.stages.pretrain.lrr=1", "recipe.stages.pretrain.lrr: no such key; did you mean 'lr'?"),
        ("recipe.stages.pretrain.stages={}", "a stage has no stages"),
    ],
)
def test_invalid_option_of_a_stage_is_refused(stacked, cli, override, message):
    result = cli("model=stacked", override)
    assert result.code == 2
    assert message in result.err
    assert result.written == []


def test_selecting_a_stage_of_a_model_without_stages_is_refused(cli):
    result = cli("model=logreg", "stages=[finetune]")
    assert result.code == 2
    assert "no stage 'finetune'; the model's stages: none" in result.err


def test_a_dataset_that_cannot_be_encoded_is_refused_before_anything_is_written(stacked, cli, install):
    code = """
import pytorch_lightning as pl
class Plain(pl.LightningDataModule):
    num_features, num_classes = 4, 2
    def train_dataloader(self):
        return []
"""
    install("dlpipe-plain-data", {"plain_data": "plain_data:Plain"}, {"plain_data/__init__.py": code}, kind="datasets")
    result = cli("model=stacked", "dataset=plain_data", "model.num_features=4", "model.num_classes=2")
    assert result.code == 2
    assert "trains on an encoding of it, which only a TensorDataModule supports" in result.err
    assert result.written == []


def test_commands_work_on_a_run_with_stages(stacked, cli):
    assert cli("model=stacked", "hydra.run.dir=run").code == 0
    tested = cli("test", "run")
    assert tested.code == 0, tested.err
    assert "as the run" in tested.out
    assert cli("figures", "run").code == 0
    finished = cli("resume", "run")
    assert finished.code == 0
    again = cli("reproduce", "run")
    assert again.code == 0, again.out + again.err


@pytest.mark.slow
def test_model_with_stages_keeps_the_plugin_contract(stacked):
    check_model(stacked)


@pytest.mark.slow
def test_model_with_stages_trains_on_two_devices(stacked, cli):
    result = cli("model=stacked", "trainer=ddp", "recipe.max_epochs=1", "hydra.run.dir=run")
    assert result.code == 0, result.err
    assert summary(result.folder / "run")["status"] == "finished"
    assert cli("test", "run").code == 0
