"""Which arguments of models and datasets are paths."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from dlpipe.config.paths import make_absolute


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("directory", "pictures", "/here/pictures"),
        ("word_file", "words.txt", "/here/words.txt"),
        ("file", "/there/a.csv", "/there/a.csv"),
        ("anything", "./a", "/here/a"),
        ("on_bad_file", "stop", "stop"),
        ("kind", "stop", "stop"),
    ],
)
def test_a_path_is_made_absolute_and_no_other_word(name, value, expected):
    config = OmegaConf.create({"model": {}, "dataset": {name: value}, "init_from": None})
    make_absolute(config, Path("/here"))
    assert config.dataset[name] == expected
