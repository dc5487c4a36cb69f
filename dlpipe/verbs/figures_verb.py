"""``figures RUN``: the figures of a finished run, drawn again from its checkpoints."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpipe.figures import draw_learning_curves, figures_of, save_png
from dlpipe.finished_run import open_run
from dlpipe.run_directory import CHECKPOINTS, FIGURES, METRICS


def main(run_dir: str) -> int:
    """Draw the learning curves, the best weights' figures, and the module's own of each kept checkpoint.

    Raises:
        DlpipeError: the folder is no run's, or its data is gone.
    """
    run = open_run(run_dir)
    folder = run.directory / FIGURES
    figures = {"learning_curves": draw_learning_curves(run.directory / METRICS), **figures_of(run.model, run.data())}
    for kept in sorted((run.directory / CHECKPOINTS).glob("epoch_*.ckpt")):
        figures |= _own_figures(run_dir, kept)
    for name, image in figures.items():
        save_png(image, folder / f"{name}.png")
        print(folder / f"{name}.png")
    return 0


def _own_figures(run_dir: str, kept: Path) -> dict[str, NDArray[np.uint8]]:
    own = getattr(open_run(run_dir, f"{CHECKPOINTS}/{kept.name}").model, "figures", dict)
    return {f"{name}_{kept.stem}": image for name, image in own().items()}
