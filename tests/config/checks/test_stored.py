"""Untrusted or damaged files in a run's directory are read as data and checked before use."""

import json
import shutil
import subprocess

import pytest
import torch
import yaml

from dlpipe import DlpipeError, load
from dlpipe.cli.verbs import test as test_verb
from dlpipe.runs.config_file import read_config
from dlpipe.runs.directory import read_provenance, read_ranks, read_summary
from dlpipe.runs.provenance import _git_state


@pytest.fixture(scope="module")
def trained(run_of):
    """A short run; each test works on a copy."""
    return run_of("model=logreg", "recipe.max_epochs=1", "trainer.limit_train_batches=2")


@pytest.fixture
def run_dir(trained, cli):
    return shutil.copytree(trained, cli("--version").folder / "run")


@pytest.fixture
def changed(run_dir):
    """Change values of the run's config; ``...`` deletes a key, and ``a__b`` is the key a.b."""

    def change(**values):
        config = yaml.safe_load((run_dir / "config.yaml").read_text())
        for path, value in values.items():
            *above, key = path.split("__")
            node = config
            for name in above:
                node = node[name]
            if value is ...:
                del node[key]
            else:
                node[key] = value
        (run_dir / "config.yaml").write_text(yaml.safe_dump(config))
        return run_dir

    return change


UNREADABLE = {
    "not text": (b"model: \xff\n", "'utf-8' codec can't decode"),
    "not YAML": (b"model: [\n", "while parsing a flow"),
    "a tag": (b"model: !!python/object/apply:os.mkdir ['ran']\n", "could not determine a constructor for the tag"),
    "an alias": (b"a: &a [1]\nmodel: *a\n", r"it has an alias, \*name, which a run does not write"),
    "an interpolation": (
        b"model: ${oc.env:HOME}\n",
        r"it has an interpolation, \$\{name\}, which a run does not write",
    ),
    "an interpolation that is hidden": (b'model: "\\x24{oc.env:HOME}"\n', r"it has an interpolation"),
    "a key twice": (b"model: 1\nmodel: 2\n", "found duplicate key model"),
    "a null key": (b"model: {null: 1}\n", "Incompatible key type"),
    "depth": (b"model: " + b"[" * 3000 + b"]" * 3000, "maximum recursion depth"),
    "a number without end": (b"model: " + b"9" * 5000, "Exceeds the limit"),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_config_that_is_not_plain_yaml_is_refused(content, message, tmp_path):
    (tmp_path / "config.yaml").write_bytes(content)
    advice = r"Take a good copy; a checkpoint also stores the config: python -m dlpipe inspect .*last\.ckpt"
    with pytest.raises(DlpipeError, match=rf"config\.yaml cannot be read: .*{message}.*\. {advice}") as error:
        read_config(tmp_path)
    assert "\n" not in str(error.value)


def test_aliases_are_not_expanded(tmp_path):
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)), "model: *a9"]
    (tmp_path / "config.yaml").write_text("\n".join(lines))
    with pytest.raises(DlpipeError, match="it has an alias"):
        read_config(tmp_path)


@pytest.mark.parametrize("content", ["", "a: 1", "- 1", "text", "3"])
def test_config_without_a_model_is_refused(content, tmp_path):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(DlpipeError, match=r"config\.yaml (is not a run's config: it has no model|cannot be read)"):
        read_config(tmp_path)


WRONG = {
    "missing": ({"recipe__lr": "???"}, "  recipe.lr: has no value"),
    "node": ({"callbacks": 3}, "  callbacks=3: must be a mapping"),
    "stages": ({"stage_configs": [1]}, r"  stage_configs=\[1\]: must be a mapping"),
    "name": ({"model__name": 3}, "  model.name=3: must be the name of a model"),
    "no name": ({"dataset__name": ...}, "  dataset.name=None: must be the name of a dataset"),
    "directory": ({"output_dir": 3}, "  output_dir=3: must be a directory"),
    "type": ({"threads": "many"}, "  threads=many: must be a valid integer"),
    "range": ({"recipe__lr": -0.1}, r"  recipe.lr=-0.1: must be greater than 0"),
}


@pytest.mark.parametrize(("values", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("verb", ["test", "resume"])
def test_invalid_values_are_reported(values, message, verb, changed, cli):
    result = cli(verb, str(changed(**values)))
    assert result.code == 2
    assert f"{result.run_dir / 'config.yaml'} is not a run's config, or damaged:\n" in result.err
    assert "Take a good copy; a checkpoint also stores the config" in result.err
    with pytest.raises(DlpipeError, match=rf"(?m)^{message}"):
        read_config(result.run_dir)


def test_run_of_a_version_with_fewer_keys_can_be_evaluated(changed, cli):
    assert cli("test", str(changed(init_from=..., stages=..., max_chunk_batches=..., scheduler=...))).code == 0


def test_config_to_resume_or_reproduce_must_have_all_keys(changed, cli):
    run_dir = changed(max_chunk_batches=..., scheduler=...)
    for verb in ("resume", "reproduce"):
        (run_dir / "summary.json").unlink(missing_ok=verb == "reproduce")
        result = cli(verb, str(run_dir))
        assert result.code == 2
        lines = "  scheduler: is missing\n  max_chunk_batches: is missing\n"
        assert result.err == f"dlpipe: {run_dir / 'config.yaml'} cannot be used here:\n{lines}"


def test_config_to_resume_must_have_a_complete_recipe(changed, cli):
    run_dir = changed(recipe__lr=...)
    (run_dir / "summary.json").unlink()
    assert cli("resume", str(run_dir)).err.endswith("cannot be used here:\n  recipe.lr: is missing\n")


def test_evaluating_a_run_requires_model_and_dataset(changed, cli):
    result = cli("test", str(changed(dataset=...)))
    assert result.code == 2
    assert "cannot be used here:\n  dataset: is missing" in result.err


@pytest.mark.parametrize("verb", ["test", "predict", "figures", "reproduce"])
def test_options_that_the_model_does_not_take_are_reported(verb, changed, cli):
    result = cli(verb, str(changed(model__num_classes="ten", dataset__colour=1)))
    assert result.code == 2
    assert "  model.num_classes=ten: must be a valid integer" in result.err
    assert "  dataset.colour=1: no such argument; Digits takes" in result.err


def test_load_checks_the_config_first(changed):
    with pytest.raises(DlpipeError, match=r"cannot be used here:\n  model.num_classes=ten: must be a valid integer"):
        load(changed(model__num_classes="ten"))


def test_finished_run_is_not_resumed_even_if_its_config_is_invalid_here(changed, cli):
    run_dir = changed(trainer__devices=999)
    assert "nothing is left to train" in cli("resume", str(run_dir)).out
    (run_dir / "summary.json").unlink()
    result = cli("resume", str(run_dir))
    assert result.code == 2
    assert "cannot be used here:\n  trainer.devices=999: one process per device" in result.err


def test_stage_config_that_cannot_be_merged_is_reported(changed, cli):
    run_dir = changed(stage_configs={"pretrain": 3})
    (run_dir / "summary.json").unlink()
    assert "  stage_configs: " in cli("resume", str(run_dir)).err


def test_exception_of_a_model_is_reported_on_one_line_with_its_location(run_dir, cli, monkeypatch):
    def failing(*arguments):
        raise RuntimeError("of two\nlines")

    monkeypatch.setattr(test_verb, "read_finished", failing)
    result = cli("test", str(run_dir))
    assert result.code == 2
    place = f'{__file__}:{failing.__code__.co_firstlineno + 1}: raise RuntimeError("of two\\nlines")'
    advice = "Its model has an error, or its config or checkpoint has been changed"
    error = f"dlpipe: {run_dir} does not work: RuntimeError: of two lines ({place}). {advice}\n"
    assert result.err == error


def test_exception_of_a_resumed_model_is_reported_in_ten_lines_and_logged(changed, cli):
    run_dir = changed(trainer__max_epochs=3, model__num_classes=11)
    (run_dir / "summary.json").unlink()
    result = cli("resume", str(run_dir))
    assert result.code == 1
    lines = result.out.splitlines()[-10:]
    assert any(line.startswith("RuntimeError: Error(s) in loading state_dict") for line in lines)
    assert f"  {run_dir} does not work. Its model has an error, or its config or checkpoint has been changed" in lines
    assert lines[-1] == f"The full traceback is in {run_dir / 'dlpipe.log'}"
    assert "Traceback (most recent call last)" not in result.out
    assert "Traceback (most recent call last)" in (run_dir / "dlpipe.log").read_text()


@pytest.mark.parametrize(("content", "message"), [("{", "is damaged: Expecting"), ("3", "is damaged: it holds a int")])
def test_damaged_json_files_are_reported(content, message, tmp_path):
    for name, read in (("summary", read_summary), ("provenance", read_provenance), ("ranks", read_ranks)):
        (tmp_path / f"{name}.json").write_text(content)
        with pytest.raises(DlpipeError, match=rf"{name}\.json {message}.*; take a good copy"):
            read(tmp_path)


def test_summary_without_numbers_is_reported(run_dir, cli):
    summary = json.loads((run_dir / "summary.json").read_text())
    (run_dir / "summary.json").write_text(json.dumps({**summary, "test": {"test/error": "much"}}))
    result = cli("test", str(run_dir))
    assert result.code == 2
    assert "does not work: ValueError: could not convert string to float: 'much'" in result.err


@pytest.mark.parametrize("name", ["metrics.csv", "weights.safetensors"])
def test_missing_file_to_compare_is_reported_before_reproducing(run_dir, cli, tmp_path, name):
    other = shutil.copytree(run_dir, tmp_path / "other")
    (other / name).unlink()
    result = cli("reproduce", str(other))
    assert result.code == 2
    error = f"dlpipe: {other} has no {name} to compare with; take a whole copy of the run\n"
    assert result.err == error
    if name == "weights.safetensors":
        (other / name).write_bytes(b"nonsense")
        assert f"{other / name} cannot be read: " in cli("reproduce", str(other)).err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other"]


def test_checkpoint_with_an_invalid_dlpipe_entry_is_reported(tmp_path, cli):
    torch.save({"dlpipe": 3}, tmp_path / "other.ckpt")
    result = cli("inspect", str(tmp_path / "other.ckpt"))
    assert result.code == 2
    assert f"{tmp_path / 'other.ckpt'} is damaged, or no checkpoint: AttributeError: 'int' object has" in result.err
    assert result.out == ""


@pytest.mark.parametrize("place", ["beside", "inside"])
def test_code_in_the_runs_own_directory_is_not_imported(place, changed, cli, tmp_path, monkeypatch):
    """The working directory is on Python's path, where the run directory is a namespace package."""
    path = {"beside": "run.evil.Evil", "inside": "evil.Evil"}[place]
    run_dir = changed(callbacks__evil={"_target_": path})
    (run_dir / "evil.py").write_text("raise SystemExit('evil was imported')")
    (run_dir / "summary.json").rename(run_dir / "kept.json")
    monkeypatch.syspath_prepend(str(run_dir.parent if place == "beside" else run_dir))
    resumed = cli("resume", str(run_dir))
    (run_dir / "kept.json").rename(run_dir / "summary.json")
    for result in (resumed, cli("reproduce", str(run_dir))):
        assert result.code == 2
        message = "its code lies in the run's directory, where anybody may have put it; move it elsewhere"
        assert f"  callbacks.evil._target_={path}: {message}" in result.err


def test_a_repository_in_the_runs_own_directory_runs_nothing(run_dir, cli, monkeypatch):
    for command in (["init", "-q"], ["config", "core.fsmonitor", f"touch {run_dir / 'ran'}; false"]):
        subprocess.run(["git", *command], cwd=run_dir, check=True)
    subprocess.run(["git", "-c", "core.fsmonitor=", "add", "config.yaml"], cwd=run_dir, check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *author, "-c", "core.fsmonitor=", "commit", "-qm", "a"], cwd=run_dir, check=True)
    (run_dir / "ran").unlink(missing_ok=True)
    monkeypatch.chdir(run_dir)
    assert _git_state(run_dir) is None
    assert _git_state(run_dir.parent / "other") is not None
    assert not (run_dir / "ran").exists()


def test_a_lock_that_is_a_link_is_not_followed(run_dir, cli, tmp_path):
    (tmp_path / "precious").write_text("content")
    (run_dir / ".lock").unlink()
    (run_dir / ".lock").symlink_to(tmp_path / "precious")
    result = cli("resume", str(run_dir))
    assert f"{run_dir / '.lock'} is a symlink to {tmp_path / 'precious'}; refusing to follow it" in result.err
    assert (tmp_path / "precious").read_text() == "content"
