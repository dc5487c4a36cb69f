"""Hydra's sweep grammar as Optuna's distributions."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from dlpipe_optuna.search_space import distribution, grid_values, overrides, parse_search_space

SPACES = {
    "interval(1e-4,0.1)": Float(1e-4, 0.1),
    "tag(log,interval(1e-4,0.1))": Float(1e-4, 0.1, log=True),
    "interval(1,5)": Float(1.0, 5.0),
    "int(interval(1,5))": Int(1, 5),
    "tag(log,int(interval(1,64)))": Int(1, 64, log=True),
    "range(1,10)": Int(1, 9),
    "range(1,10,3)": Int(1, 7, step=3),
    "range(10,1,-3)": Int(4, 10, step=3),
    "range(0,1,0.25)": Float(0, 0.75, step=0.25),
    "range(0.1,0.7,0.1)": Float(0.1, 0.6, step=0.1),
    "choice(a,b)": Choice(["a", "b"]),
    "a,b,a": Choice(["a", "b"]),
    "1,2.5": Choice(["1", "2.5"]),
    "null,true": Choice(["null", "True"]),
    "[1,2],[3]": Choice(["[1,2]", "[3]"]),
    "shuffle(1,2)": Choice(["1", "2"]),
}


def parsed(text):
    return OverridesParser.create().parse_override(f"x={text}")


@pytest.mark.parametrize("text", SPACES)
def test_a_sweep_is_a_distribution(text):
    found = distribution(parsed(text))
    if text == "shuffle(1,2)":
        assert set(found.choices) == {"1", "2"}
    else:
        assert found == SPACES[text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tag(log,interval(0,1))", "a logarithm needs numbers above 0, and the lowest is 0.0"),
        ("tag(log,range(0,4))", "a logarithm needs numbers above 0, and the lowest is 0"),
        ("tag(log,choice(1,2))", "a choice has no logarithm"),
        ("tag(lgo,interval(1,2))", "the only tag is log, .*; this has lgo"),
        ("tag(log,range(1,9,2))", "step"),
    ],
)
def test_a_sweep_without_a_distribution_says_why(text, message):
    with pytest.raises(ValueError, match=message):
        distribution(parsed(text))


def test_the_command_line_replaces_the_params_of_a_search():
    params = {"optimizer.lr": "interval(0.1,1)", "seed": "1,2"}
    space = parse_search_space(params, ["seed=3", "model=mlp", "+trainer.x=1,2"], loader=None)
    assert space.fixed == ["seed=3", "model=mlp"]
    assert space.dimensions == {"optimizer.lr": Float(0.1, 1), "+trainer.x": Choice(["1", "2"])}
    assert space.first == ["seed=3", "model=mlp", "optimizer.lr=0.1", "+trainer.x=1"]


def test_values_are_written_so_that_hydra_reads_the_same():
    (text,) = overrides({"x": 1e-05 / 3})
    assert OverridesParser.create().parse_override(text).value() == 1e-05 / 3


def test_a_grid_has_every_value_of_what_is_not_continuous():
    values = {text: grid_values(own) for text, own in SPACES.items()}
    assert values["int(interval(1,5))"] == [1, 2, 3, 4, 5]
    assert values["range(10,1,-3)"] == [4, 7, 10]
    assert values["range(0.1,0.7,0.1)"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert values["a,b,a"] == ["a", "b"]
    assert values["interval(1,5)"] is None
