"""``inspect FILE``: what a checkpoint holds, without running anything in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from torch import Tensor

from dlpipe.errors import DlpipeError
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.training.resume.run_state import KEY


def main(file: str) -> int:
    """Print versions, progress, metrics, the config and the shapes of all tensors.

    Raises:
        DlpipeError: it cannot be read, or would call something, which is then named.
    """
    found = read_checkpoint(Path(file))
    try:
        message = list(lines(found))
    except Exception as error:  # of what another program, or chance, has put where dlpipe has its own
        raise DlpipeError(f"{file} is damaged, or no checkpoint: {type(error).__name__}: {error}") from error
    print(*message, sep="\n")
    return 0


def lines(checkpoint: dict[str, Any]) -> Iterator[str]:
    """What there is to say of a checkpoint; of one that dlpipe has not written, the tensors."""
    own = checkpoint.get(KEY, {})
    versions = own.get("versions", {}) | {"pytorch-lightning": checkpoint.get("pytorch-lightning_version", "unknown")}
    yield ", ".join(f"{name} {number}" for name, number in versions.items())
    if "global_step" in checkpoint:
        yield f"after {checkpoint['global_step']} updates and {checkpoint['epoch']} whole epochs"
    for name, value in own.get("metrics", {}).items():
        yield f"{name} {value}"
    if "config" in own:
        yield from ["config:", *(f"  {line}" for line in OmegaConf.to_yaml(own["config"]).splitlines())]
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
