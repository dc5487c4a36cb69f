"""The figures of a run: from its best weights, and from every checkpoint kept."""

import numpy as np
import pytest
from PIL import Image

from dlpipe.runs.drawing import enlarge

# its figures show whether gradients are disabled and the module is in evaluation mode
CODE = """
import pytorch_lightning as pl
import torch


class Painter(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(4, 4))
        self.dropout = torch.nn.Dropout(0.5)

    def training_step(self, batch, batch_idx):
        return (self.w - 1).square().mean()

    def figures(self):
        return {"w": self.dropout(self.w * 255).numpy().clip(0, 255).astype("uint8")}
"""


def pictures(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


def test_small_images_are_enlarged_until_they_can_be_seen():
    sheet = np.arange(59 * 11 * 3, dtype=np.uint8).reshape(11, 59, 3)  # LeNet's filters, in colour
    image = enlarge(sheet)
    assert image.shape == (77, 413, 3)
    assert (image[3::7, 3::7] == sheet).all()
    assert (image[::7, ::7] == sheet).all()
    large = np.zeros((289, 400), np.uint8)
    assert enlarge(large).shape == large.shape


def grey_levels(path):
    with Image.open(path) as picture:
        return np.unique(np.asarray(picture)).tolist()


@pytest.mark.parametrize("again", [False, True], ids=["at the end of the run", "by the verb"])
def test_figures_of_kept_checkpoints_are_drawn_in_evaluation_mode(cli, install, again):
    install("dlpipe-painter", {"painter": "painter:Painter"}, {"painter/__init__.py": CODE})
    recipe = ("recipe.max_epochs=3", "recipe.keep_every_n_epochs=1", "trainer.limit_train_batches=4")
    result = cli("model=painter", "recipe.lr=0.5", *recipe, "hydra.run.dir=run")
    assert result.code == 0, result.err
    assert "could not be drawn" not in result.err
    figures = result.folder / "run" / "figures"
    if again:
        for path in figures.glob("*.png"):
            path.unlink()
        assert cli("figures", "run").code == 0
    assert {"w.png", *(f"w_epoch_000{epoch}.png" for epoch in (1, 2, 3)), "w_by_epoch.png"} <= set(pictures(figures))
    levels = [grey_levels(figures / f"w_epoch_000{epoch}.png") for epoch in (1, 2, 3)]
    assert [len(found) for found in levels] == [1, 1, 1]  # dropout would set some to zero
    assert levels[0] < levels[1] < levels[2]
    with Image.open(figures / "w_by_epoch.png") as picture:
        sheet = np.asarray(picture)
    assert [np.unique(tile).tolist() for tile in np.array_split(sheet[100:300], 3, axis=1)] == [
        [*level, 255] for level in levels
    ]


def test_figures_of_kept_checkpoints_are_in_the_folder_of_their_stage(cli):
    sizes = ("model.hidden_sizes=[9,4]", "model.corruption=[0.1,0.1]", "trainer.limit_train_batches=2")
    recipe = ("recipe.stages.pretrain.max_epochs=2", "recipe.stages.pretrain.keep_every_n_epochs=1")
    result = cli("model=sda", *sizes, *recipe, "recipe.max_epochs=1", "hydra.run.dir=run")
    assert result.code == 0, result.err
    found = pictures(result.folder / "run" / "figures")
    # inputs of the second layer are codes, which are not images
    assert [name for name in found if "epoch" in name] == [
        "pretrain/0/filters_by_epoch.png",
        *(f"pretrain/0/filters_epoch_000{epoch}.png" for epoch in (1, 2)),
    ]
    assert {"filters.png", "pretrained_filters.png"} <= set(found)
