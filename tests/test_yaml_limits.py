"""YAML files that are too large, or that aliases make so, are refused in no time: of a run, and of a user's folder."""

import gc
import time

import pytest

from dlpipe import DlpipeError
from dlpipe.runs.config_file import read_config
from dlpipe.yaml_limits import MAX_VALUES, read_yaml

MANY = "".join(f"k{number}: {number}\n" for number in range(MAX_VALUES))
LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
TOO_LARGE = {
    "many values": (MANY + "x: 1\n", "it has more than 3000 values"),
    "aliases that multiply": (LAUGHS, "it has more than 3000 values, or it has an alias that multiplies them"),
    "an alias to itself": ("a: &a [*a]", "it has more than 3000 values"),
    "empty lists": ("a: [" + "[], " * MAX_VALUES + "]", "it has more than 3000 values"),
    "bytes": ("a: [" + "1," * 2**20 + "1]", "it has more than 262144 bytes"),
}


@pytest.mark.parametrize("kind", TOO_LARGE)
def test_a_file_that_is_too_large_is_refused(tmp_path, kind):
    content, message = TOO_LARGE[kind]
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "content", ["", "a: 1", "a: &a [1]\nb: *a\nc: {<<: {d: 1}}", "[1, [2, [3]]]", "é: ü", r'a: "\uDCE9"']
)
def test_another_file_is_read_as_it_is(tmp_path, content):
    (tmp_path / "a.yaml").write_text(content, encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml") == content


def test_a_user_config_that_is_nested_too_deeply_is_refused_by_name(cli, tmp_path):
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe" / "deep.yaml").write_text("a: " + "[" * 5000 + "]" * 5000)
    result = cli("check", "-cd", str(tmp_path), "model=logreg", "recipe=deep")
    assert result.code == 2
    assert "deep.yaml cannot be read: it is nested too deeply" in result.err


def test_a_user_config_that_is_too_large_is_refused_by_name_in_seconds(cli, tmp_path):
    (tmp_path / "recipe").mkdir()
    for kind, (content, message) in TOO_LARGE.items():
        path = tmp_path / "recipe" / "large.yaml"
        path.write_text(content)
        start = time.process_time()
        result = cli("check", "-cd", str(tmp_path), "model=logreg", "recipe=large")
        assert result.code == 2, kind
        assert f"{path} cannot be read: {message}" in result.err
        assert time.process_time() - start < 20, kind


def test_a_runs_config_that_is_too_large_is_refused_by_name(tmp_path):
    for content, message in TOO_LARGE.values():
        (tmp_path / "config.yaml").write_text(content)
        with pytest.raises(DlpipeError, match=rf"config\.yaml cannot be read: {message}"):
            read_config(tmp_path)


def test_a_config_just_under_the_limit_is_read_in_a_second(cli, tmp_path):
    values = "x:\n" + "".join(f"  k{number}: {number}\n" for number in range(MAX_VALUES - 100))
    (tmp_path / "callbacks").mkdir()
    (tmp_path / "callbacks" / "large.yaml").write_text(values)
    (tmp_path / "config.yaml").write_text(f"format: 1\nmodel: {{name: logreg}}\n{values}")
    cli("check")  # what a process does once, such as importing torch
    gc.freeze()  # what the tests before have left is not looked through again
    start = time.process_time()
    result = cli("check", "-cd", str(tmp_path), "callbacks=large")
    assert "callbacks.x: has no _target_" in result.err
    read_config(tmp_path)
    seconds = time.process_time() - start
    gc.unfreeze()
    assert seconds < 2
