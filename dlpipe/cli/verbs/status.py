"""Show how far a sweep is: jobs finished, failed, running and waiting, the best so far, and the time to go."""

import argparse
from pathlib import Path

from dlpipe.sweeps.progress import status_lines
from dlpipe.sweeps.significance import significance_line
from dlpipe.sweeps.sweep_file import read_requests


def main(arguments: argparse.Namespace) -> int:
    """Print it."""
    directory = Path(arguments.sweep)
    read_requests(directory)  # refuses a directory that is no sweep's, or a damaged one
    print(*status_lines(directory), sep="\n")
    if arguments.significance:
        print(significance_line(directory))
    return 0
