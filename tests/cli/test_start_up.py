"""What does not need torch answers without it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

import dlpipe
from dlpipe.cli import hand_to_hydra, hydra_task
from dlpipe.cli.flags import Request, parse
from dlpipe.cli.verbs import VERBS
from dlpipe.config import prepare as prepare_module
from dlpipe.config.checks import config_checks
from dlpipe.config.compose import quoted

DATA = Path(os.environ.get("DLPIPE_DATA", "/nowhere"))
HEAVY = ("torch", "pytorch_lightning", "wandb", "sklearn", "matplotlib")
CASES = {
    "help": (["--help"], 0),
    "version": (["--version"], 0),
    "list": (["list"], 0),
    "show a model": (["show", "lenet"], 0),
    "show a dataset": (["show", "mnist"], 0),
    "show an optimizer": (["show", "adam"], 0),
    "show nothing": (["show", "lenett"], 2),
    "unknown model": (["model=lenett"], 2),
    "misspelt option": (["model=mlp", "model.n_hiden=3"], 2),
    "unknown experiment": (["experiment=quick"], 2),
    "save of a wrong option": (["save", "mine", "model=mlp", "model.n_hiden=3"], 2),
    "save where no folder can be": (["save", "mine", "model=mlp", "--to", "/dev/null"], 2),
    "explain a value": (["explain", "optimizer.lr", "model=lenet"], 0),
    "shell completion": (["-sc", "install=bash"], 0),
    "composed config": (["--cfg", "job"], 0),
    "check with a wrong option": (["check", "model=mlp", "model.n_hiden=3"], 2),
    **{f"help of {verb}": ([verb, "--help"], 0) for verb in VERBS if verb != "doctor"},  # which imports dlpipe.data
    "too few arguments": (["predict"], 2),
}


@pytest.mark.parametrize(("arguments", "code"), CASES.values(), ids=CASES)
def test_answers_without_importing_torch(arguments, code, tmp_path):
    program = f"""
import json, sys
from dlpipe.cli.main import main
code = main({arguments!r})
print("\\n" + json.dumps([code, [name for name in {HEAVY!r} if name in sys.modules]]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert json.loads(done.stdout.splitlines()[-1]) == [code, []], done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["model=logreg"], "model=logreg dataset=digits: importing PyTorch"),
        (["check", "model=logreg"], "model=logreg dataset=digits: importing PyTorch"),
        (["-m", "model=logreg", "recipe.lr=0.1,0.2"], "sweep: importing PyTorch"),
    ],
    ids=["run", "check", "sweep"],
)
def test_the_first_line_comes_before_torch_is_imported(arguments, line, tmp_path):
    done = without_torch(arguments, tmp_path)
    assert done.stdout.startswith(line), done.stderr
    assert done.stderr.endswith("torch is imported\n")


@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="needs MNIST in $DLPIPE_DATA")
def test_a_run_imports_nothing_that_only_other_runs_need(tmp_path):
    others = ("sklearn", "pandas", "pyarrow", "wandb", "mlflow", "tensorboard", "joblib", "optuna")
    arguments = ["model=logreg", "dataset=mnist", "recipe.max_epochs=1", "trainer.limit_train_batches=1"]
    program = f"""
import json, sys
from dlpipe.cli.main import main
code = main({[*arguments, "hydra.run.dir=run"]!r})
print("\\n" + json.dumps([code, [name for name in {others!r} if name in sys.modules]]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []], done.stderr
    assert (tmp_path / "run" / "figures" / "confusion_matrix.png").is_file()


def without_torch(arguments, folder, before=""):
    """Run a command line that ends where torch is imported."""
    program = f"""
import sys
{before}

class Torch:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            sys.exit("torch is imported")

sys.meta_path.insert(0, Torch)
from dlpipe.cli.main import main
main({arguments!r})
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder, check=False)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["test", "last"], f"test {Path('outputs/run')}: importing PyTorch"),
        (["predict", "outputs"], "predict outputs: importing PyTorch"),
        (["inspect", "a.ckpt"], "inspect a.ckpt: importing PyTorch"),
        (["doctor"], "doctor: importing PyTorch"),
    ],
    ids=" ".join,
)
def test_a_verb_tells_a_terminal_what_it_works_on_before_torch_is_imported(arguments, line, tmp_path):
    (tmp_path / "outputs" / "run").mkdir(parents=True)
    (tmp_path / "outputs" / "run" / "config.yaml").touch()
    done = without_torch(arguments, tmp_path, "sys.stderr.isatty = lambda: True")
    assert (done.stdout, done.stderr.splitlines()) == ("", [line, "torch is imported"])
    piped = without_torch(arguments, tmp_path)
    assert (piped.stdout, piped.stderr.splitlines()) == ("", ["torch is imported"])


@pytest.mark.parametrize("name", dlpipe.__all__)
def test_every_public_name_exists(name):
    assert getattr(dlpipe, name)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("dlpipe model=le", ["model=lenet"]),
        ("dlpipe optimizer.l", ["optimizer.lr="]),
        ("dlpipe repr", ["reproduce"]),
        ("dlpipe check model=le", ["model=lenet"]),
        ("dlpipe show lo", ["logreg"]),
        ("dlpipe show lenet dataset=mn", ["dataset=mnist"]),
        ("dlpipe resume last recipe.max_e", ["recipe.max_epochs="]),
        ("dlpipe save mine model=le", ["model=lenet"]),
        ("dlpipe help pre", ["predict"]),
        ("dlpipe test ", ["last", "outputs/"]),
        ("dlpipe test outputs/", ["outputs/a/", "outputs/b/"]),
        ("dlpipe predict last out", ["outputs/"]),
        ("dlpipe inspect d", ["digit.png"]),
        ("dlpipe sample last --s", ["--seed"]),
        ("dlpipe list ", []),
        ("dlpipe runs --j", ["--json"]),
        ("dlpipe runs outputs/ st", ["status="]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes(typed, offered, shell, cli, monkeypatch):
    folder = cli("help").folder
    for name in ("a", "b"):
        (folder / "outputs" / name).mkdir(parents=True)
    (folder / "digit.png").touch()
    monkeypatch.setenv("COMP_LINE", typed)
    monkeypatch.setenv("COMP_POINT", str(len(typed)))
    result = cli("-sc", f"query={shell}")
    assert (result.code, result.err) == (0, "")
    assert result.out.split() == offered


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        dlpipe.lode  # noqa: B018  # looking it up is the test


def test_help_names_every_verb_group_and_model(cli):
    out = cli("--help").out
    for word in ("list", "show lenet", "doctor", "optimizer", "logreg", "mnist", "--multirun"):
        assert word in out


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_is_its_usage_and_what_it_does(verb, flag, cli):
    result = cli(verb, flag)
    assert (result.code, result.err, result.written) == (0, "", [])
    usage, empty, description, *_ = result.out.splitlines()
    assert usage.startswith(f"usage: python -m dlpipe {verb}")
    assert (empty, description[:1].isupper()) == ("", True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "models"], "list: unrecognized arguments: models; usage: python -m dlpipe list"),
        (["resume"], "resume: the following arguments are required: RUN; usage: python -m dlpipe resume "),
        (
            ["resume", "run", "--trsut"],
            "[--trust] RUN [OVERRIDE ...]; did you mean '--trust'?",
        ),
        (["resume", "run", "--tru"], "unrecognized arguments: --tru; "),
        (["inspect"], "the following arguments are required: FILE; usage: python -m dlpipe inspect [--all] FILE"),
        (["predict", "run", "--text"], "argument --text: expected one argument; usage: python -m dlpipe predict "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_of_a_verb_are_refused_with_its_usage(words, message, cli):
    result = cli(*words)
    assert (result.code, result.out, result.written) == (2, "", [])
    assert result.err.startswith("dlpipe: 1 problem in this request; nothing was run or written:\n")
    assert message in result.err


@pytest.mark.parametrize(
    "words", [["list"], ["runs"], ["show", "lenet"], ["--help"], ["--cfg", "job"], ["model=lenett"]]
)
@pytest.mark.parametrize("buffered", [True, False])
def test_a_reader_that_has_gone_costs_no_traceback(words, buffered):
    """The reader of stdout closes the pipe before the command prints, as ``| head`` may."""
    options = [] if buffered else ["-u"]
    command = [sys.executable, *options, "-m", "dlpipe", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode in ((2,) if words == ["model=lenett"] else (0, 141))
    assert "BrokenPipe" not in errors
    assert "Traceback" not in errors


def test_show_tells_docstring_options_recipe_and_targets(cli):
    out = cli("show", "mlp").out
    assert "tanh" in out
    assert "model.num_hidden=500" in out
    assert "recipe.patience=" in out
    assert "dataset=mnist: test error 1.650000 %" in out


def test_show_of_an_unknown_name_suggests_one(cli):
    result = cli("show", "lenett")
    assert result.code == 2
    assert "nothing is called 'lenett'; did you mean 'lenet'?" in result.err


def test_list_names_models_datasets_optimizers_and_plugins_with_version_and_state(cli):
    out = cli("list").out
    for word in ("logreg", "mlp", "lenet", "digits", "mnist", "sgd", "adam", "dlpipe-supervised", "0.1.0", "ok"):
        assert word in out


def test_flags_may_stand_before_or_after_the_overrides():
    assert parse(["model=mlp", "-m", "seed=1,2"]) == Request(["model=mlp", "seed=1,2"], True, [], [])
    assert parse(["--cfg", "job", "model=mlp"]) == parse(["model=mlp", "--cfg=job"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-cd"], "expected one argument"),
        (["-cd", "nowhere"], "--config-dir .*nowhere: no such folder"),
        (["--cfg", "foo"], "invalid choice: 'foo'"),
        (["--cfg"], "expected one argument"),
        (["--resolve"], "--resolve: goes with --cfg"),
        (["-p", "model"], "--package: goes with --cfg"),
        (["--inform"], "--inform: no such flag"),
        (["-i", "defaults", "--info=foo"], "invalid choice: 'foo'"),
        (["-cn", "mine"], "--config-name: there is one config; .* experiment=NAME"),
        (["--config-name=mine"], "--config-name: there is one config"),
        (["-cp", "mine"], "--config-path: .*add a folder of your own YAML with -cd DIR"),
        (["--experimental-rerun", "x"], "--experimental-rerun: .* python -m dlpipe reproduce RUN"),
    ],
    ids=" ".join,
)
def test_wrong_flags_are_refused(arguments, message, cli):
    result = cli(*arguments)
    assert result.code == 2
    assert re.search(message, result.err), result.err


def test_a_folder_of_the_users_own_yaml_joins_the_tree(cli, tmp_path):
    folder = tmp_path / "it's mine"
    (folder / "optimizer").mkdir(parents=True)
    (folder / "optimizer" / "slow.yaml").write_text("_target_: torch.optim.SGD\nlr: 0.001\n")
    result = cli("-cd", str(folder), "optimizer=slow", "recipe.max_epochs=1")
    assert result.code == 0, result.err
    assert OmegaConf.load(result.run_dir / "config.yaml").optimizer.lr == 0.001
    assert cli("optimizer=slow").code == 2


def test_the_run_that_was_checked_is_the_one_that_is_trained(cli, monkeypatch):
    prepared, prepare = [], prepare_module._prepare

    def prepare_and_count(*arguments, **options):
        prepared.append(prepare(*arguments, **options))
        return prepared[-1]

    monkeypatch.setattr(prepare_module, "_prepare", prepare_and_count)
    assert cli("model=logreg", "recipe.max_epochs=1", "try_one_batch=false").code == 0
    assert len(prepared) == 1


def test_a_run_is_composed_once(cli, monkeypatch):
    composed, compose = [], ConfigLoaderImpl.load_configuration

    def compose_and_count(loader, *arguments, **options):
        composed.append(options["overrides"])
        return compose(loader, *arguments, **options)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", compose_and_count)
    assert cli("model=logreg", "recipe.max_epochs=1", "try_one_batch=false").code == 0
    assert composed == [["model=logreg"]]


@pytest.mark.parametrize("words", [["model=mlp", "recipe.lr=0.05"], ["dataset=mnist"]], ids=" ".join)
def test_the_task_gets_the_config_that_hydra_would_compose_for_it(words, cli, monkeypatch):
    cli("help")  # in a folder of its own, with the config tree of the plugins
    got = []

    def task(cfg):
        configs = (cfg, HydraConfig.instance().cfg)
        got.append([sys.argv, *(OmegaConf.to_container(config) for config in configs)])

    task.__module__ = hydra_task.__name__
    monkeypatch.setattr(hydra_task, "task", task)
    monkeypatch.setattr(sys, "argv", ["dlpipe"])
    ((_, config),) = jobs = config_checks.check(words, False, "run")
    texts = config_checks.hydra_texts(words, jobs)
    assert hand_to_hydra.hand_to_hydra([*texts, f"hydra.run.dir={quoted(str(config.hydra.run.dir))}"]) == 0
    assert hand_to_hydra.run_composed(config, texts, task) == 0
    assert got[0] == got[1]


def test_modules_are_left_out_of_garbage_collections_which_are_as_frequent_as_before():
    program = """
import gc
from dlpipe.cli.torch_import import torch_imported_without_collections
usual = gc.get_threshold()
with torch_imported_without_collections():
    assert gc.get_threshold() > usual
    import torch
assert gc.get_freeze_count() > 100_000
assert gc.get_threshold() == usual
frozen = gc.get_freeze_count()
with torch_imported_without_collections():  # a second command of a process freezes no garbage of the first
    assert gc.get_threshold() == usual
assert gc.get_freeze_count() <= frozen
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
