"""Runs of small models, each trained once for all tests of a file, and their exported files."""

from collections.abc import Callable
from pathlib import Path

import pytest

REQUESTS = {
    "logreg": "model=logreg",
    "mlp": "model=mlp model.num_hidden=20",
    "lenet": "model=lenet model.num_maps=[2,3] model.num_hidden=20",
    "da": "model=da model.num_hidden=20",
    "ca": "model=ca model.num_hidden=20",
    "sda": "model=sda model.hidden_sizes=[20,15] model.corruption=[0.1,0.2] recipe.stages.pretrain.max_epochs=1",
    "dbn": "model=dbn model.hidden_sizes=[20,15] recipe.stages.pretrain.max_epochs=1",
    "lstm": "model=lstm model.embedding_size=6 model.num_hidden=6",
    **{
        name: f"model=rnn_slu model.recurrence={name} model.embedding_size=5 model.num_hidden=8 recipe.batch_size=10"
        for name in ("elman", "jordan", "bidirectional")
    },
    "rbm": "model=rbm model.num_hidden=20 model.sampling_steps=1",
    "hmc": "model=hmc model.num_burn_in=10 model.num_draws=10",
    "rnn_rbm": "model=rnn_rbm model.num_hidden=4 model.num_recurrent=4 model.k=1 model.generated_frames=5",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the runs, which several tests read."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run_of(runs: Path, cli: Callable) -> Callable[[str], Path]:
    """A function that gives the directory of a finished run of `REQUESTS`."""

    def directory(name: str) -> Path:
        folder = runs / name
        if not folder.exists():
            result = cli(*REQUESTS[name].split(), "recipe.max_epochs=1", "seed=3", f"hydra.run.dir={folder}")
            assert result.code == 0, result.err
        return folder

    return directory


@pytest.fixture
def onnx_of(run_of: Callable[[str], Path], cli: Callable) -> Callable[[str], Path]:
    """A function that gives the ONNX file of a run of `REQUESTS`."""

    def path(name: str) -> Path:
        directory = run_of(name)
        if not list(directory.glob("exports/*.onnx")):
            result = cli("export", str(directory))
            assert result.code == 0, result.err
        (found,) = (directory / "exports").glob("*.onnx")
        return found

    return path
