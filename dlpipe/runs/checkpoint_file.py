"""Reading a checkpoint without running anything that it holds."""

import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from dlpipe.errors import DlpipeError, format_list


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds: tensors, on the CPU, and plain containers; whatever the environment says.

    Raises:
        DlpipeError: there is none, it is damaged, or it would call something, which is then named.
    """
    if not path.is_file():
        raise DlpipeError(f"no checkpoint {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch says of unusual files before it fails
            _check_sums(path)
            found = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        message = f"would call {format_list(calls)}" if (calls := unsafe_globals(path)) else _first_line(error)
        raise DlpipeError(f"{path} is refused: it holds more than tensors and plain containers: {message}") from error
    except Exception as error:  # torch raises many types for damaged files
        raise DlpipeError(f"{path} cannot be read: {_first_line(error)}. It is damaged, or no checkpoint") from error
    if not isinstance(found, dict):
        raise DlpipeError(f"{path} is no checkpoint: it holds a {type(found).__name__}")
    return found


def _check_sums(path: Path) -> None:
    """Hold what is in a zip archive, as torch writes it, against the checksums in it, which torch does not look at.

    Raises:
        ValueError: something in it is damaged.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if name := archive.testzip():
                raise ValueError(f"{name} in it has another checksum")


def unsafe_globals(path: Path) -> list[str]:
    """What loading the file by pickle would call and `read_checkpoint` does not; empty where that cannot be told."""
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # of files that are no zip archive, or damaged
        return sorted(set(_globals_of_pickle(path)))


def _globals_of_pickle(path: Path) -> Iterator[str]:
    """Names that a bare pickle would look up, as far as it can be read."""
    strings: list[str] = []
    try:
        for operation, argument, _ in pickletools.genops(path.read_bytes()):
            if operation.name == "GLOBAL":
                yield str(argument).replace(" ", ".")
            elif operation.name == "STACK_GLOBAL" and len(strings) > 1:
                yield ".".join(strings[-2:])
            elif isinstance(argument, str):
                strings.append(argument)
    except Exception:  # of bytes that are no pickle
        return


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
