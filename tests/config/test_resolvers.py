"""Random values in a config: determined by their key, uniform over their range, and in a sweep."""

import numpy as np
import pytest
from omegaconf import OmegaConf

from dlpipe.config import resolvers


def test_same_key_gives_the_same_value():
    assert resolvers.uniform(0.0, 1.0, 7, "lr") == resolvers.uniform(0.0, 1.0, 7, "lr")
    assert resolvers.uniform(0.0, 1.0, 7, "lr") != resolvers.uniform(0.0, 1.0, 8, "lr")
    assert resolvers.uniform(0.0, 1.0, 7, "lr") != resolvers.uniform(0.0, 1.0, 7, "decay")


def test_values_are_uniform_over_the_range():
    """Kolmogorov's distance of 2,000 draws from the uniform distribution; 1.95 / sqrt(n) is passed by 1 in 1,000."""
    drawn = np.sort([resolvers.uniform(2.0, 6.0, seed, "lr") for seed in range(2000)])
    distance = np.abs((drawn - 2) / 4 - (np.arange(2000) + 0.5) / 2000).max()
    assert distance < 1.95 / 2000**0.5
    counts = np.bincount([resolvers.choice([0, 1, 2], seed) for seed in range(3000)])
    assert np.abs(counts - 1000).max() < 5 * (3000 * 2 / 9) ** 0.5


def test_values_are_drawn_in_a_config():
    resolvers.register()
    cfg = OmegaConf.create(
        {"seed": 3, "lr": "${uniform:0.01,0.05,${seed},lr}", "units": "${choice:[100,200],${seed},u}"}
    )
    assert cfg.lr == resolvers.uniform(0.01, 0.05, 3, "lr")
    assert cfg.units in (100, 200)
    assert isinstance(cfg.units, int)


def test_nothing_is_drawn_unless_asked(cli):
    assert "no such random_search; there are" in cli("random_search=nothing").err


@pytest.mark.parametrize("plus", ["", "+"])
def test_a_sweep_draws_for_each_job(cli, tmp_path, plus):
    (tmp_path / "random_search").mkdir()
    (tmp_path / "random_search" / "mine.yaml").write_text(
        "# @package _global_\nrecipe: {lr: '${uniform:0.1,0.2,${seed},lr}'}\n"
    )
    words = ("-cd", str(tmp_path), "-m", f"{plus}random_search=mine", "seed=range(0,2)", "recipe.max_epochs=1")
    result = cli(*words)
    if plus:
        assert "random_search is always there; write random_search=mine" in result.err
        return
    assert result.code == 0, result.err
    rates = {OmegaConf.load(path).recipe.lr for path in result.folder.glob("outputs/*/*/*/config.yaml")}
    assert rates == {resolvers.uniform(0.1, 0.2, seed, "lr") for seed in (0, 1)}
