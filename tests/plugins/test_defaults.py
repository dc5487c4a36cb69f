"""The YAML of a bundled model says what its constructor does without it."""

import inspect

import pytest
import yaml

from dlpipe.plugins import registry
from dlpipe.plugins.load_class import load_class

MODELS = [entry.name for entry in registry.available("model")]


def test_there_are_models():
    assert "mlp" in MODELS


@pytest.mark.parametrize("name", MODELS)
def test_the_yaml_has_the_defaults_of_the_constructor(name):
    options = yaml.safe_load(registry.yaml_of(registry.find("model", name)).read_text(encoding="utf-8"))
    in_yaml, in_code = {}, {}
    for key, parameter in inspect.signature(load_class("model", name)).parameters.items():
        if parameter.default is not parameter.empty and not str(options[key]).startswith("${"):
            in_yaml[key], in_code[key] = options[key], parameter.default
    assert in_yaml == in_code
