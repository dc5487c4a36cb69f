"""explain: which file or override sets a value, what it replaced, what reads it."""

import shutil

import pytest
from omegaconf import OmegaConf

from dlpipe.config.checks import config_checks
from dlpipe.config.checks.overrides import parse
from dlpipe.config.origins import Origins
from dlpipe.plain_config import flat


def test_a_value_is_followed_to_the_file_and_line_that_set_it(cli):
    lines = cli("explain", "optimizer.lr", "model=lenet").out.splitlines()
    assert lines[0] == "optimizer.lr = 0.1"
    assert lines[1].startswith("  set to ${recipe.lr} by ")
    assert lines[1].endswith("conf/optimizer/sgd.yaml, line 2")
    assert lines[2] == "  read by torch.optim.SGD(lr=...)"
    assert lines[4] == "recipe.lr = 0.1"
    assert lines[5].endswith("conf/recipe_for/lenet/digits.yaml, line 2")
    assert [line.split(" of ")[0] for line in lines[6:8]] == ["  replacing 0.1", "  replacing 0.01"]
    assert lines[6].endswith("conf/recipe/lenet.yaml, line 1")
    assert lines[7].endswith("conf/recipe_base.yaml, line 3")
    assert lines[8] == "  read by optimizer.lr"


def test_an_override_is_named_with_what_it_replaced(cli):
    lines = cli("explain", "recipe.lr", "model=lenet", "recipe.lr=0.2").out.splitlines()
    assert lines[:2] == ["recipe.lr = 0.2", "  set to 0.2 by the override recipe.lr=0.2"]
    assert len([line for line in lines if line.startswith("  replacing")]) == 3


def test_a_value_that_nothing_reads_says_so(cli):
    assert "  nothing reads it" in cli("explain", "recipe.lr", "optimizer=adam").out.splitlines()


@pytest.mark.parametrize(
    ("key", "reader"),
    [
        ("model.num_hidden", "dlpipe_supervised.mlp:MLP(num_hidden=...)"),
        ("trainer.max_epochs", "pytorch_lightning.Trainer(max_epochs=...)"),
        ("recipe.monitor", "dlpipe"),
        ("seed", "dlpipe"),
        ("hydra.job.name", "Hydra"),
        ("callbacks.patience._target_", "dlpipe"),
    ],
)
def test_readers_are_named(key, reader, cli):
    (line,) = [line for line in cli("explain", key, "model=mlp").out.splitlines() if "read by" in line][:1]
    assert reader in line.removeprefix("  read by ").split(", ")


def test_the_choice_of_a_group_is_explained(cli):
    lines = cli("explain", "dataset", "model=rnn_slu").out.splitlines()
    assert lines[1].startswith("  set to synthetic_flights by ")
    assert lines[1].endswith("conf/model/rnn_slu.yaml, line 2")
    assert lines[2].startswith("  replacing digits of ")
    assert "  dataset.name = synthetic_flights" in lines
    chosen = cli("explain", "dataset", "model=rnn_slu", "dataset=atis").out.splitlines()
    assert chosen[1] == "  set to atis by the override dataset=atis"


@pytest.mark.parametrize("group", ["experiment", "search"])
def test_a_group_without_a_choice_is_null(group, cli):
    lines = cli("explain", group).out.splitlines()
    assert lines[0] == f"{group} = null"
    assert "/conf/config.yaml, line " in lines[1]


def test_a_group_whose_config_is_empty_has_its_choice_as_value(cli):
    assert cli("explain", "random_search").out.startswith("random_search = none\n  set to none by ")


def test_the_value_of_a_stage_is_named_with_the_value_that_it_replaces(cli):
    recipe = cli("explain", "recipe.lr", "model=sda").out.splitlines()
    assert "  replaced in a stage by recipe.stages.pretrain.lr = 0.2" in recipe
    stage = cli("explain", "recipe.stages.pretrain.lr", "model=sda").out.splitlines()
    assert stage[-1] == "  read by stage pretrain, in place of recipe.lr"


def test_a_node_is_listed_with_values_that_refer_to_what_is_not_known_yet(cli):
    lines = cli("explain", "hydra").out.splitlines()
    assert any(line.startswith("  hydra.sweep.subdir = ${hydra.job.num}") for line in lines)


def test_an_experiment_is_a_file_among_the_others(cli, tmp_path):
    folder = tmp_path / "mine" / "experiment"
    folder.mkdir(parents=True)
    (folder / "fast.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /model: mlp\n\nrecipe:\n  lr: 0.7\n"
    )
    words = ["-cd", str(tmp_path / "mine"), "experiment=fast"]
    lines = cli("explain", "recipe.lr", *words).out.splitlines()
    assert lines[0] == "recipe.lr = 0.7"
    assert lines[1].endswith("mine/experiment/fast.yaml, line 6")
    model = cli("explain", "model", *words).out.splitlines()
    assert model[1].startswith("  set to mlp by ")
    assert model[1].endswith("mine/experiment/fast.yaml, line 3")


def test_a_qualified_model_has_its_own_file(cli):
    lines = cli("explain", "model.num_hidden", "model=supervised/mlp").out.splitlines()
    assert "dlpipe_supervised/conf/model/mlp.yaml, line" in lines[1]


def test_a_run_is_explained_by_its_overrides(cli):
    run_dir = cli("model=logreg", "recipe.max_epochs=1", "recipe.lr=0.2").run_dir
    lines = cli("explain", "recipe.lr", str(run_dir)).out.splitlines()
    assert lines[:2] == ["recipe.lr = 0.2", "  set to 0.2 by the override recipe.lr=0.2"]
    copied = shutil.copytree(run_dir, run_dir.with_name("copied"))
    config = copied / "config.yaml"
    config.write_text(config.read_text().replace("lr: 0.2", "lr: 0.3"))
    last = cli("explain", "recipe.lr", str(copied)).out.splitlines()[-1]
    assert last == "the run was made with recipe.lr = 0.3: the files were others then"
    last = cli("explain", "recipe.lr", str(copied), "recipe.lr=0.4").out.splitlines()[-1]
    assert last == "the run was made with recipe.lr = 0.3"


def test_a_value_that_a_run_read_from_its_data_is_no_change_of_the_files(cli):
    run_dir = cli("model=logreg", "recipe.max_epochs=1").run_dir
    config = run_dir / "config.yaml"
    config.write_text(config.read_text().replace("init_from: null", "init_from: other"))
    last = cli("explain", "init_from", str(run_dir)).out.splitlines()[-1]
    assert last == "the run was made with init_from = other, as its data says"


def test_a_folder_that_is_no_run_is_refused(cli, tmp_path):
    result = cli("explain", "seed", str(tmp_path))
    assert result.code == 2
    assert "is not a run's directory: it has no config.yaml" in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["recipe.lrr"], "the config has no recipe.lrr; did you mean 'recipe.lr'?"),
        (["recipe.lr", "model=lenett"], "did you mean 'lenet'?"),
        (["recipe.lr", "no_such_run"], "no_such_run"),
        (["recipe.lr", "one", "two"], "explain takes one RUN at most, and overrides as key=value"),
        (["recipe.lr", "recipe.lr=1,2"], "recipe.lr=1,2"),
        ([], "the following arguments are required: KEY"),
    ],
)
def test_a_wrong_request_is_refused(words, message, cli):
    result = cli("explain", *words)
    assert result.code == 2
    assert message in result.err


def test_every_key_of_a_config_has_an_origin():
    ((_, config),) = config_checks.check(["model=lenet"], multirun=False, output_key=None)
    content = OmegaConf.to_container(config, resolve=False)
    del content["hydra"]
    keys = [key for key in flat(content) if key != "output_dir"]
    assert len(keys) > 50
    overrides, _ = parse(["model=lenet"])
    origins = Origins(overrides)
    for key in keys:
        assert origins.settings_of(key), key
