"""The composed config for a model, a dataset and an optimizer."""

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import OmegaConf

from dlpipe.config.checks import config_checks
from dlpipe.config.compose import JobLoader, compose, compose_values, config_tree


def composed(*overrides):
    return config_checks.check(list(overrides), multirun=False, output_key="run")[0][1]


def test_a_model_brings_its_recipe():
    recipe = composed("model=mlp", "dataset=mnist").recipe
    assert (recipe.lr, recipe.batch_size, recipe.max_epochs, recipe.patience) == (0.01, 20, 1000, 10000)


@pytest.mark.parametrize(
    ("model", "lr", "batch_size", "max_epochs", "patience", "eval_drop_last"),
    [
        ("logreg", 0.13, 600, 1000, 5000, True),
        ("mlp", 0.01, 20, 1000, 10000, False),
        ("lenet", 0.1, 500, 200, 10000, False),
    ],
)
def test_the_published_recipe_is_what_mnist_gets(model, lr, batch_size, max_epochs, patience, eval_drop_last):
    recipe = composed(f"model={model}", "dataset=mnist").recipe
    assert not recipe.shuffle
    assert recipe.drop_last
    assert (recipe.patience_increase, recipe.improvement_threshold) == (2, 0.995)
    assert recipe.eval_drop_last == eval_drop_last
    assert (recipe.lr, recipe.batch_size, recipe.max_epochs, recipe.patience) == (lr, batch_size, max_epochs, patience)


def test_recipe_for_a_dataset_overrides_the_published_recipe():
    assert composed("model=lenet").recipe.batch_size < composed("model=lenet", "dataset=mnist").recipe.batch_size


def test_command_line_overrides_every_recipe():
    cfg = composed("model=lenet", "recipe.batch_size=7", "optimizer.lr=0.5")
    assert (cfg.recipe.batch_size, cfg.dataset.batch_size, cfg.optimizer.lr) == (7, 7, 0.5)


def test_sgd_takes_its_learning_rate_from_the_recipe():
    assert composed("model=logreg", "dataset=mnist").optimizer.lr == 0.13
    assert composed("model=logreg", "recipe.lr=0.7").optimizer.lr == 0.7


@pytest.mark.parametrize(
    ("optimizer", "lr"), [("adam", 0.001), ("adamw", 0.001), ("rmsprop", 0.01), ("adadelta", 1.0), ("adagrad", 0.01)]
)
def test_the_recipes_learning_rate_does_not_leak_into_another_optimizer(optimizer, lr):
    assert composed("model=logreg", f"optimizer={optimizer}").optimizer.lr == lr


def test_another_models_recipe_can_be_chosen():
    assert composed("model=lenet", "dataset=mnist", "recipe=mlp").recipe.lr == 0.01


def test_constructor_arguments_follow_the_dataset():
    model = composed("model=mlp", "dataset=mnist").model
    assert OmegaConf.to_container(model, resolve=True) == {
        "name": "mlp",
        "num_features": 784,
        "num_classes": 10,
        "image_shape": [1, 28, 28],
        "num_hidden": 500,
        "l1": 0.0,
        "l2": 0.0001,
    }


@pytest.mark.parametrize(
    ("groups", "values"),
    [
        (["model=mlp"], ["recipe.lr=0.3", "+trainer.log_every_n_steps=3", "~callbacks.patience", "hydra.run.dir=a b"]),
        (["optimizer=adam"], ["optimizer.lr=${recipe.lr}", "hydra.sweep.dir=a", "seed=3"]),
        (["model=dbn", "logger=[csv,wandb]"], ["++recipe.stages.pretrain.lr=0.5", "logger.wandb.project='a,b'"]),
        ([], ["hydra.job.config.override_dirname.item_sep=/", "hydra.job.name=x", "seed=3", "threads=2"]),
    ],
)
def test_values_set_in_a_composed_config_give_what_hydra_composes_from_all_overrides(groups, values):
    with config_tree():
        overrides = [*values[:1], *groups, *values[1:]]
        hydras, ours = compose(overrides), compose_values(compose(groups), overrides)
    assert OmegaConf.to_container(ours) == OmegaConf.to_container(hydras)
    assert OmegaConf.is_struct(ours)


@pytest.mark.parametrize(
    "job",
    [["model=mlp", "seed=1"], ["+added=2", "hydra.sweep.subdir='0-mlp'"], ["model=lenet", "hydra.job.chdir=true"]],
    ids=" ".join,
)
def test_a_launcher_gets_the_config_that_hydra_would_compose_for_a_job(job):
    with config_tree():
        hydras = GlobalHydra.instance().config_loader()
        ours = JobLoader(hydras)
        sweep = ["optimizer=adam", "seed=1,2", "hydra.sweep.dir=s", "hydra.mode=MULTIRUN"]
        master = hydras.load_configuration("config", sweep, RunMode.MULTIRUN)
        wanted = hydras.load_sweep_config(master, list(job))
        for _ in range(2):  # composed whole, and from the base that this has left
            found = ours.load_sweep_config(master, list(job))
            assert OmegaConf.to_container(found) == OmegaConf.to_container(wanted)
            assert OmegaConf.is_struct(found)


def test_further_jobs_of_a_sweep_with_the_same_choices_are_not_composed_again(monkeypatch):
    composed, load = [], ConfigLoaderImpl.load_configuration
    monkeypatch.setattr(
        ConfigLoaderImpl, "load_configuration", lambda *arguments: composed.append(arguments[2]) or load(*arguments)
    )
    with config_tree():
        hydras = GlobalHydra.instance().config_loader()
        master = hydras.load_configuration("config", ["model=logreg,mlp", "hydra.sweep.dir=s"], RunMode.MULTIRUN)
        loader = JobLoader(hydras)
        for model, seed in ((model, seed) for model in ("logreg", "mlp") for seed in (1, 2, 3)):
            loader.load_sweep_config(master, [f"model={model}", f"seed={seed}"])
    assert composed[1:] == [["model=logreg"], ["model=mlp"]]


def test_a_value_that_cannot_be_set_raises_hydras_error():
    with config_tree(), pytest.raises(ConfigCompositionException, match=r"Could not override 'recipe\.none'"):
        compose_values(compose([]), ["recipe.none=1"])


def test_the_jobs_of_a_sweep_share_what_their_choices_of_configs_give(monkeypatch):
    composed = []
    monkeypatch.setattr(config_checks, "compose", lambda overrides: composed.append(overrides) or compose(overrides))
    jobs = config_checks.check(["model=logreg,mlp", "recipe.lr=0.1,0.2,0.3"], multirun=True, output_key="sweep")
    assert [(cfg.model.name, cfg.recipe.lr) for _, cfg in jobs] == [
        (model, lr) for model in ("logreg", "mlp") for lr in (0.1, 0.2, 0.3)
    ]
    assert composed == [["model=logreg"], ["model=mlp"]]
