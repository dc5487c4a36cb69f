"""``figures RUN``: the figures of a finished run, drawn again from its checkpoints."""

from dlpipe.cli.verbs.opened import opened
from dlpipe.figures import draw_learning_curves, save_png
from dlpipe.runs.directory import FIGURES, METRICS, check_links
from dlpipe.runs.drawing import draw_figures


def main(run_dir: str) -> int:
    """Draw the learning curves, the best weights' figures, and the module's own of each kept checkpoint.

    Raises:
        DlpipeError: the folder is no run's, or its data is gone.
    """
    with opened(run_dir) as run:
        check_links(run.directory)
        curves = ("learning_curves", draw_learning_curves(run.directory / METRICS))
        for name, image in [curves, *draw_figures(run.directory, run.model, run.data(), run.new_model)]:
            path = run.directory / FIGURES / f"{name}.png"
            save_png(image, path)
            print(path)
    return 0
