"""Draw the figures of a finished run again, from its checkpoints."""

import argparse

from dlpipe.cli.run_errors import open_stored_run
from dlpipe.figures import save_png
from dlpipe.runs.directory import FIGURES, check_links, check_writable, read_summary
from dlpipe.runs.drawing import draw_figures
from dlpipe.training.build import build_model


def main(arguments: argparse.Namespace) -> int:
    """Draw the learning curves, the best weights' figures, and the module's own figures for each kept checkpoint."""
    with open_stored_run(arguments.run) as run:
        check_links(run.directory)
        check_writable(run.directory)
        best = read_summary(run.directory)["best"]
        for name, image in draw_figures(run.directory, run.model, run.data(), lambda: build_model(run.config)[0], best):
            path = run.directory / FIGURES / f"{name}.png"
            save_png(image, path)
            print(path)
    return 0
