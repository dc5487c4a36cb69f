"""What users of Hydra and Lightning type from habit works, or is refused with the line to type instead."""

import logging

import pytest
import torch

from dlpipe.cli.type_words import type_in_words


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("++trainer.profiler=simple", "  profiler: simple"),
        ("++trainer.max_epochs=3", "  max_epochs: 3"),
        ("++callbacks.mine._target_=my.Callback", "    _target_: my.Callback"),
        ("++seed=3", "seed: 3"),
    ],
)
def test_two_plus_signs_override_a_key_or_add_it(typed, line, cli):
    result = cli(typed, "--cfg", "job")
    assert result.code == 0, result.err
    assert line in result.out.splitlines()


def test_two_plus_signs_before_a_group_are_refused_with_the_override_to_type(cli):
    result = cli("++model=lenet")
    assert result.code == 2
    assert "++model=lenet: model is always there; write model=lenet" in result.err


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("train model=lenet", "model=lenet"),
        ("lenet", "model=lenet"),
        ("fit lenet mnist adam", "model=lenet dataset=mnist optimizer=adam"),
        ("--model lenet", "model=lenet"),
        ("--model=lenet --seed 3", "model=lenet seed=3"),
        ("model=lenet lr=0.1", "model=lenet recipe.lr=0.1"),
        ("lr=0.1 optimizer=adam", "optimizer.lr=0.1 optimizer=adam"),
        ("--learning-rate 0.1", "recipe.lr=0.1"),
        ("-m lr=0.1,0.2", "-m recipe.lr=0.1,0.2"),
        ("epochs=3", "recipe.max_epochs=3"),
        ("max_epochs=3", "recipe.max_epochs=3"),
        ("--batch-size 32", "recipe.batch_size=32"),
        ("model=mlp num_hidden=3", "model=mlp model.num_hidden=3"),
        ("dataset mnist", "dataset=mnist"),
        ("gpus=1", "trainer=gpu trainer.devices=1"),
        ("trainer=ddp --gpus 2", "trainer=ddp trainer.devices=2"),
        ("devices=2", "trainer.devices=2"),
        ("check lenet epochs=3", "check model=lenet recipe.max_epochs=3"),
    ],
)
def test_words_that_are_no_overrides_are_refused_with_the_whole_line_to_type(typed, line, cli):
    result = cli(*typed.split())
    assert (result.code, result.out, result.written) == (2, "", [])
    assert result.err.startswith("dlpipe: 1 problem in this request; nothing was run or written:\n")
    assert result.err.splitlines()[-1].strip() == f"python -m dlpipe {line}"


def test_the_other_problems_of_a_line_that_is_corrected_are_reported_with_it(cli):
    result = cli("train", "--model", "lenett", "lr=0.1", "recipe.foo=1")
    assert "    python -m dlpipe model=lenett recipe.lr=0.1 recipe.foo=1\n" in result.err
    assert "model=lenett: no model 'lenett'" in result.err
    assert "recipe.foo=1: no such key" in result.err


@pytest.mark.parametrize("typed", ["foo=1", "--foo 1", "foo", "recipe.foo=1", "--multirunn", "model=lenett"])
def test_a_line_is_not_corrected_to_something_that_does_not_exist(typed, cli):
    result = cli(*typed.split())
    assert result.code == 2
    assert "; type" not in result.err


def test_a_misspelt_verb_is_one_problem_whatever_its_arguments(cli):
    result = cli("reprot", "last")
    assert result.code == 2
    assert "1 problem in this request" in result.err
    assert "reprot: neither a verb nor an override; did you mean 'report'?" in result.err


def test_a_word_of_another_program_alone_is_refused_with_the_verbs(cli):
    result = cli("run")
    assert result.code == 2
    assert "run: neither a verb nor an override; did you mean 'runs'?" in result.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--info"], ["Config search path", "Defaults List"]),
        (["--info", "model=lenet"], ["Config search path"]),
        (["-i", "defaults", "model=lenet"], ["Defaults List", "recipe_for/lenet/digits"]),
        (["--info=searchpath"], ["dlpipe-supervised"]),
        (["--run", "--cfg", "job", "--package", "recipe"], ["batch_size: 50"]),
        (["--cfg", "job", "--resolve"], ["max_epochs: 50"]),
        (["--hydra-help"], ["--multirun"]),
    ],
    ids=" ".join,
)
def test_flags_of_hydra_that_print_something_work(flags, words, cli):
    result = cli(*flags)
    assert (result.code, result.written) == (0, []), result.err
    for word in words:
        assert word in result.out


@pytest.mark.parametrize("typed", ["", "help", "--help", "-h", "help me"])
def test_no_arguments_and_help_print_the_help(typed, cli):
    result = cli(*typed.split())
    assert (result.code, result.err, result.written) == (0, "", [])
    assert "train and test a model" in result.out


@pytest.mark.parametrize("typed", ["help predict", "--help predict", "-h predict", "predict --help", "predict -h"])
def test_help_of_a_verb_is_printed_whichever_comes_first(typed, cli):
    result = cli(*typed.split())
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("usage: python -m dlpipe predict")


def test_show_composes_the_model_with_the_overrides(cli):
    alone, on_mnist = cli("show", "lenet").out, cli("show", "lenet", "dataset=mnist").out
    assert "recipe on dataset=digits" in alone
    assert "recipe on dataset=mnist" in on_mnist
    assert "recipe.batch_size=20" in alone
    assert "recipe.batch_size=500" in on_mnist


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("lenet mnist", "lenet dataset=mnist"),
        ("lenet lr=0.1", "lenet recipe.lr=0.1"),
        ("mnist lenet", "mnist model=lenet"),
        ("adam lr=0.1", "adam optimizer.lr=0.1"),
        ("lenet --dataset mnist", "lenet dataset=mnist"),
    ],
)
def test_show_corrects_words_that_are_no_overrides(typed, line, cli):
    result = cli("show", *typed.split())
    assert (result.code, result.written) == (2, [])
    assert result.err.splitlines()[-1].strip() == f"python -m dlpipe show {line}"


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("save mine --model mlp seed=3", "save mine model=mlp seed=3"),
        ("resume . --max-epochs 9", "resume . recipe.max_epochs=9"),
    ],
)
def test_flags_after_a_verb_are_corrected_as_those_of_a_run(typed, line, cli):
    result = cli(*typed.split())
    assert (result.code, result.written) == (2, [])
    assert result.err.splitlines()[-1].strip() == f"python -m dlpipe {line}"


@pytest.mark.parametrize("flag", ["-cd", "--config-dir"])
def test_a_folder_of_ones_own_yaml_may_stand_before_the_verb_as_before_a_run(flag, cli, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 7\n")
    result = cli(flag, str(tmp_path), "show", "mine")
    assert (result.code, result.err) == (0, "")
    assert "seed: 7" in result.out
    refused = cli(flag, str(tmp_path), "test", "run")
    assert f"test: unrecognized arguments: {flag} {tmp_path}; usage: python -m dlpipe test RUN" in refused.err


def test_show_refuses_an_override_that_a_run_would_refuse(cli):
    result = cli("show", "lenet", "model.num_hiden=3")
    assert result.code == 2
    assert "did you mean 'num_hidden'?" in result.err


@pytest.mark.parametrize("dataset", ["atis", "moves"])
def test_show_describes_a_dataset_that_the_default_model_does_not_fit(dataset, cli):
    result = cli("show", dataset)
    assert result.code == 0, result.err
    assert "dataset.batch_size=" in result.out


def test_show_gives_the_types_of_options_in_words(cli):
    out = cli("show", "lenet").out
    assert "model.num_hidden=500           whole number above 0\n" in out
    assert "model.num_maps=[20, 50]        list of whole numbers above 0, 2 of them\n" in out
    assert "Annotated" not in out


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("int", "whole number"),
        ("str | None", "text or null"),
        ("bool", "true or false"),
        ("list[int]", "list of whole numbers"),
        ("Annotated[int, Gt(gt=0)]", "whole number above 0"),
        ("Annotated[float, Field(ge=0, lt=1)]", "number from 0 below 1"),
        ("Literal['a', 'b']", "a or b"),
        ("torch.Tensor", "torch.Tensor"),
        ("", ""),
    ],
)
def test_a_type_is_told_in_words(annotation, words):
    assert type_in_words(annotation) == words


def checkpoint_lines(cli, *flags):
    content = {
        "state_dict": {"output.weight": torch.zeros(10, 3), "output.bias": torch.zeros(10)},
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.zeros(3)}}}],
        "global_step": 4,
        "epoch": 2,
    }
    folder = cli("help").folder
    torch.save(content, folder / "a.ckpt")
    return cli("inspect", "a.ckpt", *flags).out.splitlines()


def test_inspect_shows_the_weights_first_with_their_total(cli):
    lines = checkpoint_lines(cli)
    assert lines[:3] == [
        "weights: 40 numbers in 2 tensors",
        "  output.weight  10x3  float32",
        "  output.bias    10    float32",
    ]
    assert "momentum_buffer" not in "".join(lines)
    assert "after 4 updates and 2 whole epochs" in lines
    assert "1 other tensor, such as those of the optimizer: --all shows them" in lines


def test_inspect_of_a_run_names_the_checkpoint_to_inspect(cli):
    result = cli("inspect", ".")
    assert result.code == 2
    assert ". is a folder; name a checkpoint in it, such as checkpoints/best.ckpt" in result.err


def test_inspect_shows_optimizer_states_when_asked_for_all(cli):
    assert "  optimizer_states.0.state.0.momentum_buffer  3  float32" in checkpoint_lines(cli, "--all")


@pytest.mark.parametrize("propagates", [True, False])  # False: Lightning was imported before logging was set up
def test_the_simple_profiler_prints_its_table_and_logs_it(propagates, cli, monkeypatch):
    monkeypatch.setattr(logging.getLogger("pytorch_lightning"), "propagate", propagates)
    result = cli("model=logreg", "recipe.max_epochs=1", "+trainer.profiler=simple")
    assert result.code == 0, result.err
    assert "FIT Profiler Report" in result.out
    assert "run_training_epoch" in (result.run_dir / "dlpipe.log").read_text()


def test_the_advanced_profiler_writes_into_the_run_directory(cli):
    result = cli("model=logreg", "recipe.max_epochs=1", "+trainer.profiler=advanced")
    assert result.code == 0, result.err
    assert "Profile stats for: run_training_epoch" in (result.run_dir / "fit-profile.txt").read_text()
    assert "Profile stats" not in result.out


def test_check_without_overrides_checks_the_default_request(cli):
    assert cli("check").code == 0


@pytest.mark.parametrize("typed", ["=1", "model=1", "model=[a", "--=1", "-m"])
def test_words_without_a_key_or_a_name_raise_nothing(typed, cli):
    assert cli(typed, "lr=x").code == 2


def test_a_hydra_callback_may_change_the_config_of_a_run(cli, install):
    code = """
from hydra.experimental.callback import Callback

class Shorter(Callback):
    def on_run_start(self, config, **kwargs):
        config.recipe.max_epochs = 1
"""
    install("dlpipe-shorter", {"shorter": "acme_shorter:Shorter"}, {"acme_shorter.py": code}, kind="callbacks")
    result = cli("model=logreg", "recipe.max_epochs=2", "+hydra.callbacks.shorter._target_=acme_shorter.Shorter")
    assert result.code == 0, result.err
    assert "stopped in epoch 1 " in result.out + result.err
