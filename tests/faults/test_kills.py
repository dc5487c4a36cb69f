"""The long form of the faults, shortened: real runs killed at random moments."""

import importlib

import pytest


@pytest.fixture
def kills(monkeypatch):
    monkeypatch.syspath_prepend(__file__.rpartition("/")[0])
    return importlib.import_module("kills")


def test_a_run_on_two_devices_that_is_killed_ends_in_the_same_bits(kills, capsys):
    overrides = ["model=mlp", "model.num_hidden=20", "recipe.max_epochs=10", "recipe.shuffle=true", "trainer=ddp"]
    assert kills.main(["--kills", "1", *overrides, "callbacks.checkpoints.every_n_updates=7"]) == 0
    assert "1 kills, the same bits" in capsys.readouterr().out
