"""A run whose config is changed when it is resumed: what may change, what is refused, and that the bits are right."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

import dlpipe
from dlpipe.runs.config_file import read_config, read_original_config
from dlpipe.runs.directory import read_provenance
from dlpipe.training import run as run_module
from dlpipe.training.callbacks.console_reporter import ConsoleReporter
from dlpipe.training.resume.changes import MAY_CHANGE

LOGREG = ("model=logreg", "recipe.lr=0.3")
SHORT = ("recipe.max_epochs=2",)


class KilledError(BaseException):
    """In place of a signal that nothing can catch."""


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Make each run once in this process; a test gets a copy of its own."""
    runs = {}

    def made(cli, *overrides):
        if overrides not in runs:
            folder = tmp_path_factory.mktemp("runs") / "run"
            result = cli(*overrides, f"hydra.run.dir={folder}")
            assert result.code == 0, result.err
            runs[overrides] = folder
        return shutil.copytree(runs[overrides], tmp_path_factory.mktemp("copy") / "run")

    return made


def same(one, other):
    for name in ("metrics.csv", "weights.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    summaries = [json.loads((run / "summary.json").read_text()) for run in (one, other)]
    for name in ("status", "stopped_by", "epochs", "updates", "best", "test", "evaluated"):
        assert summaries[0][name] == summaries[1][name]


def files(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def interrupt(run):
    """As if it had been killed before its test."""
    (run / "summary.json").unlink()
    return run


def test_a_finished_run_trains_on_as_if_it_had_been_asked_so_from_the_start(cli, make):
    run, whole = make(cli, *LOGREG, *SHORT), make(cli, *LOGREG, "recipe.max_epochs=4")
    original = (run / "config.yaml").read_bytes()
    result = cli("resume", "recipe.max_epochs=4", str(run))
    assert result.code == 0, result.err
    same(run, whole)
    assert (run / "config.yaml").read_bytes() == original
    (change,) = read_provenance(run)["changes"]
    assert change["overrides"] == ["recipe.max_epochs=4"]
    assert change["values"] == [{"key": f"{node}.max_epochs", "old": 2, "new": 4} for node in ("recipe", "trainer")]
    assert read_config(run).trainer.max_epochs == 4
    assert read_original_config(run).trainer.max_epochs == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("recipe.patience=50",), ("recipe.patience=60",)),
        (("trainer.max_steps=30",), ("trainer.max_steps=50",)),
        (("recipe.patience=50",), ("recipe.patience=null",)),
    ],
)
def test_a_run_that_ended_in_mid_epoch_trains_the_rest_of_it(cli, make, before, after):
    words = (*LOGREG, "recipe.max_epochs=5")
    patience = ("recipe.patience_increase=1", "recipe.improvement_threshold=0.1")
    # nothing would read them without patience
    also = () if after == ("recipe.patience=null",) else patience
    run, whole = make(cli, *words, *patience, *before), make(cli, *words, *also, *after)
    updates = json.loads((run / "summary.json").read_text())["updates"]
    assert updates % 22
    assert cli("resume", str(run), *after).code == 0
    same(run, whole)
    assert json.loads((whole / "summary.json").read_text())["updates"] > updates


def test_an_interrupted_run_is_resumed_with_a_longer_length(cli, make, monkeypatch, tmp_path):
    whole = make(cli, *LOGREG, "recipe.max_epochs=4", "callbacks.checkpoints.every_n_updates=7")

    def killed(*arguments):
        raise KilledError

    run, words = tmp_path / "run", (*LOGREG, "callbacks.checkpoints.every_n_updates=7")
    with monkeypatch.context() as killing:
        killing.setattr(ConsoleReporter, "on_train_epoch_end", killed)
        with pytest.raises(KilledError):
            cli(*words, *SHORT, "try_one_batch=false", f"hydra.run.dir={run}")
    assert cli("resume", str(run), "recipe.max_epochs=4").code == 0
    same(run, whole)
    before_its_test = interrupt(make(cli, *words, *SHORT))
    assert cli("resume", str(before_its_test), "recipe.max_epochs=4").code == 0
    same(before_its_test, whole)


def test_without_a_longer_length_a_finished_run_is_left_as_it_is(cli, make):
    run = make(cli, *LOGREG, *SHORT)
    before = files(run)
    for change in ("threads=2", "recipe.patience=100000", "recipe.max_epochs=2", "logger=wandb"):
        result = cli("resume", str(run), change)
        assert result.code == 0
        assert f"{run} is finished: nothing is left to train" in result.out
    assert files(run) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("recipe.max_epochs=1", "max_epochs=1: 2 epochs have been trained; choose at least 2"),
        ("trainer.max_steps=10", "max_steps=10: 44 updates have been made; choose at least 44"),
        ("recipe.patience=10", "patience=10: it was 800, and validations are judged by it; it can only be raised"),
        ("recipe.lr=0.1", "recipe.lr=0.1: is 0.3 in this run, and the updates so far were made with it"),
        ("recipe.batch_size=10", "recipe.batch_size=10: is 50 in this run, and the order of the data depends on it"),
        ("recipe.shuffle=false", "recipe.shuffle=false: is true in this run, and the order of the data depends on it"),
        ("seed=1", "seed=1: is 1234 in this run, and the initial weights and the order of the data depend on it"),
        ("optimizer=adam", "optimizer._target_=torch.optim.Adam: is torch.optim.SGD in this run, and the updates"),
        ("model=mlp", "model.name=mlp: is logreg in this run, and the weights so far are those of this model"),
        ("scheduler=step", "scheduler.step_size=10: is not there in this run, and the LR scheduler has used it"),
        ("callbacks.patience.mode=max", "only other callbacks can be added or removed"),
        ("~callbacks.checkpoints", "only other callbacks can be added or removed"),
        ("+trainer.log_every_n_steps=3", "trainer.log_every_n_steps=3: is not there in this run, and it cannot change"),
        ("hydra.run.dir=x", "hydra.run.dir=x: Hydra has set up this run already"),
        ("recipe.max_epoch=3", "recipe.max_epoch=3: no such key; did you mean 'max_epochs'?"),
        ("lr=0.1", "lr=0.1: no such key"),
        ("threads=two", "threads=two: must be a whole number"),
        ("+callbacks.x._target_=acme.Nothing", "acme.Nothing"),
        ("recipe.max_epochs=4,5", "several values are a sweep"),
    ],
)
def test_what_cannot_change_any_more_is_refused_and_nothing_is_written(cli, make, change, message):
    run = make(cli, *LOGREG, *SHORT)
    before = files(run)
    result = cli("resume", str(run), change)
    assert result.code == 2, result.out
    assert message in result.err
    assert files(run) == before


def test_a_schedule_that_reads_the_length_refuses_another_unless_it_keeps_its_own(cli, make):
    run = make(cli, *LOGREG, *SHORT, "scheduler=cosine")
    result = cli("resume", str(run), "recipe.max_epochs=3")
    assert result.code == 2
    assert "scheduler.T_max=3: is 2 in this run, and the LR scheduler has used it since the first step" in result.err
    assert cli("resume", str(run), "recipe.max_epochs=3", "scheduler.T_max=2").code == 0
    assert json.loads((run / "summary.json").read_text())["epochs"] == 3


def test_a_second_change_follows_the_first_and_plain_commands_use_both(cli, make):
    run = make(cli, *LOGREG, *SHORT)
    assert cli("resume", str(run), "recipe.max_epochs=3").code == 0
    assert (
        cli("resume", str(run), "recipe.max_epochs=4", "+callbacks.lr._target_=pytorch_lightning.callbacks.Timer").code
        == 0
    )
    same(run, make(cli, *LOGREG, "recipe.max_epochs=4"))
    assert [change["overrides"][0] for change in read_provenance(run)["changes"]] == [
        "recipe.max_epochs=3",
        "recipe.max_epochs=4",
    ]
    assert "callbacks.lr" not in (run / "config.yaml").read_text()
    assert read_config(run).callbacks.lr._target_ == "pytorch_lightning.callbacks.Timer"
    assert cli("test", str(run)).code == 0
    assert cli("figures", str(run)).code == 0
    dlpipe.load(run)
    moved = shutil.move(run, run.with_name("moved"))
    assert cli("resume", str(moved), "recipe.max_epochs=5", "~callbacks.lr").code == 0
    same(Path(moved), make(cli, *LOGREG, "recipe.max_epochs=5"))


def test_a_lengthened_run_is_reproduced_to_the_last_bit(cli, make):
    run = make(cli, *LOGREG, *SHORT)
    assert cli("resume", str(run), "recipe.max_epochs=3").code == 0
    assert cli("reproduce", str(run)).code == 0


def test_a_kill_before_or_after_the_change_is_recorded_leaves_a_run_that_can_be_resumed(cli, make, monkeypatch):
    def killed(*arguments, **keywords):
        raise KilledError

    for name, epochs in (("note_resumption", 2), ("_train_on_all_devices", 4)):
        run = make(cli, *LOGREG, *SHORT)
        with monkeypatch.context() as killing:
            killing.setattr(run_module, name, killed)
            with pytest.raises(KilledError):
                cli("resume", str(run), "recipe.max_epochs=4")
        assert cli("resume", str(run)).code == 0
        same(run, make(cli, *LOGREG, f"recipe.max_epochs={epochs}"))


def test_auto_compares_with_the_original_request_and_trains_the_changed_one(cli, make):
    words = (*LOGREG, *SHORT, "hydra.run.dir=auto", "resume=auto")
    run = cli(*words).run_dir
    assert cli("resume", str(run), "recipe.max_epochs=4").code == 0
    same(run, make(cli, *LOGREG, "recipe.max_epochs=4"))
    assert "is finished: nothing is left to train" in cli(*words).out
    interrupt(run)
    (run / "checkpoints" / "last.ckpt").unlink()
    assert cli(*words).code == 0
    same(run, make(cli, *LOGREG, "recipe.max_epochs=4"))
    other = cli(*words, "recipe.lr=0.2")
    assert other.code == 1
    assert "holds another run: optimizer.lr (0.3, asked for 0.2), recipe.lr (0.3, asked for 0.2). Ask" in other.out


def test_a_logger_that_is_added_has_the_rows_from_then_on(cli, make):
    run = make(cli, *LOGREG, *SHORT)
    more = f"+logger.more={{_target_: dlpipe.training.loggers.csv.MetricsCsv, path: {run}/more.csv}}"
    result = cli("resume", str(run), "recipe.max_epochs=4", more)
    assert result.code == 0, result.err
    same(run, make(cli, *LOGREG, "recipe.max_epochs=4"))
    assert len((run / "more.csv").read_text().splitlines()) == 1 + 2 + 1
    interrupt(run)
    assert cli("resume", str(run), "~logger.csv").code == 0
    assert len((run / "more.csv").read_text().splitlines()) == 1 + 2 + 1


def test_what_is_typed_now_is_trusted_and_what_is_stored_is_not(cli, make, tmp_path):
    run = make(cli, *LOGREG, *SHORT)
    outside = f"+logger.more={{_target_: dlpipe.training.loggers.csv.MetricsCsv, path: {tmp_path}/more.csv}}"
    assert cli("resume", str(run), "recipe.max_epochs=3", outside).code == 0
    again = cli("resume", str(run), "recipe.max_epochs=4")
    assert again.code == 2
    assert f"logger.more.path={tmp_path}/more.csv: lies outside of the run's directory" in again.err
    assert cli("resume", str(run), "recipe.max_epochs=4", "--trust").code == 0


def test_stored_overrides_of_hydra_are_not_composed(cli, make, tmp_path):
    run = make(cli, *LOGREG, *SHORT)
    stored = read_provenance(run)
    stored["overrides"].append("hydra.searchpath=[pkg://antigravity]")
    (run / "provenance.json").write_text(json.dumps(stored))
    assert cli("resume", str(run), "recipe.max_epochs=3").code == 0


@pytest.mark.parametrize(("precision", "code"), [("64-true", 0), ("bf16-mixed", 0)])
def test_another_precision_works_with_a_warning(cli, make, precision, code):
    run = make(cli, *LOGREG, *SHORT)
    result = cli("resume", str(run), "recipe.max_epochs=3", f"trainer.precision={precision}")
    assert result.code == code, result.err
    assert f"trainer.precision was 32-true and is {precision}: the run ends in other numbers" in result.out
    assert cli("test", str(run)).code == 0


@pytest.mark.slow
def test_other_devices_work_from_mid_epoch_with_a_warning(cli, make):
    words = (*LOGREG, "recipe.max_epochs=2", "trainer.max_steps=33", "recipe.patience=null")
    run = make(cli, *words)
    result = cli("resume", str(run), "trainer.max_steps=-1", "trainer=ddp", "trainer.accelerator=cpu")
    assert result.code == 0, result.err + result.out
    assert "trainer.devices was 1 and is 2: a minibatch has recipe.batch_size examples for each process" in result.out
    # 11 minibatches of 50 are 5.5 of 100; the sixth is trained whole: 6 updates
    assert json.loads((run / "summary.json").read_text())["updates"] == 33 + 6
    assert len(json.loads((run / "ranks.json").read_text())) == 2
    back = cli("resume", str(run), "recipe.max_epochs=3", "trainer.devices=1", "trainer.strategy=auto")
    assert back.code == 0, back.err + back.out
    assert json.loads((run / "summary.json").read_text())["updates"] == 33 + 6 + 22
    assert not (run / "ranks.json").exists()


def test_of_a_model_with_stages_only_stages_that_have_not_finished_may_be_made_longer(cli, make):
    sda = (
        "model=sda",
        "model.hidden_sizes=[5]",
        "model.corruption=[0.1]",
        "recipe.batch_size=50",
        "recipe.patience=null",
    )
    words = (*sda, "recipe.stages.pretrain.max_epochs=1")
    run, whole = make(cli, *words, "recipe.max_epochs=1"), make(cli, *words, "recipe.max_epochs=2")
    before = files(run)
    result = cli("resume", str(run), "recipe.stages.pretrain.max_epochs=2")
    assert result.code == 2
    assert "pretrain/0: this stage has finished; only the length of later ones may change" in result.err
    assert files(run) == before
    assert cli("resume", str(run), "recipe.max_epochs=2").code == 0
    same(run, whole)


def test_a_run_whose_overrides_compose_no_more_is_refused(cli, make):
    run = make(cli, *LOGREG, *SHORT)
    stored = read_provenance(run)
    for text, message in (
        ("model=gone", "its own overrides cannot be composed any more"),
        ("model=mlp", "the overrides in its provenance give model.name=mlp, and it has logreg"),
    ):
        (run / "provenance.json").write_text(json.dumps(stored | {"overrides": [text]}))
        result = cli("resume", str(run), "recipe.max_epochs=3")
        assert result.code == 2
        assert message in result.err


def test_a_folder_of_yaml_is_given_again(cli, make, tmp_path):
    (tmp_path / "logger").mkdir()
    (tmp_path / "logger" / "mine.yaml").write_text(yaml.safe_dump({"defaults": ["csv", "_self_"]}))
    run = cli(*LOGREG, *SHORT, "logger=mine", "-cd", str(tmp_path)).run_dir
    result = cli("resume", str(run), "recipe.max_epochs=3")
    assert result.code == 2
    assert "if it was started with -cd FOLDER, add that" in result.err
    assert cli("resume", str(run), "recipe.max_epochs=3", "-cd", str(tmp_path)).code == 0


def test_damaged_changes_are_refused(cli, make):
    run = make(cli, *LOGREG, *SHORT)
    stored = read_provenance(run)
    for changes in ({}, [1], [{"config": 3, "overrides": []}], [{"config": "", "overrides": [2]}]):
        (run / "provenance.json").write_text(json.dumps(stored | {"changes": changes}))
        if changes:
            result = cli("resume", str(run))
            assert result.code == 2
            assert "provenance.json is damaged: its changes have no config; take a good copy" in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["recipe.max_epochs=3"], "takes one RUN, and overrides as key=value; there is none"),
        (["one", "two"], "takes one RUN, and overrides as key=value; there are one, two"),
    ],
)
def test_a_resumption_takes_one_run(cli, words, message):
    result = cli("resume", *words)
    assert result.code == 2
    assert message in result.err


def test_the_docs_list_what_may_change():
    page = (Path(__file__).parents[3] / "docs" / "resume.md").read_text()
    table = page.split("## Change your mind\n")[1].split("\n## ")[0]
    listed = {
        key for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for key in re.findall(r"`([\w.]+)`", row)
    }
    assert listed == MAY_CHANGE.keys()
