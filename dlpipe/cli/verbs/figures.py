"""Draw the figures of a finished run again, from its checkpoints."""

import argparse

from dlpipe.cli.verb_parser import VerbParser, add_run
from dlpipe.runs.directory import FIGURES, METRICS, check_links, check_writable


def add_arguments(parser: VerbParser) -> None:
    """RUN."""
    add_run(parser)


def main(arguments: argparse.Namespace) -> int:
    """Draw the learning curves, the best weights' figures, and the module's own figures for each kept checkpoint.

    Raises:
        DlpipeError: the folder is not a run's, or its data is missing.
    """
    from dlpipe.cli.run_errors import open_stored_run
    from dlpipe.figures import draw_learning_curves, save_png
    from dlpipe.runs.drawing import draw_figures

    with open_stored_run(arguments.run) as run:
        check_links(run.directory)
        check_writable(run.directory)
        curves = ("learning_curves", draw_learning_curves(run.directory / METRICS))
        for name, image in [curves, *draw_figures(run.directory, run.model, run.data(), run.new_model)]:
            path = run.directory / FIGURES / f"{name}.png"
            save_png(image, path)
            print(path)
    return 0
