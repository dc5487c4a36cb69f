"""Which jobs of a sweep are the same."""

import pytest

from dlpipe.config.checks.config_checks import check
from dlpipe.sweeps.identity import identify


def identity(*overrides):
    ((_, config),) = check(list(overrides), multirun=False, output_key=None)
    return identify(config)


@pytest.fixture(scope="module")
def mlp():
    return identity("model=mlp")


@pytest.mark.parametrize(
    "overrides",
    [
        ("logger=tensorboard",),
        ("offline=true",),
        ("resume=auto",),
        ("hydra.run.dir=elsewhere",),
        ("hydra/launcher=joblib",),
        ("launcher=joblib",),
        ("launcher=submitit",),  # sets a value of sweep
        ("launcher=slurm", "sweep.jobs_per_gpu=2"),
        ("try_one_batch=false",),
        ("sweep.on_error=stop",),
        ("recipe.lr=0.2",),  # the recipe's own value
        ("optimizer.lr=0.2", "seed=1234"),
    ],
)
def test_where_it_writes_and_how_it_is_run_does_not_make_another_job(overrides, mlp):
    assert identity("model=mlp", *overrides) == mlp


@pytest.mark.parametrize(
    "overrides",
    [
        ("optimizer.lr=0.02",),
        ("model.num_hidden=5",),
        ("dataset=mnist",),
        ("recipe.max_epochs=3",),
        ("trainer.max_steps=3",),
        ("init_from=run",),
        ("threads=2",),
        ("on_nan=warn",),
    ],
)
def test_whatever_changes_the_weights_makes_another_job_of_another_setting(overrides, mlp):
    other = identity("model=mlp", *overrides)
    assert other.job != mlp.job
    assert other.setting != mlp.setting


def test_jobs_that_differ_in_the_seed_alone_have_one_setting(mlp):
    other = identity("model=mlp", "seed=5")  # the seed of digits follows
    assert other.job != mlp.job
    assert other.setting == mlp.setting


def test_jobs_whose_values_are_drawn_with_the_seed_have_settings_of_their_own():
    words = ("model=rnn_slu", "dataset=synthetic_flights", "random_search=rnn_slu")
    one, two = identity(*words, "seed=1"), identity(*words, "seed=2")
    assert one.setting != two.setting


def test_a_path_that_is_read_counts_from_where_the_command_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = identity("init_from=run")
    assert here == identity(f"init_from={tmp_path}/run")
    monkeypatch.chdir("/")
    assert here != identity("init_from=run")


@pytest.mark.parametrize(
    "override", ["logger=csv,tensorboard", "offline=true,false", "sweep.max_failures=1,2", "launcher=none,joblib"]
)
def test_a_sweep_over_what_makes_no_other_job_is_refused(override, cli):
    result = cli("-m", override)
    assert (result.code, result.written) == (2, [])
    key = override.partition("=")[0]
    assert f"{override}: jobs that differ in {key} alone would be one job: choose one value" in result.err
    assert ("write logger=[csv,tensorboard]" in result.err) == (key == "logger")
