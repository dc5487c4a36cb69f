"""A callback's on_run_end: called once, when everything is written; what it raises loses nothing."""

import pytest

from dlpipe.runs.directory import read_summary

CALLBACK = """
import pytorch_lightning as pl

class AtTheEnd(pl.Callback):
    def __init__(self, fails=False):
        self.fails = fails
    def on_run_end(self, run_dir):
        if self.fails:
            raise RuntimeError("no place to send it")
        (run_dir / "sent.txt").write_text(" ".join(sorted(path.name for path in run_dir.iterdir())))
"""
WORDS = ("model=logreg", "recipe.max_epochs=1", "+callbacks.end._target_=at_the_end.AtTheEnd")


@pytest.fixture
def at_the_end(install):
    install("dlpipe-at-the-end", {}, {"at_the_end.py": CALLBACK})


def test_it_finds_everything_that_a_run_writes(at_the_end, cli):
    result = cli(*WORDS)
    assert result.code == 0, result.err
    written = (result.run_dir / "sent.txt").read_text().split()
    assert {"summary.json", "figures", "weights.safetensors", "metrics.csv"} <= {*written}


def test_an_exception_is_logged_and_the_run_stays_finished(at_the_end, cli):
    result = cli(*WORDS, "+callbacks.end.fails=true")
    assert result.code == 0, result.err
    assert "no place to send it" in result.out + result.err
    assert read_summary(result.run_dir)["status"] == "finished"
