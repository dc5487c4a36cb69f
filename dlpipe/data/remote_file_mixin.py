"""What every dataset that is read from one downloadable file has in common."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from dlpipe.data.files import RemoteFile, find_or_download, sha256_of


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
        """Find the file or download it.

        Raises:
            DataError: it is not here and cannot be downloaded.
        """
        self.path()

    def checksums(self) -> dict[str, str]:
        """The file's name to its sha256."""
        path = self.path()
        return {path.name: sha256_of(path)}
