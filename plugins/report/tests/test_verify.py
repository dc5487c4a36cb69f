"""The verb that runs a recipe and compares its result with the published numbers."""

import functools

import pytest
import yaml

from .written_run import write_run

TARGETS = {
    "easy": [{"dataset": "digits", "metric": "val/error", "value": 0.99, "source": "a paper"}],
    "hard": [
        {"dataset": "digits", "metric": "val/error", "value": 0.99, "source": "a paper"},
        {"dataset": "digits", "metric": "test/error", "value": 0.0, "source": "a paper"},
        {"dataset": "digits", "metric": "test/f1", "value": 0.5, "source": "a paper", "mode": "max"},
    ],
    "elsewhere": [{"dataset": "mnist", "metric": "val/error", "value": 0.5, "source": "a paper"}],
}


@pytest.fixture
def run(tmp_path):
    return functools.partial(write_run, tmp_path)


@pytest.fixture
def experiments(tmp_path):
    """A folder of experiments that train an epoch, each with targets."""
    folder = tmp_path / "mine"
    (folder / "experiment").mkdir(parents=True)
    for name, targets in TARGETS.items():
        values = {"recipe": {"max_epochs": 1, "targets": targets}}
        text = "# @package _global_\n" + yaml.safe_dump({"defaults": [{"override /model": "logreg"}], **values})
        (folder / "experiment" / f"{name}.yaml").write_text(text)
    return str(folder)


def test_a_target_that_is_reached_ends_with_code_0(experiments, cli):
    result = cli("verify", "experiment=easy", "-cd", experiments)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == "model=logreg dataset=digits: importing PyTorch and checking the request"
    assert lines[-2].startswith("run directory: ")
    assert lines[-1].startswith("reached: validation error ")
    assert lines[-1].endswith(" %; published 99.000000 % (a paper)")
    assert result.run_dir.is_relative_to(result.folder / "outputs")


def test_a_target_that_is_not_reached_ends_with_code_3_also_without_training_again(experiments, cli):
    result = cli("verify", "experiment=hard", "-cd", experiments)
    assert result.code == 3, result.err
    verdicts = result.out.splitlines()[-3:]
    assert [line.partition(":")[0] for line in verdicts] == ["reached", "not reached", "not reached"]
    assert verdicts[2] == "not reached: the run has no such metric; published 0.500000 (a paper)"
    for name in ("last", str(result.run_dir)):
        again = cli("verify", name)
        assert (again.code, again.out.splitlines(), len(again.run_dirs)) == (3, verdicts, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["experiment=elsewhere"],
            "no published number for model=logreg dataset=digits; there are some for dataset=mnist",
        ),
        (["model=da"], "the recipe of da has no targets: no number was published for it"),
        (["model=logregg"], "logregg"),
        (["optimizer.lrr=1", "model=logreg"], "optimizer.lrr"),
        (["hydra.job.name=x", "model=logreg", "dataset=mnist"], "is for Hydra's command line"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_cannot_be_verified_is_refused_before_training(words, message, experiments, cli):
    result = cli("verify", "-cd", experiments, *words)
    assert (result.code, result.written) == (2, [])
    assert message in result.err


def test_without_a_dataset_the_one_with_published_numbers_is_taken(cli, monkeypatch):
    asked = []
    monkeypatch.setattr("dlpipe.run", lambda *overrides, **options: asked.append(overrides) or exit(7), raising=False)
    assert cli("verify", "model=logreg").code == 7
    assert asked == [("model=logreg", "dataset=mnist")]


def test_a_run_that_a_signal_stops_ends_with_its_code(cli, monkeypatch):
    def stopped(*overrides, **options):
        raise KeyboardInterrupt("saved a checkpoint") from SystemExit(128 + 15)

    monkeypatch.setattr("dlpipe.run", stopped, raising=False)
    assert cli("verify", "model=logreg").code == 143


def test_a_run_that_fails_ends_with_code_1(experiments, cli):
    result = cli("verify", "experiment=easy", "-cd", experiments, "optimizer.lr=1e38")
    assert result.code == 1
    assert result.err.startswith("dlpipe: ")


def test_a_run_without_targets_or_that_is_training_is_refused(run, cli):
    for path, message in (
        (run("a"), "the recipe of mlp has no targets"),
        (run("b", summary=None), "is not a finished run: unfinished"),
    ):
        result = cli("verify", str(path))
        assert result.code == 2
        assert message in result.err


def test_a_run_that_does_not_exist_is_named_with_what_is_allowed(cli):
    result = cli("verify", "outputs/gone")
    assert result.code == 2
    assert "outputs/gone: neither an override nor a directory; give overrides, such as model=logreg, or" in result.err


def test_more_than_one_run_is_refused(run, cli):
    result = cli("verify", str(run("a")), str(run("b")))
    assert result.code == 2
    assert "a: not an override; give overrides, such as model=logreg, or the directory of one run" in result.err
