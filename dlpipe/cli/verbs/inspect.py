"""Show what a checkpoint contains, without executing anything in it."""

import argparse
from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf
from torch import Tensor

from dlpipe.errors import DlpipeError
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.directory import best_of
from dlpipe.training.resume.run_state import KEY


def main(arguments: argparse.Namespace) -> int:
    """Print the weights, versions, progress, metrics and the config; with ``--all`` every other tensor too."""
    if arguments.file.is_dir():
        raise DlpipeError(f"{arguments.file} is a folder; name a checkpoint in it, such as {best_of(arguments.file)}")
    checkpoint = read_checkpoint(arguments.file)
    try:
        description = list(_lines(checkpoint, arguments.all))
    except Exception as error:  # another program, or chance, may have put anything where dlpipe has its own keys
        message = f"{arguments.file} is damaged, or no checkpoint: {type(error).__name__}: {error}"
        raise DlpipeError(message) from error
    print(*description, sep="\n")
    return 0


def _lines(checkpoint: dict[str, Any], all_tensors: bool) -> Iterator[str]:
    weights = list(_tensors(checkpoint.get("state_dict", {})))
    yield f"weights: {sum(tensor.numel() for _, tensor in weights):,} numbers in {_count(weights)}"
    yield from _table(weights)
    run_state = checkpoint.get(KEY, {})
    lightning = {"pytorch-lightning": checkpoint.get("pytorch-lightning_version", "unknown")}
    yield ", ".join(f"{name} {version}" for name, version in (run_state.get("versions", {}) | lightning).items())
    if "global_step" in checkpoint:
        yield f"after {checkpoint['global_step']} updates and {checkpoint['epoch']} whole epochs"
    for name, value in run_state.get("metrics", {}).items():
        yield f"{name} {value}"
    if "config" in run_state:
        yield from ["config:", *(f"  {line}" for line in OmegaConf.to_yaml(run_state["config"]).splitlines())]
    others = list(_tensors({key: value for key, value in checkpoint.items() if key != "state_dict"}))
    if all_tensors:
        yield from ["other tensors:", *_table(others)]
    elif others:
        yield f"{_count(others, 'other ')}, such as those of the optimizer: --all shows them"
    yield "it holds tensors and plain containers only: loading it calls nothing"


def _count(tensors: list[tuple[str, Tensor]], which: str = "") -> str:
    return f"{len(tensors)} {which}tensor{'' if len(tensors) == 1 else 's'}"


def _table(tensors: list[tuple[str, Tensor]]) -> list[str]:
    """One aligned line per tensor: name, shape, dtype."""
    rows = [(path, "x".join(map(str, t.shape)) or "scalar", str(t.dtype).removeprefix("torch.")) for path, t in tensors]
    name, shape = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    return [f"  {row[0]:{name}}  {row[1]:{shape}}  {row[2]}" for row in rows]


def _tensors(node: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(node, Tensor):
        yield path, node
    elif isinstance(node, (dict, list, tuple)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _tensors(value, f"{path}.{key}" if path else str(key))
