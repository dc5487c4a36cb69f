"""``sample``: what a generative model draws, written to its run's directory."""

import numpy as np
import pytest
from PIL import Image

CODE = """
import numpy as np
import pytorch_lightning as pl
import torch


class Generative(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(784))

    def training_step(self, batch, batch_idx):
        return (batch[0] - self.mean).square().mean()

    def sample(self, count, data):
        x = torch.randn(count, 784) + self.mean
        first = next(iter(data.test_dataloader()))[0]
        picture = (first[:1].reshape(28, 28) * 255).byte().numpy()
        return {"samples.npy": x.numpy(), "deep/one.png": picture, "note.txt": b"drawn"}
"""


@pytest.fixture
def run_dir(install, cli):
    install("dlpipe-generative", {"generative": "generative:Generative"}, {"generative/__init__.py": CODE})
    result = cli("model=generative", "recipe.max_epochs=1", "hydra.run.dir=run")
    assert result.code == 0, result.err
    return result.folder / "run"


def test_samples_are_written_by_their_names(run_dir, cli):
    result = cli("sample", "run", "-n", "7")
    assert result.code == 0, result.err
    samples = run_dir / "samples"
    assert [line.rpartition("samples/")[2] for line in result.out.splitlines()] == [
        "samples.npy",
        "deep/one.png",
        "note.txt",
    ]
    assert np.load(samples / "samples.npy").shape == (7, 784)
    with Image.open(samples / "deep" / "one.png") as picture:
        assert picture.size == (28, 28)
    assert (samples / "note.txt").read_bytes() == b"drawn"


def test_samples_are_a_function_of_the_seed(run_dir, cli):
    drawn = []
    for seed in (), (), ("--seed", "5"):
        assert cli("sample", "run", *seed).code == 0
        drawn.append(np.load(run_dir / "samples" / "samples.npy"))
    assert drawn[0].shape == (100, 784)
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "-n", "0"), "must be a whole number from 1, not '0'"),
        (("run", "-n", "many"), "must be a whole number from 1, not 'many'"),
        (("run", "--seed", "-1"), "usage: python -m dlpipe sample [-n COUNT] [--seed SEED] RUN"),
        (("run", "--sed", "1"), "unrecognized arguments: --sed 1; usage: python -m dlpipe sample [-n COUNT] "),
        (("run", "--sed", "1"), "RUN; did you mean '--seed'?"),
        (("-n", "1"), "the following arguments are required: RUN"),
        (("nowhere",), "nowhere is not a run's directory"),
    ],
)
def test_a_wrong_request_is_refused(cli, words, message):
    result = cli("sample", *words)
    assert result.code == 2
    assert message in result.err


def test_a_model_that_generates_nothing_says_so(cli):
    assert cli("model=logreg", "recipe.max_epochs=1", "hydra.run.dir=run").code == 0
    result = cli("sample", "run")
    assert result.code == 2
    assert "model 'logreg' has no samples to give: it has no method sample(count, data)" in result.err
