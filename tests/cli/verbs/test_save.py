"""``save``: overrides written as an experiment."""

import json

import pytest
import yaml
from omegaconf import OmegaConf

from dlpipe.runs.directory import read_provenance

ROUND_TRIPS = {
    "groups and values": ["model=mlp", "optimizer=adam", "optimizer.lr=0.01", "model.num_hidden=20", "seed=3"],
    "list, null and text": ["model=lenet", "optimizer=adam", "optimizer.betas=[0.8,0.9]", "recipe.patience=null"],
    "text that looks like a number": ["trainer.accelerator='1e3'", "recipe.lr=1e-3", "fused=false"],
    "a list of dicts": ["recipe.targets=[{dataset: mnist, metric: val/error, value: 0.1, source: 'a: b'}]"],
    "interpolation": ["model=rbm", "recipe.max_epochs=${seed}", "trainer.max_epochs=7"],
    "stages": ["model=sda", "recipe.stages.finetune.lr=0.3", "dataset=mnist"],
    "new keys": ["+trainer.gradient_clip_val=1.0", "+callbacks.timer={_target_: a.Timer, limits: {a: [1,2]}}"],
    "model with its own dataset": ["model=lstm", "dataset=imdb", "optimizer=sgd", "model.dropout=0.1"],
    "recipe of another model": ["model=lenet", "dataset=mnist", "recipe=mlp", "scheduler=step", "trainer=gpu"],
    "random search": ["model=rnn_slu", "random_search=rnn_slu", "recipe.lr=0.2"],
}


@pytest.mark.parametrize("overrides", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_the_experiment_gives_the_config_of_the_overrides(overrides, cli):
    saved = cli("save", "mine", *overrides)
    assert (saved.code, saved.written) == (0, ["conf", "conf/experiment", "conf/experiment/mine.yaml"]), saved.err
    assert saved.out.splitlines()[-1] == "  python -m dlpipe -cd conf experiment=mine"
    typed = cli(*overrides, "--cfg", "job")
    assert typed.code == 0
    assert cli("-cd", "conf", "experiment=mine", "--cfg", "job").out == typed.out


def test_settings_of_hydra_are_saved_too(cli):
    overrides = ["hydra.run.dir=a/b", "hydra/launcher=joblib", "hydra.launcher.n_jobs=1"]
    assert cli("save", "mine", *overrides).code == 0
    typed, saved = (cli(*words, "--cfg", "hydra").out for words in (overrides, ["-cd", "conf", "experiment=mine"]))
    for name in ("run", "launcher"):
        assert OmegaConf.create(typed).hydra[name] == OmegaConf.create(saved).hydra[name]


def test_the_file_is_an_experiment_as_hydra_documents_it(cli):
    result = cli("save", "mine", "model=mlp", "optimizer.lr=0.5")
    text = (result.folder / "conf/experiment/mine.yaml").read_text()
    assert text == "# @package _global_\ndefaults:\n- override /model: mlp\noptimizer:\n  lr: 0.5\n"


def test_an_experiment_is_saved_on_top_of_another(cli):
    cli("save", "mine", "model=mlp", "seed=3")
    result = cli("save", "more/next", "-cd", "conf", "experiment=mine", "optimizer=adam", "seed=4")
    assert result.code == 0, result.err
    both = cli("-cd", "conf", "experiment=more/next", "--cfg", "job").out
    assert both == cli("model=mlp", "optimizer=adam", "seed=4", "--cfg", "job").out


def test_the_folder_may_be_chosen_and_the_command_names_it_where_needed(cli, tmp_path, monkeypatch):
    result = cli("save", "mine", "--to", "my files", "seed=3")
    assert "python -m dlpipe -cd 'my files' experiment=mine" in result.out
    monkeypatch.setenv("DLPIPE_CONF", str(tmp_path))
    result = cli("save", "mine", "seed=3")
    assert result.out.splitlines()[-1] == "  python -m dlpipe experiment=mine"
    assert (tmp_path / "experiment/mine.yaml").is_file()
    assert cli("experiment=mine", "--cfg", "job").code == 0


def test_no_file_is_replaced_without_force(cli):
    cli("save", "mine", "seed=3")
    result = cli("save", "mine", "seed=4")
    file = result.folder / "conf/experiment/mine.yaml"
    assert result.code == 2
    assert "mine.yaml: exists; choose another name, or replace it with --force" in result.err
    assert "seed: 3" in file.read_text()
    assert cli("save", "mine", "seed=4", "--force").code == 0
    assert "seed: 4" in file.read_text()


REFUSED = {
    "nothing": ([], "save: give overrides, or the run that has them: --run RUN"),
    "unknown model": (["model=lenett"], "no model 'lenett'; did you mean 'lenet'?"),
    "unknown key": (["sede=3"], "sede=3: no such key; did you mean 'seed'?"),
    "type": (["seed=a"], "seed=a: must be a whole number"),
    "sweep": (["seed=1,2"], "several values are a sweep; leave it out, and write it after -m experiment=NAME"),
    "removal": (["~callbacks.patience"], "a file cannot remove an entry; leave it out, and write it after"),
    "log": (["hydra/job_logging=none"], "has no effect in an experiment; leave it out"),
    "itself": (["experiment=mine"], "would choose itself; save it under another name"),
    "not an override": (["seed"], "seed"),
}


@pytest.mark.parametrize(("overrides", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_saved_is_refused_and_nothing_written(overrides, message, cli):
    result = cli("save", "mine", *overrides)
    assert (result.code, result.out, result.written) == (2, "", [])
    assert message in result.err


@pytest.mark.parametrize("name", ["../mine", "/tmp/mine", "mine.yaml", "a b", "null", "3", "a,b", "", "mine/"])
def test_a_name_that_could_not_be_chosen_is_refused(name, cli):
    result = cli("save", name, "seed=3")
    assert (result.code, result.written) == (2, [])
    assert "is not a name; write letters, digits, _ and -, and / for a subfolder" in result.err


def test_a_name_that_another_folder_has_is_refused(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("DLPIPE_CONF", str(tmp_path))
    cli("save", "mine", "seed=3")
    result = cli("save", "mine", "seed=3", "--to", "other")
    assert result.code == 2
    assert "experiment/mine.yaml has this name; choose another" in result.err


def test_a_folder_that_cannot_be_written_is_named(cli, tmp_path):
    (tmp_path / "file").write_text("")
    result = cli("save", "mine", "seed=3", "--to", str(tmp_path / "file"))
    assert result.code == 2
    assert "mine.yaml cannot be written: Not a directory; choose another folder with --to" in result.err


@pytest.fixture
def stored(tmp_path):
    """A run's directory with the given overrides, as far as ``save`` reads it."""

    def write(overrides):
        (tmp_path / "run" / ".hydra").mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / "config.yaml").write_text("")
        (tmp_path / "run" / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(overrides))
        return str(tmp_path / "run")

    return write


def test_the_overrides_of_a_run_are_saved_without_its_paths(stored, cli):
    paths = ["init_from=/a", "dataset.directory=data", "resume=auto", "hydra.run.dir=x"]
    run = stored(["model=mlp", "dataset=mnist", "seed=3", *paths])
    result = cli("save", "mine", "--run", run, "seed=4")
    assert result.code == 0, result.err
    assert [line.partition("alone: ")[2] for line in result.out.splitlines()[:4]] == paths
    content = yaml.safe_load((result.folder / "conf/experiment/mine.yaml").read_text())
    assert content == {"defaults": [{"override /model": "mlp"}, {"override /dataset": "mnist"}], "seed": 4}


def test_a_finished_run_can_be_saved(cli):
    run = cli("model=logreg", "recipe.max_epochs=1", "seed=3").run_dir
    assert cli("save", "mine", "--run", str(run)).code == 0
    assert read_provenance(run)
    printed = cli("-cd", "conf", "experiment=mine", "--cfg", "job").out
    assert printed == cli("model=logreg", "recipe.max_epochs=1", "seed=3", "--cfg", "job").out


def test_a_run_that_was_changed_when_it_was_resumed_is_saved_with_the_changes(stored, cli, tmp_path):
    run = stored(["model=mlp", "recipe.max_epochs=1", "+trainer.profiler=simple"])
    changes = [["recipe.max_epochs=3", "trainer.profiler=advanced"], ["logger=tensorboard", "recipe.max_epochs=5"]]
    content = {"changes": [{"config": "", "overrides": overrides} for overrides in changes]}
    (tmp_path / "run" / "provenance.json").write_text(json.dumps(content))
    result = cli("save", "mine", "--run", run)
    assert result.code == 0, result.err
    content = yaml.safe_load((result.folder / "conf/experiment/mine.yaml").read_text())
    assert content == {
        "defaults": [{"override /model": "mlp"}, {"override /logger": "tensorboard"}],
        "trainer": {"profiler": "advanced"},
        "recipe": {"max_epochs": 5},
    }


def test_a_run_without_overrides_is_refused(stored, cli, tmp_path):
    assert "has no list of its overrides in .hydra/overrides.yaml" in cli("save", "mine", "--run", stored({})).err
    assert "has no list of its overrides" in cli("save", "mine", "--run", stored([1])).err
    result = cli("save", "mine", "--run", str(tmp_path))
    assert result.code == 2
    assert "is not a run's directory: it has no config.yaml" in result.err


def test_code_in_the_directory_of_a_run_is_not_saved(stored, cli, tmp_path, monkeypatch):
    run = stored(["+callbacks.evil={_target_: evil.Evil}"])
    (tmp_path / "run" / "evil.py").write_text("raise SystemExit(9)")
    monkeypatch.syspath_prepend(run)
    result = cli("save", "mine", "--run", run)
    assert (result.code, result.written) == (2, [])
    assert "its code lies in the run's directory" in result.err
