"""The base of every dataset of tunes."""

from abc import abstractmethod
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from dlpipe import DataError
from dlpipe.data import (
    EpochSampler,
    Ragged,
    SequenceDataModule,
    SequenceMinibatches,
    SequenceSplit,
    SplitName,
)
from dlpipe_music.key import in_common_key
from dlpipe_music.piano_roll import NUM_PITCHES, Roll, pieces_of

Positive = Annotated[int, Field(gt=0)]


class Tunes(SequenceDataModule):
    """Tunes as frames of zeros and ones; a subclass loads them in `load_rolls`.

    Training sees the tunes in a new order each epoch, cut into consecutive pieces; validation and test see whole tunes.
    The label y of a piece is the number of its tune.

    Args:
        lowest_pitch: MIDI number of the first entry of a frame.
        num_pitches: entries of a frame; other pitches are dropped.
        frame_seconds: length of a frame.
        piece_frames: largest number of frames in a piece.
        common_key: whether every tune is transposed to C major or A minor.
        batch_size: pieces in a training minibatch; None for all of them.
        shuffle: whether each epoch has a new order.
        drop_last: whether training drops a last minibatch that is not full.
        eval_batch_size: tunes in an evaluation batch.
        seed: of the order.
    """

    title = "a tune of the test set"  # of a picture of one

    def __init__(
        self,
        *,
        lowest_pitch: Annotated[int, Field(ge=0, le=127)] = 21,
        num_pitches: Positive = 88,
        frame_seconds: Annotated[float, Field(gt=0)] = 0.3,
        piece_frames: Positive = 100,
        common_key: bool = False,
        batch_size: Positive | None,
        shuffle: bool,
        drop_last: bool,
        eval_batch_size: Positive,
        seed: Annotated[int, Field(ge=0)],
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            shuffle=shuffle,
            drop_last=drop_last,
            bucket=1,
            eval_batch_size=eval_batch_size,
            seed=seed,
        )
        if lowest_pitch + num_pitches > NUM_PITCHES:
            raise ValueError(
                f"dataset.lowest_pitch={lowest_pitch} with dataset.num_pitches={num_pitches} ends above 127, the "
                "highest MIDI number"
            )
        self.pitches = slice(lowest_pitch, lowest_pitch + num_pitches)
        self.frame_seconds = frame_seconds
        self.piece_frames = piece_frames
        self.common_key = common_key

    @abstractmethod
    def load_rolls(self) -> dict[SplitName, list[Roll]]:
        """Read train, val and test: each tune as (frames, 128), 1 where a pitch sounds."""

    def load_splits(self) -> dict[SplitName, SequenceSplit]:
        """x of frames (num_pitches,) of float32, y (pieces,) or (tunes,) of int64."""
        rolls = self.load_rolls()
        if missing := [name for name, split in rolls.items() if not split]:
            raise DataError(f"there are no tunes for {', '.join(missing)}; each of train, val and test needs one")
        return {name: self._split(split, cut=name == "train") for name, split in rolls.items()}

    def train_dataloader(self) -> SequenceMinibatches:
        """Minibatches of pieces, tune after tune."""
        split = self.splits["train"]
        order = TuneOrder(split.y, self.seed, self.shuffle)  # type: ignore[arg-type]  # a tensor, as `_split` makes it
        return SequenceMinibatches(split, **self.loader_arguments(order))

    def _split(self, rolls: list[Roll], cut: bool) -> SequenceSplit:
        if self.common_key:
            rolls = [in_common_key(roll) for roll in rolls]
        pieces = [pieces_of(roll, self.piece_frames) if cut else [roll] for roll in rolls]
        frames = [torch.from_numpy(piece[:, self.pitches].astype(np.float32)) for tune in pieces for piece in tune]
        tunes = torch.tensor([number for number, tune in enumerate(pieces) for _ in tune])
        return SequenceSplit(Ragged.of(frames), tunes)


class TuneOrder(EpochSampler):
    """Pieces tune after tune: the tunes shuffled, the pieces of each in their order; a function of (seed, epoch).

    Args:
        tunes: the number of the tune of each piece, (pieces,), rising.
        seed: of the order.
        shuffle: whether each epoch has a new order.
    """

    def __init__(self, tunes: Tensor, seed: int, shuffle: bool) -> None:
        super().__init__(len(tunes), seed, shuffle)
        tunes = tunes.cpu()
        self.counts = torch.bincount(tunes)
        self.firsts = self.counts.cumsum(0) - self.counts

    def permutation(self) -> Tensor | None:
        """Numbers of pieces (pieces,) in this epoch's order; None for the original one."""
        if not self.shuffle:
            return None
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.counts))
        counts, firsts = self.counts[order], self.firsts[order]
        within = torch.arange(self.num_examples) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        return torch.repeat_interleave(firsts, counts) + within
