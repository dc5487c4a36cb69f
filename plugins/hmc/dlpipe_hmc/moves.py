"""The moves of a Markov chain as a dataset."""

from typing import Annotated, final

import pytorch_lightning as pl
import torch
from pydantic import Field

from dlpipe.data import EpochSampler, Minibatches, Split, TensorMinibatches

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]


@final
class Moves(pl.LightningDataModule):
    """An example is a move to make, without features: a minibatch of n means "make n moves".

    ``batch_size`` moves share the cost of one step of Lightning's loop. The test set is one batch of all draws.

    Args:
        num_burn_in: moves that are not recorded.
        num_draws: moves that are.
        num_epochs: equal parts of all moves.
        batch_size: moves in a training step; None for all of an epoch.

    Raises:
        ValueError: ``num_epochs`` does not divide the number of moves.
    """

    def __init__(
        self, *, num_burn_in: NotNegative, num_draws: Positive, num_epochs: Positive, batch_size: Positive | None
    ) -> None:
        super().__init__()
        num_moves = num_burn_in + num_draws
        if num_moves % num_epochs:
            raise ValueError(
                f"{num_moves} moves ({num_burn_in} of burn-in, {num_draws} draws) cannot be made in {num_epochs} equal "
                "epochs; set recipe.max_epochs to a divisor of their number"
            )
        self.num_draws = num_draws
        self.moves_per_epoch = num_moves // num_epochs
        self.batch_size = batch_size or self.moves_per_epoch

    def train_dataloader(self) -> Minibatches:
        """Minibatches of an epoch's moves."""
        return _empty_examples(self.moves_per_epoch, self.batch_size)

    def test_dataloader(self) -> Minibatches:
        """One batch, as many as there are draws."""
        return _empty_examples(self.num_draws, self.num_draws)


def _empty_examples(examples: int, batch_size: int) -> Minibatches:
    split = Split(torch.empty(examples, 0), torch.zeros(examples, dtype=torch.int64))
    return TensorMinibatches(split, batch_size, EpochSampler(examples, seed=0, shuffle=False))
