"""The arguments of ``python -m dlpipe export``; importing this file imports no torch."""

import argparse
from pathlib import Path

SUFFIXES = {"onnx": ".onnx", "torch_export": ".pt2", "safetensors": ".safetensors"}


def export(words: list[str]) -> None:
    """Export a run's model to ONNX, torch.export or safetensors."""
    arguments = _parser().parse_args(words)
    from dlpipe_authoring.export.export_run import export_run

    export_run(arguments.run, arguments.format, arguments.output, arguments.force)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m dlpipe export", description=export.__doc__, allow_abbrev=False)
    parser.add_argument("run", metavar="RUN", help="the directory of a run; last: the latest in outputs/")
    parser.add_argument("--format", choices=SUFFIXES, default="onnx", help="default: onnx")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="default: RUN/exports/MODEL with the suffix .onnx, .pt2 or .safetensors",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
    return parser
