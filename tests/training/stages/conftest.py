"""The model of docs/stages.md, installed, and a callback that crashes."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs" / "stages.md"
FILES = dict(re.findall(r"^\*\*`(.+?)`\*\*\n\n```\w+\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL))
CRASH = '''
import pathlib
import pytorch_lightning as pl


class Crash(pl.Callback):
    """Raise once in a stage, after its given update or, if it has fewer, at its end."""

    def __init__(self, flag: str, stage: str, update: int):
        self.flag, self.stage, self.update = pathlib.Path(flag), stage, update

    def on_train_batch_end(self, trainer, *_):
        self._crash(trainer, trainer.global_step == self.update)

    def on_train_end(self, trainer, _):
        self._crash(trainer, trainer.global_step < self.update)

    def _crash(self, trainer, is_due):
        if is_due and trainer.loggers[0].stage == self.stage and not self.flag.exists():
            self.flag.touch()
            raise RuntimeError("crashed")
'''


@pytest.fixture
def stacked(install):
    """Install the plugin of docs/stages.md; its model is called stacked."""
    assert len(FILES) == 3
    install("dlpipe-stacked", {"stacked": "stacked:Stacked"}, FILES | {"crash.py": CRASH})
    return "stacked"
