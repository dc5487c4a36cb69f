"""Reading a checkpoint without running anything that it holds."""

import pickle
from pathlib import Path
from typing import Any

import torch

from dlpipe.errors import DlpipeError, listed


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds: tensors, on the CPU, and plain containers; whatever the environment says.

    Raises:
        DlpipeError: there is none, it is damaged, or it would call something, which is then named.
    """
    if not path.is_file():
        raise DlpipeError(f"no checkpoint {path}")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        told = f"would call {listed(calls)}" if (calls := unsafe_globals(path)) else _first_line(error)
        raise DlpipeError(f"{path} is refused: it holds more than tensors and plain containers: {told}") from error
    except Exception as error:  # torch raises many types for damaged files
        raise DlpipeError(f"{path} cannot be read: {_first_line(error)}. It is damaged, or no checkpoint") from error
    if not isinstance(found, dict):
        raise DlpipeError(f"{path} is no checkpoint: it holds a {type(found).__name__}")
    return found


def unsafe_globals(path: Path) -> list[str]:
    """What loading the file by pickle would call and `read_checkpoint` does not; empty where that cannot be told."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # of files that are no zip archive, or damaged
        return []


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
