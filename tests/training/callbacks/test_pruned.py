"""A run that a callback ends with PrunedError is no failure: it has a status of its own, and exit code 0."""

import pytest

from dlpipe.runs.directory import read_summary

CALLBACK = """
import pytorch_lightning as pl
from dlpipe import PrunedError, monitored

class Hopeless(pl.Callback):
    def on_validation_end(self, trainer, pl_module):
        self.found = None if trainer.sanity_checking else monitored(trainer, None)
    def on_safe_point(self, trainer, pl_module):
        if getattr(self, "found", None):
            raise PrunedError(f"{self.found[0]} is hopeless")
"""
WORDS = ("model=logreg", "+callbacks.hopeless._target_=hopeless.Hopeless", "recipe.max_epochs=3", "try_one_batch=false")


@pytest.fixture
def hopeless(install):
    install("dlpipe-hopeless", {}, {"hopeless.py": CALLBACK})


def test_a_pruned_run_has_its_status_its_best_validation_and_exit_code_0(hopeless, cli):
    result = cli(*WORDS)
    assert result.code == 0, result.err
    assert "val/error is hopeless" in result.out
    summary = read_summary(result.run_dir)
    assert (summary["status"], summary["stopped_by"], summary["epochs"]) == ("pruned", "pruned", 1)
    assert (summary["best"]["metric"], summary["test"]) == ("val/error", {})
    assert "to resume" not in result.out + result.err


def test_a_pruned_job_of_a_sweep_is_a_row_and_does_not_stop_the_others(hopeless, cli):
    result = cli("-m", *WORDS, "seed=1,2")
    assert result.code == 0, result.err
    assert [read_summary(path)["status"] for path in result.run_dirs] == ["pruned", "pruned"]


@pytest.mark.slow
def test_a_pruned_run_on_two_devices_ends_on_both(hopeless, cli):
    result = cli(*WORDS, "trainer=ddp", "trainer.devices=2")
    assert result.code == 0, result.err
    assert read_summary(result.run_dir)["status"] == "pruned"
