"""Which keys of configs differ."""

from dlpipe_report.config_differences import ABSENT, as_text, differences


def test_keys_that_differ_are_found_with_the_value_of_each():
    one = {"model": {"name": "mlp", "num_hidden": 20}, "seed": 1}
    other = {"model": {"name": "mlp", "num_hidden": 50}, "seed": 1}
    assert differences([one, other]) == {"model.num_hidden": [20, 50]}


def test_a_key_that_one_lacks_differs():
    assert differences([{"a": {"b": None}}, {"a": {}}]) == {"a.b": [None, ABSENT]}


def test_true_is_not_one_but_one_is_one_point_zero():
    assert differences([{"a": True, "b": 1}, {"a": 1, "b": 1.0}]) == {"a": [True, 1]}


def test_values_are_written_as_they_are_typed():
    assert [as_text(value) for value in (None, True, 0.1, "x", [1, None, [False]], ABSENT)] == [
        *("null", "true", "0.1", "x", "[1,null,[false]]"),
        "",
    ]
