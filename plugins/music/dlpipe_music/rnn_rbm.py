"""The RNN-RBM as a LightningModule."""

from typing import Annotated, Any, final

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Generator, Tensor, nn

from dlpipe import DataError
from dlpipe.data import SequenceBatch, length_mask
from dlpipe.epoch_mean import EpochMean
from dlpipe_boltzmann.contrastive_divergence import contrastive_divergence
from dlpipe_boltzmann.energy import Parameters, visible_preactivation
from dlpipe_boltzmann.gibbs import sample_units
from dlpipe_boltzmann.reconstruction import reconstruction_log_likelihood
from dlpipe_music.conditional import Conditioning, conditional_machine, frames_of
from dlpipe_music.generation import generate
from dlpipe_music.midi import write_midi
from dlpipe_music.pictures import piano_roll_picture
from dlpipe_music.recurrence import Recurrence, states, states_before
from dlpipe_music.tunes import Tunes

Positive = Annotated[int, Field(gt=0)]
WEIGHT_SCALE, RECURRENT_SCALE = 0.01, 0.0001  # standard deviations of the initial W, and of all other matrices


@final
class RnnRbm(pl.LightningModule):
    """A restricted Boltzmann machine for each frame, whose biases depend on the earlier frames through a recurrence.

    u_t = tanh(b_u + v_t W_vu + u_{t-1} W_uu), u_0 = 0; frame t has the machine (W, b + u_{t-1} W_uv, c + u_{t-1} W_uh).
    The loss is the mean over frames of F(v) - F(v_k), by CD-k over all frames at once, with the end v_k as a constant;
    the gradient flows through the biases into the recurrence. ``reconstruction``, the tutorial's monitor, is the
    log-likelihood of a frame under the visible means one Gibbs step from v_k. It rises towards 0. Validation and test
    compute it on whole tunes, with random numbers from a fixed seed.

    Args:
        num_visible: pitches, the entries of a frame.
        lowest_pitch: MIDI number of the first pitch, for MIDI files and pictures.
        frame_seconds: length of a frame, for MIDI files and pictures.
        num_hidden: hidden units of the machine.
        num_recurrent: units of the recurrence.
        k: Gibbs steps of an update.
        generated_frames: length of a generated piece.
        generation_steps: Gibbs steps of a generated frame, starting from silence.

    Source: "Modeling and generating sequences of polyphonic music with the RNN-RBM"; W from N(0, 0.01^2), the other
    matrices from N(0, 0.0001^2), biases 0.
    """

    def __init__(
        self,
        num_visible: Positive = 88,
        lowest_pitch: Annotated[int, Field(ge=0, le=127)] = 21,
        frame_seconds: Annotated[float, Field(gt=0)] = 0.3,
        num_hidden: Positive = 150,
        num_recurrent: Positive = 100,
        k: Positive = 15,
        generated_frames: Positive = 200,
        generation_steps: Positive = 25,
    ) -> None:
        super().__init__()
        if lowest_pitch + num_visible > 128:
            raise ValueError(
                f"lowest_pitch={lowest_pitch} with num_visible={num_visible} ends above 127, the highest MIDI number"
            )
        self.lowest_pitch = lowest_pitch
        self.frame_seconds = frame_seconds
        self.k = k
        self.generated_frames = generated_frames
        self.generation_steps = generation_steps
        self.W = nn.Parameter(WEIGHT_SCALE * torch.randn(num_visible, num_hidden))
        self.W_uh = nn.Parameter(RECURRENT_SCALE * torch.randn(num_recurrent, num_hidden))
        self.W_uv = nn.Parameter(RECURRENT_SCALE * torch.randn(num_recurrent, num_visible))
        self.W_vu = nn.Parameter(RECURRENT_SCALE * torch.randn(num_visible, num_recurrent))
        self.W_uu = nn.Parameter(RECURRENT_SCALE * torch.randn(num_recurrent, num_recurrent))
        self.b = nn.Parameter(torch.zeros(num_visible))
        self.c = nn.Parameter(torch.zeros(num_hidden))
        self.b_u = nn.Parameter(torch.zeros(num_recurrent))
        self.epoch_mean = EpochMean(dtype=torch.float64)

    @property
    def machine(self) -> Parameters:
        """W (num_visible, num_hidden), b (num_visible,), c (num_hidden,): of a first frame."""
        return Parameters(self.W, self.b, self.c)

    @property
    def recurrence(self) -> Recurrence:
        """W_vu (num_visible, num_recurrent), W_uu (num_recurrent, num_recurrent), b_u (num_recurrent,)."""
        return Recurrence(self.W_vu, self.W_uu, self.b_u)

    @property
    def conditioning(self) -> Conditioning:
        """W_uv (num_recurrent, num_visible), W_uh (num_recurrent, num_hidden)."""
        return Conditioning(self.W_uv, self.W_uh)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Parameters:
        """The machine of each frame of x (pieces, steps, num_visible): its biases have one row per frame.

        Args:
            x: padded to the longest piece.
            mask: which steps are in a piece, (pieces, steps); None for all.
        """
        u = frames_of(states_before(states(self.recurrence, x)), mask)
        return conditional_machine(self.machine, self.conditioning, u)

    def check_data(self, data: pl.LightningDataModule) -> None:
        """Check that the dataset has tunes, with the model's frames.

        Raises:
            DataError: it is another kind of dataset, or its frames differ.
        """
        if not isinstance(data, Tunes):
            message = f"rnn_rbm is trained on tunes, and {type(data).__name__} has none"
            own = "midi_folder or matlab_rolls for your own"
            raise DataError(f"{message}: choose nottingham, piano_midi or synthetic_tunes, or {own}")
        for option, configured, actual in (
            ("num_visible", len(self.b), data.pitches.stop - data.pitches.start),
            ("lowest_pitch", self.lowest_pitch, data.pitches.start),
            ("frame_seconds", self.frame_seconds, data.frame_seconds),
        ):
            if configured != actual:
                raise DataError(f"model.{option}={configured}: frames of the dataset have {actual}; leave it out")

    def training_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        """The loss of contrastive divergence over all frames of a minibatch of pieces, usually one."""
        machine, v = self._machine_and_frames(batch)
        result = contrastive_divergence(machine, v, self.k)
        with torch.no_grad():
            means = visible_preactivation(machine, sample_units(result.preactivation))
        self.epoch_mean.update(reconstruction_log_likelihood(v, means))
        return result.loss

    def on_train_epoch_end(self) -> None:
        """Log the epoch mean of train/reconstruction."""
        self.log("train/reconstruction", self.epoch_mean.compute(), sync_dist=self.trainer.world_size > 1)
        self.epoch_mean.reset()

    def validation_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        """Log val/reconstruction, a mean over frames."""
        self._evaluate("val", batch, batch_idx)

    def test_step(self, batch: SequenceBatch, batch_idx: int) -> None:
        """Log test/reconstruction, a mean over frames."""
        self._evaluate("test", batch, batch_idx)

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """A generated piece, from the same seed for every checkpoint."""
        (piece,) = self.generate(1, self._generator(0))
        return {"generated": self._picture(piece, "generated piano-roll")}

    def data_figures(self, data: pl.LightningDataModule) -> dict[str, NDArray[np.uint8]]:
        """The beginning of a test tune."""
        x = next(iter(data.test_dataloader())).x
        title = getattr(data, "title", "a tune of the test set")
        return {"test_tune": self._picture(x[-1, : self.generated_frames].numpy(force=True), title)}

    def sample(self, count: int, data: pl.LightningDataModule) -> dict[str, NDArray[Any] | bytes]:
        """Each piece as ``sample1.mid`` and ``sample1.png``; all as ``samples.npy`` (count, frames, num_visible)."""
        pieces = self.generate(count)
        files: dict[str, NDArray[Any] | bytes] = {"samples.npy": pieces}
        for number, piece in enumerate(pieces, 1):
            files[f"sample{number}.mid"] = write_midi(piece, self.frame_seconds, self.lowest_pitch)
            files[f"sample{number}.png"] = self._picture(piece, "generated piano-roll")
        return files

    def generate(self, count: int, generator: Generator | None = None) -> NDArray[np.uint8]:
        """Zeros and ones (count, generated_frames, num_visible); torch's global generator if None."""
        sizes = count, self.generated_frames, self.generation_steps
        pieces = generate(self.machine, self.conditioning, self.recurrence, *sizes, generator)
        return pieces.to(torch.uint8).numpy(force=True)

    def _machine_and_frames(self, batch: SequenceBatch) -> tuple[Parameters, Tensor]:
        x, _, lengths = batch
        mask = length_mask(lengths, x.shape[1]) if len(x) > 1 else None
        return self(x, mask), frames_of(x, mask)

    def _evaluate(self, split: str, batch: SequenceBatch, batch_idx: int) -> None:
        machine, v = self._machine_and_frames(batch)
        generator = self._generator(batch_idx)
        end = contrastive_divergence(machine, v, self.k, generator=generator)
        means = visible_preactivation(machine, sample_units(end.preactivation, generator))
        self.log(f"{split}/reconstruction", reconstruction_log_likelihood(v, means), batch_size=len(v))

    def _generator(self, seed: int) -> Generator:
        return Generator(self.device).manual_seed(seed)

    def _picture(self, piece: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
        return piano_roll_picture(piece, self.frame_seconds, self.lowest_pitch, title)
