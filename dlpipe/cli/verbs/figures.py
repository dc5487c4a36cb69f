"""Draw the figures of a run from its checkpoints: again, or as far as it has come."""

import argparse
import sys

from dlpipe.cli.run_errors import one_line_errors
from dlpipe.config.stored_run import StoredRun, open_without_weights
from dlpipe.errors import DlpipeError
from dlpipe.figures import save_png
from dlpipe.runs.best_weights import load_latest_weights, load_stage_weights
from dlpipe.runs.directory import FIGURES, check_links, check_writable, read_summary
from dlpipe.runs.drawing import draw_figures
from dlpipe.stages import is_staged
from dlpipe.training.build import build_model


def main(arguments: argparse.Namespace) -> int:
    """Draw the learning curves, the best weights' figures, and the module's own figures for each kept checkpoint.

    A run that is not finished may have none of these yet. It may still train: its files are only read.
    """
    with one_line_errors(arguments.run):
        run = open_without_weights(arguments.run)
        check_links(run.directory)
        check_writable(run.directory)
        has_weights = _load_weights(run)
        drawn = _draw(run, has_weights)
        if not has_weights:
            what = "its last stage" if is_staged(run.model) else "its weights"
            missing = f"{run.directory} has no checkpoint of {what}, so the model's own figures are missing"
            if not drawn:
                raise DlpipeError(f"{missing}; learning curves need a metric that was logged twice. Nothing was drawn")
            print(f"dlpipe: {missing}", file=sys.stderr)
    return 0


def _load_weights(run: StoredRun) -> bool:
    """Load the best weights, of a run that is not finished those that it has; whether the last stage has some."""
    stages = run.config.get("stages")
    if read_summary(run.directory).get("status") != "finished":
        return load_latest_weights(run.model, run.directory, stages)
    load_stage_weights(run.model, run.directory, stages)
    return True


def _draw(run: StoredRun, has_weights: bool) -> int:
    """Write the figures and print their paths; the number of figures."""
    best = read_summary(run.directory).get("best")
    data = run.data() if has_weights else None
    count = 0
    for name, image in draw_figures(run.directory, run.model, data, lambda: build_model(run.config)[0], best):
        path = run.directory / FIGURES / f"{name}.png"
        save_png(image, path)
        print(path)
        count += 1
    return count
