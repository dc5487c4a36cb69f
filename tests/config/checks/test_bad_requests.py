"""Bad input: a message that says what was wrong, the value, what is allowed; exit code 2; nothing written."""

import errno
import os
import re
import shlex
import subprocess
import sys
import tempfile

import pytest
import torch

# what is typed, and a pattern of the message
CONFIG_CHECKS = {
    "unknown model": ("model=lenett", r"model=lenett: no model 'lenett'; did you mean 'lenet'\? installed: .*mlp"),
    "unknown dataset": ("dataset=mnits", r"no dataset 'mnits'; did you mean 'mnist'\?"),
    "unknown optimizer": ("optimizer=sdg", r"optimizer=sdg: no such optimizer; did you mean 'sgd'\? there are .*adam"),
    "unknown group": ("optimiser=sgd", r"optimiser=sgd: no such key; did you mean 'optimizer'\?"),
    "misspelt option": ("model=mlp model.n_hiden=3", r"model.n_hiden=3: no such key; did you mean 'num_hidden'\?"),
    "added option": ("+model.extra=1", r"\+model.extra=1: a new key cannot be added to model; nothing would read it"),
    "force-added option": ("++model.extra=1", r"\+\+model.extra=1: no such key; model has num_features"),
    "text for a number": ("optimizer.lr=abc", r"optimizer.lr=abc: must be a number, like the default [0-9.]+\n"),
    "fraction for a count": ("recipe.max_epochs=2.5", r"recipe.max_epochs=2.5: must be a whole number"),
    "number for a switch": ("recipe.shuffle=1", r"recipe.shuffle=1: must be true or false"),
    "number for a list": ("dataset.image_shape=3", r"dataset.image_shape=3: must be a list"),
    "number for a group of keys": ("trainer.max_epochs.x=3", r"trainer.max_epochs.x=3: no such key"),
    "misspelt trainer key": ("trainer.max_epoch=3", r"did you mean 'max_epochs'\?.*is added as \+trainer.max_epoch=3"),
    "list of models": ("model=[lenet,mlp]", r"model=\[lenet,mlp\]: model takes one name, such as model="),
    "misspelt logger in a list": (
        "logger=[csv,tensorbord]",
        r"logger=tensorbord: no such logger; did you mean 'tensorboard'\? there are csv, mlflow, tensorboard, wandb",
    ),
    "misspelt list in a sweep": ("-m callbacks=[default,defalt],default", r"callbacks=defalt: .* mean 'default'\?"),
    "unknown callbacks in a list": (
        "callbacks=[default,mine]",
        r"callbacks=mine: no such callbacks; there are default",
    ),
    "empty list": ("callbacks=[]", r"callbacks=\[\]: callbacks takes one name or a list of names, such as callbacks="),
    "list in a list": ("logger=[[csv]]", r"logger=\[\[csv\]\]: logger takes one name or a list of names, such as"),
    "no logger": ("logger=none", r"logger=none: metrics.csv is always written; logger=csv writes nothing else"),
    "null for a logger": ("logger=null", r"logger=null: metrics.csv is always written; logger=csv"),
    "false for a logger": ("logger=false", r"logger=false: metrics.csv is always written; logger=csv"),
    "misspelt option of a logger": (
        "logger=tensorboard logger.tensorboard.flush_sec=3",
        r"logger.tensorboard.flush_sec=3: no such key; did you mean 'flush_secs'\?",
    ),
    "removed group": ("~model", r"~model: model cannot be removed; only entries of callbacks, logger, trainer can"),
    "removed key": ("~recipe.lr", r"~recipe.lr: recipe.lr cannot be removed"),
    "added group": ("+model=mlp", r"\+model=mlp: model is always there; write model=mlp"),
    "name by its key": ("model.name=mlp", r"model.name=mlp: choose with model=mlp"),
    "sweep without -m": ("model=logreg,mlp", r"model=logreg,mlp: several values are a sweep: add --multirun"),
    "no override at all": ("lennet", r"lennet: neither a verb nor an override; .*key=value"),
    "misspelt verb": ("lst", r"lst: neither a verb nor an override; did you mean 'list'\?"),
    "broken grammar": ("model.x=[1", r"model.x=\[1: not an override"),
    "unknown flag": ("--multirunn", r"--multirunn: no such flag; did you mean '--multirun'\?"),
    "too many words for a verb": ("list a b", r"usage: python -m dlpipe list"),
    "zero batch": ("recipe.batch_size=0", r"recipe.batch_size=0: must be greater than 0"),
    "a batch of more than there can be": (
        "dataset.eval_batch_size=100000000000000000000000",
        r"dataset.eval_batch_size=100000000000000000000000: must be less than 2147483648",
    ),
    "negative patience": ("recipe.patience=-1", r"recipe.patience=-1: must be greater than 0"),
    "more threads than any machine has": ("threads=1000000", r"threads=1000000: must be less than or equal to 1024"),
    "seed out of range": ("seed=-1", r"seed=-1: must be greater than or equal to 0"),
    "mode of no metric": ("recipe.monitor_mode=max", r"recipe.monitor_mode=max: set recipe.monitor=METRIC too"),
    "unknown mode": ("recipe.monitor_mode=best", r"recipe.monitor_mode=best: must be 'min' or 'max'"),
    "missing value": ("recipe.lr=???", r"recipe.lr: has no default; set recipe.lr=\.\.\."),
    "dead interpolation": ("'model.num_classes=${nope}'", r"model.num_classes=.*'nope'.*not found"),
    "dataset that lacks what the model needs": (
        "'model.num_classes=${dataset.nope}'",
        r"model.num_classes: dataset 'digits' has no nope; choose another dataset, or set model.num_classes",
    ),
    "sweep with one bad choice": ("-m model=logreg,lenett", r"model=lenett: no model 'lenett'"),
    "sweep with one bad value": ("-m optimizer.lr=0.1,abc", r"optimizer.lr=abc: must be a number"),
    "interval without a sweeper that searches": (
        "-m optimizer.lr=interval(1e-3,1e-1)",
        r"optimizer.lr=interval\(1e-3,1e-1\): an interval needs a sweeper .*: add hydra/sweeper=optuna",
    ),
    "interval with its ends swapped": (
        "-m hydra/sweeper=optuna optimizer.lr=interval(1,0.1)",
        r"an interval needs two numbers, the lower first, such as interval\(1e-4,1e-1\); it has 1.0 and 0.1",
    ),
    "interval without an end": ("-m optimizer.lr=interval(0.1,inf)", r"it has 0.1 and inf"),
    "sweeper that is not installed": (
        "-m hydra/sweeper=optun optimizer.lr=0.1,0.2",
        r"no hydra/sweeper 'optun'; did you mean 'optuna'\? there are basic, optuna",
    ),
    "search that does not exist": ("-m search=rates", r"search=rates: no such search; there are none"),
    "search without -m": ("search=rates", r"search=rates: a search is a sweep: add --multirun"),
    "several searches": ("-m search=rates,others", r"search=rates,others: one search at a time"),
    "sweep over a key only one model has": ("-m model=mlp,logreg model.l1=0,0.1", r"model.l1=0: no such key"),
    "learning rate that is not a number": ("optimizer.lr=nan", r"optimizer.lr=nan: must be a number"),
    "sweep by its mode": ("hydra.mode=MULTIRUN", r"hydra.mode=MULTIRUN: use --multirun for a sweep"),
    "one folder for all jobs": (
        "-m seed=1,2 hydra.sweep.subdir=y",
        r"jobs would share a folder; keep \$\{hydra.job.num\}",
    ),
    "hidden overrides": ("hydra.output_subdir=null", r"hydra.output_subdir=null: the table of a sweep reads"),
    "directory below a file": ("hydra.run.dir=/dev/null/x", r"hydra.run.dir=/dev/null/x: cannot be created: /dev/null"),
    "nothing": ("=1", r"=1: the override has no key; write group=choice or key=value"),
    "a number without end": ("seed=" + "9" * 5000, r"not an override \(Exceeds the limit .*\); write group=choice"),
    "depth without end": ("seed=" + "[" * 3000 + "]" * 3000, r"not an override \(maximum recursion depth exceeded"),
    "a key that no file can have": ("a" * 5000 + "=1", r"no such key; the config has dataset, "),
    "a range without end": (
        "-m seed=range(0,inf)",
        r"seed=range\(0,inf\): a sweep of more than 10000 values; choose fewer",
    ),
    "a range of no steps": ("-m seed=range(0,3,0)", r"seed=range\(0,3,0\): not an override \(range\(\) arg 3 must"),
    "a range with a bad end": ("-m seed=range(5,-3,-2)", r"seed=-1: must be greater than or equal to 0"),
    "a removal by pattern": ("~recipe.lr=glob(*)", r"recipe.lr cannot be removed"),
    "a directory with a long name": (
        "hydra.run.dir=" + "a" * 300,
        r"a: cannot be created: .*too long.*; choose another",
    ),
    "a directory that is nowhere": ("hydra.run.dir=\\${nope}", r"hydra.run.dir: Interpolation key 'nope' not found"),
}

IMPORT_CHECKS = {
    "negative learning rate": ("optimizer.lr=-1", r"optimizer.lr=-1: Invalid learning rate: -1"),
    "learning rate zero in the recipe": ("recipe.lr=0.0", r"recipe.lr=0.0: must be greater than 0"),
    "no hidden units": ("model=mlp model.num_hidden=0", r"model.num_hidden=0: must be greater than 0"),
    "negative penalty": ("model=mlp model.l2=-1.0", r"model.l2=-1.0: must be greater than or equal to 0"),
    "wrong length of a list": ("model=lenet model.num_maps=[1,2,3]", r"model.num_maps=.*at most 2 items"),
    "text in a list": ("model=lenet model.num_maps=[1,b]", r"model.num_maps=.*valid integer"),
    "filters larger than the image": ("model=lenet model.filter_size=27", r"choose a smaller filter_size or pool_size"),
    "unknown trainer argument": ("+trainer.max_epoch=3", r"trainer.max_epoch=3: no such argument; did you mean"),
    "accelerator that is not there": (
        "trainer.accelerator=warp",
        r"trainer.accelerator=warp: no such accelerator; there are auto, cpu, gpu, cuda, mps, tpu\n",
    ),
    "strategy that is not there": (
        "trainer.strategy=dpp",
        r"trainer.strategy=dpp: no such strategy; did you mean 'ddp'\? there are auto, ddp, .*, fsdp\n",
    ),
    "precision that is not there": (
        "trainer.precision=bf16-mix",
        r"trainer.precision=bf16-mix: no such precision; did you mean 'bf16-mixed'\? there are 32-true, .*, 64-true\n",
    ),
    "precision of no type": ("trainer.precision=[1]", r"1 problem .*\n  trainer.precision=\[1\]: no such precision;"),
    "float16 on the CPU": (
        "trainer.precision=16",
        r"trainer.precision=16: mixed precision with float16 needs a GPU; on the CPU choose bf16-mixed or 32-true\n",
    ),
    "no devices": (
        "trainer.devices=0",
        r"trainer.devices=0: must be a number of processes on the CPU, from 1, or auto",
    ),
    "more processes than cores": (
        "trainer=ddp trainer.accelerator=cpu trainer.devices=999",
        r"trainer.devices=999: one process per device, and this machine has \d+ cores?; "
        r"set trainer.devices=\d+ or less",
    ),
    "FSDP without a GPU": (
        "trainer=fsdp trainer.accelerator=cpu",
        r"trainer.strategy=fsdp: needs GPUs, and trainer.accelerator=cpu has none; choose ddp",
    ),
    "number of devices that is not a number": (
        "trainer.devices=two",
        r"trainer.devices=two: must be a number of .*, from 1",
    ),
    "text for a number": ("trainer.max_epochs=abc", r"trainer.max_epochs=abc: must be a valid integer"),
    "several machines": ("trainer=ddp trainer.num_nodes=2", r"trainer.num_nodes=2: 2 machines; .* torchrun or srun"),
    "a strategy that forks": (
        "trainer.strategy=ddp_fork trainer.devices=2",
        r"trainer.strategy=ddp_fork: would start its own processes from this one; choose ddp",
    ),
    "a strategy that writes sharded checkpoints": (
        "trainer.strategy={_target_:pytorch_lightning.strategies.ModelParallelStrategy} trainer.devices=2",
        r"writes sharded checkpoints, which dlpipe cannot read; choose fsdp",
    ),
    "a minibatch larger than the data over all devices": (
        "trainer=ddp recipe.drop_last=true recipe.batch_size=600",
        r"1078 examples, fewer than one minibatch of 600 on each of 2 devices",
    ),
    "a full-batch optimizer on several devices": (
        "optimizer=cg trainer=ddp",
        r"trainer.devices=2: CG needs the loss of all the training data, and each process has only a shard",
    ),
    "no steps": ("trainer.max_steps=0", r"max_epochs and max_steps must not be 0"),
    "callback that is not there": (
        "+callbacks.x._target_=no.Such",
        r"callbacks.x._target_=no.Such: cannot be imported",
    ),
    "callback without a class": ("+callbacks.x.y=1", r"callbacks.x: has no _target_"),
    "misspelt callback argument": (
        "+callbacks.console.lines=3",
        r"callbacks.console.lines=3: no such argument",
    ),
    "optimizer that is not there": (
        "optimizer._target_=torch.optim.Foo",
        r"optimizer._target_=torch.optim.Foo: cannot be",
    ),
    "an argument of dlpipe's own": ("+trainer.logger=false", r"trainer.logger: is dlpipe's; choose with logger="),
    "model that a full-batch optimizer cannot call": (
        "optimizer=cg model=lenet model.image_shape=[1,20,20]",
        r"RuntimeError: shape '\[-1, 1, 20, 20\]' is invalid",
    ),
    "input size that is not the dataset's": (
        "model=mlp model.num_features=12",
        r"model.num_features=12: examples of digits have 784 features; leave it out",
    ),
    "input size that is not the dataset's in a job of a sweep": (
        "-m model=rbm model.num_visible=784,13",
        r"model.num_visible=13: examples of digits have 784 features; leave it out",
    ),
    "several of an optimizer's values": (
        "optimizer.lr=-1 optimizer.momentum=-2.0",
        r"optimizer.lr=-1: Invalid learning rate: -1\n.*optimizer.momentum=-2.0: Invalid momentum value: -2.0",
    ),
    "nesterov without momentum": ("optimizer.nesterov=true", r"Nesterov momentum requires a momentum"),
    "betas out of range": ("optimizer=adam optimizer.betas=[0.9,1.5]", r"optimizer.betas=.*Invalid beta"),
    "image shape of another dataset": ("model=mlp dataset.num_features=100", r"num_features=100"),
    "batch larger than the data": ("recipe.batch_size=2000 recipe.drop_last=true", r"1078 examples, fewer than one"),
    "sweep with a bad range": ("-m optimizer.lr=0.1,-1", r"optimizer.lr=-1: Invalid learning rate"),
    "callback that is null": ("callbacks.console=null", r"callbacks.console: has no _target_; name a class"),
    "callback that is a number": ("+callbacks.x=3", r"callbacks.x: has no _target_; name a class"),
    "class that is not a callback": (
        "+callbacks.x._target_=os.mkdir +callbacks.x.path=ran",
        r"callbacks.x._target_=os.mkdir: makes no Callback; name a class of that kind",
    ),
    "class that is not an optimizer": (
        "optimizer._target_=os.mkdir",
        r"optimizer._target_=os.mkdir: makes no Optimizer",
    ),
    "class that is not a scheduler": (
        "scheduler=step scheduler._target_=torch.optim.SGD",
        r"scheduler._target_=torch.optim.SGD: makes no LRScheduler, ReduceLROnPlateau",
    ),
    "class that is not a trainer": (
        "trainer._target_=builtins.dict",
        r"trainer._target_=builtins.dict: makes no Trainer",
    ),
    "class that is not a strategy": (
        "trainer.strategy={_target_:os.mkdir,path:ran}",
        r"trainer.strategy._target_=os.mkdir: makes no Strategy",
    ),
    "object where a value belongs": ("dataset.seed={_target_:os.mkdir}", r"dataset.seed=.*: must be a"),
    "value where an object belongs": ("+trainer.profiler=[1]", r"trainer.profiler=\[1\]: must be a valid string"),
    "more devices than anybody has": (
        "trainer.devices=1000000000",
        r"trainer.devices=1000000000: must be at most 9999",
    ),
}


def words(typed):
    return shlex.split(typed)


@pytest.mark.parametrize(("typed", "message"), CONFIG_CHECKS.values(), ids=CONFIG_CHECKS)
def test_config_checks_refuse(typed, message, cli):
    result = cli(*words(typed))
    assert result.code == 2
    assert re.search(message, result.err), result.err
    assert result.written == []


@pytest.mark.parametrize(("typed", "message"), IMPORT_CHECKS.values(), ids=IMPORT_CHECKS)
def test_import_checks_refuse(typed, message, cli):
    result = cli(*words(typed))
    assert result.code == 2
    assert re.search(message, result.err), result.err
    assert result.written == []


@pytest.mark.parametrize(
    ("count", "overrides", "message"),
    [
        (
            0,
            ["trainer=gpu"],
            "trainer.accelerator=gpu: PyTorch finds no GPU on this machine; trainer=default is one process",
        ),
        (0, ["trainer=fsdp"], "trainer.accelerator=gpu: PyTorch finds no GPU on this machine"),
        (
            0,
            ["trainer=ddp", "trainer.precision=16-mixed"],
            "trainer.precision=16-mixed: mixed precision with float16 needs",
        ),
        (
            1,
            ["trainer=gpu", "trainer.devices=99"],
            "trainer.devices=99: this machine has 1 GPU; set trainer.devices=1 or less",
        ),
        (
            2,
            ["trainer=ddp", "trainer.devices=3"],
            "trainer.devices=3: this machine has 2 GPUs; set trainer.devices=2 or less",
        ),
        (
            2,
            ["trainer=gpu", "trainer.devices=two"],
            "trainer.devices=two: must be a number of GPUs, from 1, a list of their",
        ),
    ],
)
def test_what_the_gpus_of_the_machine_do_not_allow_is_refused(count, overrides, message, cli, monkeypatch):
    monkeypatch.setattr("dlpipe.config.checks.hardware._num_gpus", lambda: count)
    result = cli(*overrides)
    assert (result.code, result.written) == (2, [])
    assert f"1 problem in this request; nothing was run or written:\n  {message}" in result.err


@pytest.mark.parametrize("overrides", [["trainer=ddp", "trainer.devices=1"], ["trainer.precision=bf16"]])
def test_one_device_with_ddp_and_the_short_name_of_a_precision_train_without_a_warning(overrides, cli):
    result = cli("recipe.max_epochs=1", *overrides, "trainer.accelerator=cpu")
    assert (result.code, result.err) == (0, ""), result.out
    assert not torch.distributed.is_initialized()  # or the next run in this process would be taken for a rank


def test_checks_report_all_problems_at_once(cli):
    result = cli("dataset=mnits", "optimizer.lr=abc", "+model.extra=1", "trainer.max_epoch=3", "seed=x")
    for message in ("mnits", "optimizer.lr=abc", "+model.extra=1", "max_epochs", "seed=x"):
        assert message in result.err
    assert "5 problems in this request; nothing was run or written" in result.err


def test_options_of_an_unknown_model_are_not_checked(cli):
    result = cli("model=lenett", "model.num_maps=[1,2]")
    assert "1 problem in this request" in result.err


def test_directory_with_a_run_is_not_overwritten(cli):
    first = cli("hydra.run.dir=here", "recipe.max_epochs=1")
    assert first.code == 0
    before = first.written
    second = cli("hydra.run.dir=here", "recipe.max_epochs=1")
    assert second.code == 2
    assert "already holds a run; choose another directory, or resume it: " in second.err
    assert second.written == before


def test_a_directory_that_cannot_be_written_to_is_refused(cli, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *arguments: False)  # the superuser may write anywhere
    result = cli("seed=1")
    assert result.code == 2
    assert "cannot be written to" in result.err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("words", [["seed=1"], ["-m", "seed=1,2"]], ids=["run", "sweep"])
def test_a_folder_without_space_is_refused_before_anything_is_written(cli, monkeypatch, number, words):
    def full(**options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    result = cli(*words)
    assert (result.code, result.written) == (2, [])
    assert (
        f"cannot be created: {result.folder} cannot be written to: {os.strerror(number)}; choose another" in result.err
    )


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("words", [[], ["-m", "seed=1,2"]], ids=["run", "sweep"])
@pytest.mark.parametrize("num_files", [1, 2, 5, 19])
def test_a_file_system_that_takes_few_more_files_is_refused(cli, tmp_path, num_files, words):
    limits = f"size=50m,nr_inodes={1 + num_files}"  # its root is one
    if subprocess.run(["mount", "-t", "tmpfs", "-o", limits, "tmpfs", str(tmp_path)], check=False).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        result = cli(*words, f"hydra.{'sweep' if words else 'run'}.dir={tmp_path / 'run'}")
        assert (result.code, list(tmp_path.iterdir())) == (2, [])
        assert f"cannot be created: {tmp_path} cannot be written to: No space left on device; choose" in result.err
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_missing_default_model_is_reported(cli, monkeypatch):
    monkeypatch.setenv("DLPIPE_PLUGINS", "-supervised")
    result = cli("seed=1")
    assert result.code == 2
    assert "denied by DLPIPE_PLUGINS=-supervised" in result.err


@pytest.mark.parametrize(
    "typed",
    [
        "trainer.devices=auto",
        "trainer.deterministic=warn",
        "trainer.strategy={_target_:pytorch_lightning.strategies.DDPStrategy}",
    ],
)
def test_all_values_of_lightnings_trainer_are_accepted(typed, cli):
    assert cli("check", typed).code == 0
