"""Show what a checkpoint contains, without executing anything in it."""

import argparse
from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf
from torch import Tensor

from dlpipe.errors import DlpipeError
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.training.resume.run_state import KEY


def main(arguments: argparse.Namespace) -> int:
    """Print versions, progress, metrics, the config and the shapes of all tensors."""
    checkpoint = read_checkpoint(arguments.file)
    try:
        description = list(_lines(checkpoint))
    except Exception as error:  # another program, or chance, may have put anything where dlpipe has its own keys
        message = f"{arguments.file} is damaged, or no checkpoint: {type(error).__name__}: {error}"
        raise DlpipeError(message) from error
    print(*description, sep="\n")
    return 0


def _lines(checkpoint: dict[str, Any]) -> Iterator[str]:
    run_state = checkpoint.get(KEY, {})
    lightning = {"pytorch-lightning": checkpoint.get("pytorch-lightning_version", "unknown")}
    yield ", ".join(f"{name} {version}" for name, version in (run_state.get("versions", {}) | lightning).items())
    if "global_step" in checkpoint:
        yield f"after {checkpoint['global_step']} updates and {checkpoint['epoch']} whole epochs"
    for name, value in run_state.get("metrics", {}).items():
        yield f"{name} {value}"
    if "config" in run_state:
        yield from ["config:", *(f"  {line}" for line in OmegaConf.to_yaml(run_state["config"]).splitlines())]
    yield "tensors:"
    for path, tensor in _tensors(checkpoint):
        yield f"  {path}: {'x'.join(map(str, tensor.shape)) or 'scalar'} {str(tensor.dtype).removeprefix('torch.')}"
    yield "it holds tensors and plain containers only: loading it calls nothing"


def _tensors(node: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(node, Tensor):
        yield path, node
    elif isinstance(node, (dict, list, tuple)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _tensors(value, f"{path}.{key}" if path else str(key))
