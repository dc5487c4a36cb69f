"""Dataset files: searched for, checked against their sha256, and downloaded if allowed."""

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from dlpipe.atomic import check_space, give_default_mode
from dlpipe.data.content import plain_name
from dlpipe.data.idx_format import idx_blocks
from dlpipe.errors import DataError
from dlpipe.operating_system import expand_user, has_no_home, user_cache

DATA_VARIABLE = "DLPIPE_DATA"
TIMEOUT_SECONDS = 20
BLOCK = 2**20
_downloads_allowed = ContextVar("downloads_allowed", default=True)


class DownloadNeededError(Exception):
    """Files of a dataset are not here, and would be downloaded but for `without_downloads`; no fault of the request."""


@contextlib.contextmanager
def without_downloads() -> Iterator[None]:
    """Raise a `DownloadNeededError` instead of downloading."""
    token = _downloads_allowed.set(False)
    try:
        yield
    finally:
        _downloads_allowed.reset(token)


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web: its name, its checksum, the URLs of its mirrors, and the checksum of its decompressed content.

    With ``content_sha256`` the same content is accepted uncompressed or compressed otherwise.
    """

    name: str
    sha256: str
    urls: tuple[str, ...]
    content_sha256: str | None = None


def search_folders(dataset: str, directory: str | None) -> list[Path]:
    """The folders that are searched for a dataset's files, in order.

    Only ``directory`` if given; otherwise ``$DLPIPE_DATA/<dataset>``, then the user's cache.
    """
    if directory is not None:
        return [expand_user(directory)]
    data = os.environ.get(DATA_VARIABLE)
    return ([expand_user(data) / dataset] if data else []) + [cache_directory(dataset)]


def describe_folders(dataset: str, directory: str | None) -> str:
    """The folders that are searched for a dataset's files, for an error message."""
    return " or ".join(map(_describe, search_folders(dataset, directory)))


def _describe(folder: Path) -> str:
    return "the user's cache, for which HOME or XDG_CACHE_HOME must be set" if has_no_home(folder) else str(folder)


def cache_directory(dataset: str) -> Path:
    """The folder in the user's cache that a dataset is downloaded to.

    For a user without a home directory, a folder that cannot be created: `cached` then caches nothing.
    """
    return user_cache() / dataset


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hexadecimal digits; computed once per process unless the file changes."""
    return _sha256_of(path, _version_of(path), _blocks)


def check(path: Path, file: RemoteFile) -> None:
    """Compare an idx file, or else its decompressed content, with the sha256; a DataError if they differ."""
    actual = sha256_of(path)
    if actual == file.sha256:
        return
    with contextlib.suppress(DataError):
        if _sha256_of(path, _version_of(path), idx_blocks) == (file.content_sha256 or file.sha256):
            return
    raise DataError(
        f"{path} is damaged or a different file: its sha256 is {actual}, expected {file.sha256}. "
        "Delete it; the next run downloads a good copy"
    )


def _version_of(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@functools.lru_cache(maxsize=64)
def _sha256_of(path: Path, version: tuple[int, ...], read: Callable[[Path], Iterator[bytes]]) -> str:
    digest = hashlib.sha256()
    for block in read(path):
        digest.update(block)
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def find_all(names: Iterable[str], dataset: str, directory: str | None) -> list[Path] | None:
    """The files with these names in the first of a dataset's folders that has them all.

    A file may be compressed or not, whatever its name says; be named ``train-images.idx3-ubyte``, as 7-Zip does; and be
    in ``raw`` or ``MNIST/raw`` inside the folder, as torchvision keeps it.
    """
    names = list(names)
    for folder in search_folders(dataset, directory):
        places = (folder, folder / "raw", folder / dataset.upper() / "raw")
        paths = [path for name in names if (path := _find_in(places, name))]
        if len(paths) == len(names):
            return paths
    return None


def _find_in(places: Iterable[Path], name: str) -> Path | None:
    for place in places:
        if (place / name).is_file():
            return place / name
        with contextlib.suppress(OSError):  # no such folder
            similar = sorted(path for path in place.iterdir() if plain_name(path.name) == plain_name(name))
            if path := next(filter(Path.is_file, similar), None):
                return path
    return None


def find(name: str, dataset: str, directory: str | None) -> Path | None:
    """The file with this name, as in `find_all`."""
    paths = find_all([name], dataset, directory)
    return paths[0] if paths else None


def find_or_download(file: RemoteFile, dataset: str, directory: str | None, offline: bool) -> Path:
    """The file of a dataset that is one file: a file that is found is not checked, a downloaded one is.

    Args:
        file: its name, checksum and mirrors.
        dataset: the name of the dataset's folder, see `search_folders`.
        directory: if given, the only folder to search.
        offline: whether downloading is forbidden.

    Raises:
        DataError: the file is not found and cannot be downloaded.
    """
    found = find(file.name, dataset, directory)
    if found is not None:
        return found
    folders = describe_folders(dataset, directory)
    advice = (
        f"set {DATA_VARIABLE} to the folder that has {dataset}/"
        if directory is None
        else f"leave out dataset.directory to search {DATA_VARIABLE} and the user's cache"
    )
    not_found = f"no {file.name} in {folders}. Put it there, or {advice}."
    return download_all([file], dataset, directory, offline, not_found) / file.name


def download_all(
    remote_files: Iterable[RemoteFile], dataset: str, directory: str | None, offline: bool, not_found: str
) -> Path:
    """Download files into ``directory``, or else into the user's cache, and return that folder.

    Raises:
        DataError: downloading is forbidden, ``directory`` does not exist, the folder cannot be written to, or no
            mirror has one of the files; the message contains ``not_found``.
        DownloadNeededError: inside `without_downloads`.
    """
    folder = search_folders(dataset, directory)[-1]
    if offline or has_no_home(folder):
        raise DataError(not_found)
    if directory is not None and not folder.is_dir():  # probably misspelt
        raise DataError(f"dataset.directory={directory} is not a folder; {not_found}")
    if not _downloads_allowed.get():
        raise DownloadNeededError(not_found)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_space(folder, 1)
        for file in remote_files:
            download(file, folder)
    except DataError as error:
        raise DataError(f"{not_found} {error}") from error
    except OSError as error:
        advice = f"; set XDG_CACHE_HOME to a folder that can be, or {DATA_VARIABLE} to one that has {dataset}/"
        message = f"{not_found} {folder} cannot be written to ({error.strerror})"
        raise DataError(message + (advice if directory is None else "")) from error
    return folder


def download(file: RemoteFile, folder: Path) -> Path:
    """Download a file, atomically, from the first mirror that has it with its sha256; a DataError if none has."""
    import pooch

    failures = []
    for url in file.urls:
        downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT_SECONDS)
        try:
            path = Path(pooch.retrieve(url, file.sha256, file.name, folder, downloader=downloader))
            give_default_mode(path)
            return path
        except (OSError, ValueError) as error:  # requests raises OSErrors, pooch a ValueError for a wrong checksum
            failures.append(f"{url}: {type(error).__name__}")
    raise DataError(f"{file.name} could not be downloaded ({'; '.join(failures) or 'it has no known mirror'})")


class RemoteFileMixin(pl.LightningDataModule):
    """For a dataset that is read from one file, which is searched for and otherwise downloaded.

    List it before the base class: ``class Tunes(RemoteFileMixin, SequenceDataModule)``. A subclass sets `dataset_name`
    and `remote_file`, and reads `path()` in ``load_splits``.

    Args:
        directory: where the file is; by default ``$DLPIPE_DATA/<dataset_name>``, then the user's cache.
        offline: never download.
        options: as for the next base class.
    """

    dataset_name: str
    remote_file: RemoteFile

    def __init__(self, *, directory: str | None = None, offline: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.directory = directory
        self.offline = offline

    def path(self) -> Path:
        """Where the file is; it is downloaded if nowhere found.

        Raises:
            DataError: it is not here and cannot be downloaded.
        """
        return find_or_download(self.remote_file, self.dataset_name, self.directory, self.offline)

    def prepare_data(self) -> None:
        """Find the file or download it, as `path` does."""
        self.path()

    def checksums(self) -> dict[str, str]:
        """The file's name to its sha256."""
        path = self.path()
        return {path.name: sha256_of(path)}
