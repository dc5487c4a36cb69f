"""Experiments: set-ups saved as YAML, chosen by ``experiment=NAME``."""

import os

import pytest
import yaml
from omegaconf import OmegaConf

HEADER = "# @package _global_\n"
MLP = """
defaults:
  - override /model: mlp
  - override /optimizer: adam
seed: 7
threads: 2
on_nan: warn
recipe: {max_epochs: 3}
optimizer: {lr: 0.01}
hydra: {run: {dir: here}}
"""


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Write an experiment into a folder that ``DLPIPE_CONF`` names; returns its file."""
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    monkeypatch.setenv("DLPIPE_CONF", str(folder.parent))

    def write(name, content, header=HEADER):
        path = folder / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(header + content)
        return path

    return write


@pytest.fixture
def composed(cli):
    """The config that ``--cfg job`` prints for a command line."""

    def compose(*arguments, part="job"):
        result = cli(*arguments, "--cfg", part)
        assert result.code == 0, result.err
        return OmegaConf.create(result.out)

    return compose


def test_an_experiment_chooses_groups_and_values_and_brings_the_recipe_of_its_model(save, composed):
    save("quick", MLP)
    cfg, typed = composed("experiment=quick"), composed("model=mlp", "optimizer=adam")
    assert (cfg.model, cfg.recipe.patience, cfg.recipe.lr) == (typed.model, typed.recipe.patience, typed.recipe.lr)
    assert (cfg.seed, cfg.threads, cfg.on_nan, cfg.recipe.max_epochs, cfg.optimizer.lr) == (7, 2, "warn", 3, 0.01)


def test_the_command_line_overrides_the_experiment(save, composed):
    save("quick", MLP)
    cfg = composed("experiment=quick", "seed=8", "recipe.max_epochs=4", "optimizer=sgd", "model=logreg")
    assert (cfg.seed, cfg.recipe.max_epochs, cfg.model.name) == (8, 4, "logreg")
    assert "betas" not in cfg.optimizer


def test_an_experiment_may_choose_the_run_directory(save, composed):
    save("quick", MLP)
    assert composed("experiment=quick", part="hydra").hydra.run.dir == "here"
    assert composed("experiment=quick", "hydra.run.dir=there", part="hydra").hydra.run.dir == "there"


def test_a_plus_sign_before_experiment_means_the_same(save, cli):
    save("quick", MLP)
    assert cli("+experiment=quick", "--cfg", "job").out == cli("experiment=quick", "--cfg", "job").out != ""


def test_config_dir_has_experiments_and_the_working_folder_has_none(save, cli, monkeypatch):
    path = save("quick", MLP)
    monkeypatch.delenv("DLPIPE_CONF")
    assert cli("-cd", str(path.parents[1]), "experiment=quick", "--cfg", "job").code == 0
    result = cli("experiment=quick")
    assert result.code == 2
    assert "no experiment 'quick'; there are none; -cd DIR or DLPIPE_CONF=DIR adds those in DIR/exp" in result.err
    for parent in ("experiment", "conf/experiment"):
        (result.folder / parent).mkdir(parents=True)
        (result.folder / parent / "quick.yaml").write_text(HEADER + MLP)
    assert cli("experiment=quick").code == 2


def test_several_folders_may_be_named_and_one_twice(save, composed, tmp_path, monkeypatch):
    path = save("quick", MLP)
    (tmp_path / "more" / "optimizer").mkdir(parents=True)
    (tmp_path / "more" / "optimizer" / "slow.yaml").write_text("_target_: torch.optim.SGD\nlr: 0.001\n")
    monkeypatch.setenv("DLPIPE_CONF", os.pathsep.join([str(path.parents[1]), str(tmp_path / "more")]))
    cfg = composed("-cd", str(path.parents[1]), "experiment=quick", "optimizer=slow", "optimizer.lr=0.002")
    assert (cfg.seed, cfg.optimizer.lr) == (7, 0.002)


def test_a_folder_of_the_environment_that_does_not_exist_is_refused(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("DLPIPE_CONF", str(tmp_path / "nowhere"))
    result = cli("model=mlp")
    assert result.code == 2
    assert "nowhere: no such folder; create it, or unset DLPIPE_CONF" in result.err


def test_an_experiment_may_be_based_on_another_and_lie_in_a_subfolder(save, composed):
    save("quick", MLP)
    save("more/slower", "defaults: [/experiment/quick, _self_, override /optimizer: sgd]\nseed: 9\n")
    cfg = composed("experiment=more/slower")
    assert (cfg.model.name, cfg.seed, cfg.threads) == ("mlp", 9, 2)
    assert "betas" not in cfg.optimizer


def test_a_plugin_brings_an_experiment_with_its_own_dataset(install, cli, composed):
    code = "from dlpipe.data.digits import Digits\nclass Acme(Digits): pass\n"
    experiment = HEADER + "defaults: [override /dataset: acme, override /model: mlp]\nseed: 5\n"
    dataset = "name: acme\nnum_features: 784\nnum_classes: 10\nimage_shape: [1, 28, 28]\nbatch_size: 20\n"
    files = {"acme/__init__.py": code, "acme/conf/experiment/all.yaml": experiment}
    install("dlpipe-acme", {"acme": "acme:Acme"}, files | {"acme/conf/dataset/acme.yaml": dataset}, kind="datasets")
    for name in ("all", "acme/all"):
        cfg = composed(f"experiment={name}")
        assert (cfg.dataset.name, cfg.model.name, cfg.seed) == ("acme", "mlp", 5)
    assert "all  dlpipe-acme" in cli("list").out


def test_a_model_that_is_not_the_default_needs_only_its_own_plugin(save, cli, monkeypatch):
    save("quick", "defaults: [override /model: rbm]\n")
    monkeypatch.setenv("DLPIPE_PLUGINS", "boltzmann")
    assert cli("experiment=quick", "--cfg", "job").code == 0
    save("other", MLP)
    result = cli("experiment=other")
    assert "other.yaml: override /model: mlp: model 'mlp' (dlpipe_supervised.mlp:MLP, from" in result.err
    assert "is denied by DLPIPE_PLUGINS=boltzmann" in result.err


BAD = {
    "unknown key": ("model: {n_hiden: 3}", "model.n_hiden=3: no such key; model has num_features"),
    "unknown node": ("optimizr: {lr: 3}", "optimizr.lr=3: no such key; did you mean 'optimizer'?"),
    "type": ("seed: abc", "seed=abc: must be a whole number, like the default 1234"),
    "true for a number": ("seed: true", "seed=True: must be a whole number"),
    "null for a node": ("model: null", "model=None: must be a mapping"),
    "null for hydra": ("hydra: null", "hydra=None: must be a mapping"),
    "null for the sweeper": ("hydra: {sweeper: null}", "hydra.sweeper=None: must be a mapping"),
    "name": ("model: {name: mlp}", "model.name=mlp: choose with model=mlp"),
    "output_dir": ("output_dir: /tmp", "output_dir=/tmp: no such key"),
    "unknown key of hydra": ("hydra: {rnu: 3}", "Key 'rnu' not in 'HydraConf'"),
    "mode": ("hydra: {mode: MULTIRUN}", "use --multirun for a sweep, and no flag for a run"),
    "subdir": ("hydra: {sweep: {subdir: a}}", "jobs would share a folder; keep ${hydra.job.num} in it"),
    "unknown model": ("defaults: [override /model: mpl]", "override /model: mpl: no model 'mpl'; did you mean 'mlp'?"),
    "unknown optimizer": ("defaults: [override /optimizer: adan]", "no such optimizer; did you mean 'adam'?"),
    "unknown group": ("defaults: [override /modell: mlp]", "override /modell: mlp: no such group"),
    "relative group": ("defaults: [override model: mlp]", "override model: mlp: write override /model"),
    "no name": ("defaults: [override /model: null]", "override /model: None: model takes one name"),
    "log": (
        "defaults: [override /hydra/job_logging: none]",
        "has no effect in an experiment; choose it on the command",
    ),
    "defaults": ("defaults: 3", "defaults=3: must be a list"),
    "item of defaults": ("defaults: [3]", "3: is not an item of a defaults list; write 'override /group: choice'"),
    "YAML": ("a: [", "a config file is not YAML"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_wrong_experiment_is_refused_and_its_file_named(content, message, save, cli):
    path = save("quick", content)
    result = cli("check", "experiment=quick")
    assert (result.code, result.out, result.written) == (2, "", [])
    assert message in result.err
    assert str(path) in result.err


def test_the_target_of_an_experiment_must_have_the_type_of_its_place(save, cli):
    save("quick", "optimizer: {_target_: os.system}\n")
    result = cli("check", "experiment=quick")
    assert (result.code, result.written) == (2, [])
    assert "os.system" in result.err


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            "experiment=quikc",
            "experiment=quikc: no experiment 'quikc'; did you mean 'quick'? there are quick, rec; -cd",
        ),
        ("+experiment=quikc", "experiment=quikc: no experiment 'quikc'; did you mean 'quick'?"),
        ("experiment=null", "experiment takes one name, such as experiment=quick"),
        ("experiment=quick,rec", "several values are a sweep: add --multirun"),
        ("~experiment", "experiment cannot be removed"),
        ("experiment=rec", "a defaults list leads back to its own file"),
    ],
)
def test_a_wrong_choice_of_an_experiment_is_refused(request_, message, save, cli):
    save("quick", MLP)
    save("rec", "defaults: [rec]\n")
    result = cli(request_)
    assert (result.code, result.written) == (2, [])
    assert message in result.err


def test_a_file_without_the_package_line_is_refused(save, cli):
    path = save("quick", MLP, header="")
    assert f"{path} must begin with the line '# @package _global_'" in cli("experiment=quick").err


def test_two_folders_with_the_same_experiment_are_refused(save, cli, tmp_path):
    save("quick", MLP)
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "quick.yaml").write_text(HEADER + MLP)
    assert "experiment/quick.yaml: shipped by" in cli("-cd", str(tmp_path / "mine"), "experiment=quick").err


def test_callbacks_trainer_and_stages_take_new_keys(save, cli):
    save("quick", "trainer: {gradient_clip_val: 1.0}\ncallbacks: {a: {_target_: pytorch_lightning.callbacks.Timer}}\n")
    assert cli("check", "experiment=quick").code == 0
    save("staged", "defaults: [override /model: sda]\nrecipe: {stages: {finetune: {lr: 0.3}}}\n")
    assert cli("check", "experiment=staged").code == 0


def test_an_experiment_may_choose_the_launcher_and_hold_a_sweep(save, cli):
    save(
        "sweep",
        """
defaults: [override /hydra/launcher: joblib, override /model: logreg]
recipe: {max_epochs: 1}
hydra: {launcher: {n_jobs: 1}, sweeper: {params: {seed: '1,2'}}}
""",
    )
    result = cli("-m", "experiment=sweep")
    assert result.code == 0, result.err
    assert len(result.run_dirs) == 2
    assert sorted(OmegaConf.load(run / "config.yaml").seed for run in result.run_dirs) == [1, 2]
    assert "all with experiment=sweep" in result.out


def test_the_sweep_that_an_experiment_holds_is_checked(save, cli):
    path = save("sweep", "hydra: {sweeper: {params: {optimizer.lrr: '0.1,0.2', model: 'mlp,lenett'}}}\n")
    result = cli("-m", "experiment=sweep")
    assert (result.code, result.written) == (2, [])
    assert f"{path}: model=lenett: no model 'lenett'; did you mean 'lenet'?" in result.err
    assert f"{path}: optimizer.lrr=0.1: no such key; did you mean 'lr'?" in result.err


def test_experiments_can_be_swept_unless_they_set_what_holds_for_the_sweep(save, cli):
    save("one", "recipe: {max_epochs: 1}\n")
    save("two", "recipe: {max_epochs: 1}\nseed: 3\n")
    result = cli("-m", "experiment=one,two")
    assert [OmegaConf.load(run / "config.yaml").seed for run in result.run_dirs] == [1234, 3]
    path = save("three", "defaults: [override /hydra/launcher: joblib]\nhydra: {sweep: {dir: x}}\n")
    result = cli("-m", "experiment=one,three")
    assert result.code == 2
    assert f"{path}: hydra.sweep: has no effect in a sweep over experiments: choose one" in result.err
    assert f"{path}: override /hydra/launcher: has no effect" in result.err


def test_a_run_does_not_need_its_experiment_any_more(save, cli):
    path = save("quick", "recipe: {max_epochs: 1}\nseed: 3\n")
    run = cli("experiment=quick").run_dir
    path.write_text("seed: [")
    assert cli("reproduce", str(run)).code == 0
    path.unlink()
    assert cli("resume", str(run)).code == 0
    assert "experiment" not in OmegaConf.load(run / "config.yaml")
    assert yaml.safe_load((run / ".hydra" / "overrides.yaml").read_text()) == ["experiment=quick"]


def test_list_show_and_completion_know_experiments(save, cli, monkeypatch):
    path = save("quick", MLP)
    assert f"quick  DLPIPE_CONF {path.parents[1]}" in cli("list").out
    shown = cli("show", "quick").out
    assert str(path) in shown
    assert MLP in shown
    assert "nothing is called 'quikc'; did you mean 'quick'?" in cli("show", "quikc").err
    monkeypatch.setenv("COMP_LINE", "dlpipe experiment=q")
    assert cli("-sc", "query=bash").out.split() == ["experiment=quick"]
    monkeypatch.setenv("COMP_LINE", "dlpipe show qu")
    assert cli("-sc", "query=bash").out.split() == ["quick"]
    monkeypatch.delenv("DLPIPE_CONF")
    monkeypatch.setenv("COMP_LINE", f"dlpipe -cd {path.parents[1]} experiment=q")
    assert cli("-sc", "query=bash").out.split() == ["experiment=quick"]
    assert f"quick  --config-dir {path.parents[1]}" in cli("list", "-cd", str(path.parents[1])).out
    assert "no such folder" in cli("list", "-cd", "nowhere").err
