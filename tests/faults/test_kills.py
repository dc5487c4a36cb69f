"""The long form of the faults, shortened: real runs killed at random moments, signals to ranks that agree."""

import importlib

import pytest


@pytest.fixture
def command(monkeypatch):
    """A command of this folder, by name."""
    monkeypatch.syspath_prepend(__file__.rpartition("/")[0])
    return importlib.import_module


@pytest.mark.slow
def test_a_run_on_two_devices_that_is_killed_ends_in_the_same_bits(command, capsys):
    overrides = ["model=mlp", "model.num_hidden=20", "recipe.max_epochs=10", "recipe.shuffle=true", "trainer=ddp"]
    options = ["--kills", "1", "--per-run", "1"]
    assert command("kills").main([*options, *overrides, "callbacks.checkpoints.every_n_updates=7"]) == 0
    assert "1 kills, the same bits" in capsys.readouterr().out


@pytest.mark.slow
def test_a_command_that_was_stopped_continues_with_its_runs(command, tmp_path, capsys):
    overrides = ["model=logreg", "recipe.max_epochs=30", "callbacks.checkpoints.every_n_updates=5"]
    options = ["--directory", str(tmp_path), "--per-run", "2", "--signal", "SIGTERM"]
    assert command("kills").main([*options, "--kills", "1", *overrides]) == 0
    whole = (tmp_path / "whole" / "summary.json").stat().st_mtime
    assert command("kills").main([*options, "--kills", "2", *overrides]) == 0
    assert "2 SIGTERM, the same bits" in capsys.readouterr().out
    assert (tmp_path / "whole" / "summary.json").stat().st_mtime == whole
    assert len((tmp_path / "interruptions.jsonl").read_text().splitlines()) == 2


@pytest.mark.slow
def test_no_signal_to_one_of_two_ranks_is_lost(command, tmp_path, capsys):
    options = ["--directory", str(tmp_path)]
    assert command("rank_signals").main([*options, "--signals", "100"]) == 0
    assert command("rank_signals").main([*options, "--signals", "150"]) == 0
    assert "150 signals to two processes: none lost" in capsys.readouterr().out
