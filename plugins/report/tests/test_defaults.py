"""What a run's config changes from the defaults of its model and dataset."""

import pytest
from omegaconf import OmegaConf

import dlpipe
from dlpipe_report.config_differences import ABSENT
from dlpipe_report.page.defaults import changed_from_defaults


@pytest.fixture
def config_of():
    def stored(*overrides, **changes):
        return OmegaConf.merge({"output_dir": "/runs/a"}, dlpipe.compose(*overrides), changes)

    return stored


def test_changed_keys_have_their_value_and_their_default(config_of):
    config = config_of("model=logreg", "seed=7", "model.num_classes=5")
    assert changed_from_defaults(config) == {"model.num_classes": [5, 10], "seed": [7, 1234]}


def test_keys_that_follow_another_are_left_out(config_of):
    assert list(changed_from_defaults(config_of("model=logreg", "recipe.max_epochs=7"))) == ["recipe.max_epochs"]


def test_an_option_without_a_default_has_the_runs_value_alone(config_of):
    directory = "/my data/it's {here}, a=b"
    config = config_of("model=logreg", "dataset=image_folder", "dataset.directory=/x", dataset={"directory": directory})
    assert changed_from_defaults(config) == {"dataset.directory": [directory, ABSENT]}


@pytest.mark.parametrize("name", ["nothing", "logreg seed=7", "a,b", "${oc.env:HOME}"])
def test_defaults_that_cannot_be_composed_are_explained(config_of, name):
    config = OmegaConf.to_container(config_of("model=logreg"), resolve=False)
    config["model"]["name"] = name.replace("$", "\\$")
    assert name.strip("${}").split()[0] in changed_from_defaults(OmegaConf.create(config))
