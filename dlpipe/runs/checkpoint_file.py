"""Read a checkpoint without executing anything in it."""

import pickle
import pickletools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from dlpipe.data.content import compression
from dlpipe.errors import DataError, DlpipeError, format_list, system_errors_in_one_line
from dlpipe.runs.checkpoint_sizes import check_checkpoint


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint: tensors on the CPU, and plain containers; ignores torch's environment variables.

    A safetensors file, which has weights alone, is known by its first bytes and has the key ``state_dict``.

    Raises:
        DlpipeError: the file is missing, compressed or damaged, declares more than it holds, or loading it would
            call a function, which the message names.
    """
    if not path.is_file():
        raise DlpipeError(f"no checkpoint {path}")
    try:
        with warnings.catch_warnings(), system_errors_in_one_line():
            warnings.simplefilter("ignore")  # torch warns about unusual files before it fails
            if _is_safetensors(path):
                return {"state_dict": load_file(path)}
            if (name := compression(path)) not in ("", "zip"):  # torch writes a zip archive
                raise DlpipeError(f"{path} is compressed by {name}: decompress it, and keep its name")
            check_checkpoint(path)
            with path.open("rb") as file:  # of a path, torch would believe the suffix
                content = torch.load(file, map_location="cpu", weights_only=True)
    except DataError as error:
        raise DlpipeError(f"{path} cannot be read: {error}. It is damaged, or not a checkpoint") from error
    except (MemoryError, DlpipeError):
        raise
    except pickle.UnpicklingError as error:
        message = f"would call {format_list(calls)}" if (calls := unsafe_globals(path)) else _first_line(error)
        raise DlpipeError(f"{path} is refused: it holds more than tensors and plain containers: {message}") from error
    except Exception as error:  # torch raises many types for damaged files
        raise DlpipeError(f"{path} cannot be read: {_first_line(error)}. It is damaged, or not a checkpoint") from error
    if not isinstance(content, dict):
        raise DlpipeError(f"{path} is not a checkpoint: it holds a {type(content).__name__}")
    return content


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(9)
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size


def unsafe_globals(path: Path) -> list[str]:
    """The functions that unpickling the file would call, which `read_checkpoint` refuses; empty if unknown."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # not a zip archive, or damaged
        return sorted(set(_globals_of_pickle(path)))


def _globals_of_pickle(path: Path) -> Iterator[str]:
    """The global names that a plain pickle would look up, as far as it can be read."""
    strings: list[str] = []
    try:
        for operation, argument, _ in pickletools.genops(path.read_bytes()):
            if operation.name == "GLOBAL":
                yield str(argument).replace(" ", ".")
            elif operation.name == "STACK_GLOBAL" and len(strings) > 1:
                yield ".".join(strings[-2:])
            elif isinstance(argument, str):
                strings.append(argument)
    except Exception:  # not a pickle
        return


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
