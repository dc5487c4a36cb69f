"""Fixtures of the faults: bytes changed at random, no data and no network, memory for what is small only."""

import os
import random
from collections.abc import Callable, Iterator

import pytest

from dlpipe import DataError
from dlpipe.data import files


@pytest.fixture(scope="session")
def mutated() -> Callable[[bytes, random.Random], bytes]:
    """Bytes of a file in which chance has changed, left out, doubled or put in some, or cut off the rest."""

    def change(content: bytes, draw: random.Random) -> bytes:
        changed = bytearray(content)
        for _ in range(draw.choice([1, 1, 2, 8])):
            at, length = draw.randrange(len(changed) + 1), draw.randint(1, 40)
            kind = draw.choice(["flip", "set", "leave out", "double", "put in", "cut off"])
            if kind == "flip":
                changed[at : at + 1] = bytes(byte ^ 1 << draw.randrange(8) for byte in changed[at : at + 1])
            elif kind == "set":
                changed[at : at + 1] = draw.randbytes(1)
            elif kind == "leave out":
                del changed[at : at + length]
            elif kind == "double":
                changed[at:at] = changed[at : at + length]
            elif kind == "put in":
                changed[at:at] = draw.randbytes(length)
            else:
                del changed[at:]
        return bytes(changed)

    return change


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """No data but what comes with dlpipe, and no network."""

    def refuse(file: files.RemoteFile, folder: object) -> None:
        raise DataError(f"{file.name} could not be downloaded")

    monkeypatch.delenv(files.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(files, "download", refuse)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Half a GiB more than the process has, so that what a header only claims is not asked for unnoticed."""
    resource = pytest.importorskip("resource")
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + 2**29, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
