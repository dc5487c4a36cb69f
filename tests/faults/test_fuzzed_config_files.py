"""Config files drawn by hypothesis: exit code 0, or 2 with a reason; no traceback, nothing written."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .drawn import files, fuzzed, is_clear

pytestmark = pytest.mark.timeout(7200)


@pytest.fixture
def write(install, tmp_path):
    """Write a config file of a plugin's model, or one in a folder of the user's own; return how to ask for it."""
    code = """
import pytorch_lightning as pl
class Fuzzed(pl.LightningModule):
    def __init__(self, num_hidden: int = 3):
        super().__init__()
"""
    site = install("dlpipe-fuzzed", {"fuzzed": "fuzzed:Fuzzed"}, {"fuzzed/__init__.py": code})
    own = tmp_path / "own"

    def put(group, content):
        folder = site / "fuzzed" / "conf" if group in ("model", "recipe") else own
        own.mkdir(exist_ok=True)
        (folder / group).mkdir(parents=True, exist_ok=True)
        (site / "fuzzed" / "conf" / "model").mkdir(parents=True, exist_ok=True)
        (site / "fuzzed" / "conf" / "model" / "fuzzed.yaml").write_text("name: fuzzed\n")
        (folder / group / "fuzzed.yaml").write_bytes(content)
        chosen = [] if group in ("model", "recipe") else [f"{group}=fuzzed"]
        return ["-cd", str(own), "model=fuzzed", *chosen]

    return put


@fuzzed
@example("trainer", b"[]\n")
@example("optimizer", b"lr: caf\xe9\n")
@example("model", b"name: caf\xe9\n")
@example("model", b"name: fuzzed\na: " + b"[" * 2000 + b"]" * 2000)
@example("callbacks", b"a: " + b"{a: " * 2000 + b"}" * 2000)
@example("callbacks", b"x:\n  _target_: pytorch_lightning.callbacks.Timer\n  duration: {0: 1}\n")
@example("recipe", b"lr: &a [*a]\n")
@example("recipe", b"\x00")
@given(
    st.sampled_from(("model", "recipe", "optimizer", "callbacks", "trainer", "logger", "hydra/launcher", "scheduler")),
    files | files | files | st.binary(max_size=40),
)
def test_a_config_file_is_refused_with_its_reasons_or_could_be_used(cli, write, group, content):
    is_clear(cli("check", *write(group, content)))
