"""The verb norms."""

import argparse

import dlpipe


def norms(words: list[str]) -> None:
    """Print the norm of each of a run's weights."""
    parser = argparse.ArgumentParser("python -m dlpipe norms", description=norms.__doc__)
    parser.add_argument("run", metavar="RUN", help="the directory of a run, or last")
    model = dlpipe.Run(parser.parse_args(words).run).model
    for name, weight in model.named_parameters():
        print(f"{name} {weight.norm():.6f}")
