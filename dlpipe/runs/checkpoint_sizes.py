"""Compare what a checkpoint declares with what it holds, before memory is allocated for it."""

import contextlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import torch
from torch._weights_only_unpickler import Unpickler

from dlpipe.errors import check_size

BLOCK = 2**20


def check_checkpoint(path: Path) -> None:
    """Compare the sizes in a checkpoint's archive and pickle with the file, and the checksums of the archive.

    torch allocates every size that is declared, reads beyond a record that is shorter, and ignores the checksums.

    Raises:
        DataError: a compressed record, a storage or a tensor declares more bytes than the file has for it.
        ValueError: a member of the archive is damaged.
    """
    size = path.stat().st_size
    if not zipfile.is_zipfile(path):
        check_size("its storages", sum(_storages_without_archive(path).values()), size, "the file has")
        return
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        check_size("the archive", sum(member.file_size for member in archive.infolist()), size, "the file has")
        _check_members(archive)
        for name in sizes:
            if name.endswith("/data.pkl"):
                for key, declared in _declared_storages(io.BytesIO(archive.read(name))).items():
                    record = name.removesuffix(".pkl") + f"/{key}"
                    check_size(f"storage {key}", declared, sizes.get(record, 0), "its record has")


def _storages_without_archive(path: Path) -> dict[str, int]:
    """As `_declared_storages`, of the format that torch wrote before version 1.6; empty for other files."""
    with path.open("rb") as file, contextlib.suppress(Exception):  # `torch.load` says what is wrong
        for _ in range(3):  # torch's magic number, the version of the format, and the platform
            Unpickler(file).load()  # type: ignore[no-untyped-call]
        return _declared_storages(file)
    return {}


def _check_members(archive: zipfile.ZipFile) -> None:
    for member in archive.infolist():
        try:
            with archive.open(member) as file:
                while file.read(BLOCK):
                    pass
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
            raise ValueError(f"checksum mismatch in {member.filename}, or a damaged header: {error}") from error


def _declared_storages(file: IO[bytes]) -> dict[str, int]:
    """The bytes that each storage, or a tensor in it, would allocate, by key: unpickled without any memory for them."""
    storages: dict[str, tuple[torch.UntypedStorage, int]] = {}

    def load_storage(saved: tuple[Any, ...]) -> torch.TypedStorage:
        _, kind, key, _, count = saved[:5]
        dtype = torch.uint8 if kind is torch.UntypedStorage else kind.dtype
        declared = count * dtype.itemsize
        storage, other = storages.get(key, (torch.UntypedStorage(declared, device="meta"), 0))  # type: ignore[no-untyped-call]
        storages[key] = storage, max(declared, other)
        return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)  # type: ignore[no-untyped-call]

    unpickler: Any = Unpickler(file)
    unpickler.persistent_load = load_storage
    with contextlib.suppress(Exception):  # what `torch.load` refuses, or kinds of tensors that need their values
        unpickler.load()
    # a tensor that exceeds its storage has enlarged it
    return {key: max(declared, storage.nbytes()) for key, (storage, declared) in storages.items()}
