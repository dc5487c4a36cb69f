"""Hamiltonian Monte Carlo as a LightningModule."""

import logging
from typing import Annotated, Any, final

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from dlpipe_hmc.build_energy import build_energy
from dlpipe_hmc.check_energy import check_values
from dlpipe_hmc.counter import Counter
from dlpipe_hmc.diagnostics import MIN_DRAWS, chain_after_chain, convergence, moment_errors, thinned
from dlpipe_hmc.energy import gradient_of
from dlpipe_hmc.leapfrog import leapfrog_path
from dlpipe_hmc.move import begin, hmc_move
from dlpipe_hmc.pictures import adaptation_picture, pair_picture, path_picture, trace_picture
from dlpipe_hmc.step_size import adapt_step_size

log = logging.getLogger(__name__)
PATHS = 5  # in the picture
Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, lt=1)]


@final
class HamiltonianMonteCarlo(pl.LightningModule):
    """Draws from a density by Hamiltonian Monte Carlo: many chains at once, with one step size that adapts.

    The chains start at draws from N(0, 1). The step size follows the acceptance rate through the burn-in and, as in the
    tutorial, through the draws too. There is nothing to optimize: a training step makes as many moves as its batch has
    rows, and ``train/loss`` is the mean energy of the chains.

    Args:
        energy: gaussian (the tutorial's), banana, funnel, gaussian_rbm, one that a plugin registers in
            ``dlpipe.energies``, or the dotted path of a class of your own that inherits from
            `dlpipe_hmc.energy.Energy`.
        energy_options: arguments of the energy's class.
        num_chains: chains that run at once.
        num_burn_in: moves of each chain before its first draw.
        num_draws: recorded moves of each chain, after the burn-in.
        num_leapfrog_steps: of a move.
        initial_step_size: of a leapfrog step; the tutorial's test starts at its minimum.
        step_size_min: lower bound of the step size.
        step_size_max: upper bound of the step size.
        step_size_increase: factor of the step size when the average acceptance rate is above the target.
        step_size_decrease: factor of the step size otherwise.
        target_acceptance: target of the average acceptance rate, and its initial value.
        acceptance_smoothing: weight of the old average in the new one.

    Raises:
        ValueError: the energy cannot be used, or the initial step size is out of bounds.

    Source: "Hybrid Monte-Carlo Sampling". The step sizes are those of its test; its sampler starts at 0.01 and is
    at most 0.25.
    """

    positions: Tensor
    step_size: Tensor
    average_acceptance: Tensor
    count: Tensor
    draws: Tensor
    step_sizes: Tensor
    acceptances: Tensor

    def __init__(
        self,
        energy: str = "gaussian",
        energy_options: dict[str, Any] | None = None,
        num_chains: Positive = 3,
        num_burn_in: NotNegative = 1000,
        num_draws: Positive = 1000,
        num_leapfrog_steps: Positive = 20,
        initial_step_size: PositiveFloat = 0.001,
        step_size_min: PositiveFloat = 0.001,
        step_size_max: PositiveFloat = 0.5,
        step_size_increase: Annotated[float, Field(gt=1)] = 1.02,
        step_size_decrease: Rate = 0.98,
        target_acceptance: Rate = 0.9,
        acceptance_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.9,
    ) -> None:
        super().__init__()
        if not step_size_min <= initial_step_size <= step_size_max:
            raise ValueError(
                f"initial_step_size={initial_step_size} is not between step_size_min={step_size_min} and "
                f"step_size_max={step_size_max}"
            )
        self.automatic_optimization = False
        self.energy = build_energy(energy, energy_options or {})
        self.num_burn_in = num_burn_in
        self.num_leapfrog_steps = num_leapfrog_steps
        self.target_acceptance = target_acceptance
        self.adaptation = {
            "target_acceptance": target_acceptance,
            "increase": step_size_increase,
            "decrease": step_size_decrease,
            "step_size_min": step_size_min,
            "step_size_max": step_size_max,
            "smoothing": acceptance_smoothing,
        }
        positions = torch.randn(num_chains, self.energy.dim)
        check_values(self.energy, energy, positions)
        num_moves = num_burn_in + num_draws
        self.register_buffer("positions", positions)
        self.register_buffer("step_size", torch.tensor(initial_step_size, dtype=torch.float64))
        self.register_buffer("average_acceptance", torch.tensor(target_acceptance, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(0))  # moves made
        self.register_buffer("draws", torch.zeros(num_draws, *positions.shape))
        self.register_buffer("step_sizes", torch.zeros(num_moves))  # of each move
        self.register_buffer("acceptances", torch.zeros(num_moves))  # of each move: the share of the chains

    def configure_optimizers(self) -> Counter:
        """An optimizer that only counts steps: there is nothing to optimize."""
        return Counter()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Make as many moves as the batch has rows, log mean step size and acceptance; returns the mean energy."""
        count = int(self.count)
        energy = self.advance(len(batch[0]))
        means = {
            "train/step_size": self.step_sizes[count : int(self.count)].mean(),
            "train/acceptance": self.acceptances[count : int(self.count)].mean(),
        }
        self.log_dict(means, on_step=False, on_epoch=True, batch_size=len(batch[0]))
        self.optimizers().step()  # type: ignore[union-attr]  # it is one optimizer
        return energy

    @torch.no_grad()
    def advance(self, num_moves: int) -> Tensor:
        """Move all chains, record their positions after the burn-in, and return the mean energy, a scalar.

        Raises:
            ValueError: more moves than the burn-in and all draws need.
        """
        first, last = int(self.count), int(self.count) + num_moves
        if last > len(self.step_sizes):
            raise ValueError(
                f"after {first} moves {num_moves} more were asked for, but there are {self.num_burn_in} of burn-in and "
                f"{len(self.draws)} draws; for longer chains set model.num_draws, and leave trainer.max_epochs alone"
            )
        gradient = gradient_of(self.energy)
        chains = begin(self.positions, self.energy, gradient)
        step_size, average = float(self.step_size), float(self.average_acceptance)
        step_sizes, acceptances, energies = [], [], []
        for move in range(first, last):
            chains, accepted = hmc_move(chains, self.energy, gradient, step_size, self.num_leapfrog_steps)
            step_sizes.append(step_size)
            acceptances.append(int(accepted.sum()) / len(accepted))
            energies.append(chains.energies)
            step_size, average = adapt_step_size(step_size, average, acceptances[-1], **self.adaptation)
            if move >= self.num_burn_in:
                self.draws[move - self.num_burn_in] = chains.positions
        self.positions.copy_(chains.positions)
        self.step_size.fill_(step_size)
        self.average_acceptance.fill_(average)
        self.count.fill_(last)
        self.step_sizes[first:last] = torch.tensor(step_sizes)
        self.acceptances[first:last] = torch.tensor(acceptances)
        return torch.stack(energies).mean()

    @property
    def drawn(self) -> Tensor:
        """The draws so far, (draws, chains, dim)."""
        return self.draws[: max(0, int(self.count) - self.num_burn_in)]

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the draws' step size, acceptance rate, errors of mean and covariance, effective sample size and R-hat."""
        made = len(self.drawn)
        if made < MIN_DRAWS:
            log.warning("%d moves made, %d of them draws: too few to test", int(self.count), made)
            return
        moves = slice(self.num_burn_in, int(self.count))
        metrics = {
            "acceptance": float(self.acceptances[moves].mean()),
            "step_size": float(self.step_sizes[moves].mean()),
        }
        known = (getattr(self.energy, moment, None) for moment in ("mean", "covariance"))
        metrics |= moment_errors(self.drawn, *known) | convergence(self.drawn)
        self.log_dict({f"test/{name}": value for name, value in metrics.items()}, batch_size=made)

    def figures(self) -> dict[str, NDArray[np.uint8]]:
        """Traces and pairs of the draws' coordinates, paths of moves, and the adaptation of the step size."""
        count = int(self.count)
        if not count:
            return {}
        step_sizes, acceptances = (made[:count].numpy(force=True) for made in (self.step_sizes, self.acceptances))
        figures = {"adaptation": adaptation_picture(step_sizes, acceptances, self.num_burn_in, self.target_acceptance)}
        if len(self.drawn):
            figures["trace"] = trace_picture(self.drawn.numpy(force=True))
            points = chain_after_chain(self.drawn).numpy(force=True)
            figures["pairs"] = pair_picture(points)
            if self.energy.dim > 1:
                figures["paths"] = path_picture(points, self._paths().numpy(force=True))
        return figures

    @torch.no_grad()
    def _paths(self) -> Tensor:
        """The paths (steps + 1, moves, dim) of moves from some of the draws, with velocities from a fixed seed."""
        starts = thinned(self.drawn, min(PATHS, self.drawn.shape[:2].numel()))
        generator = torch.Generator(starts.device).manual_seed(0)
        velocities = torch.empty_like(starts).normal_(generator=generator)
        return leapfrog_path(
            starts, velocities, gradient_of(self.energy), float(self.step_size), self.num_leapfrog_steps
        )

    def sample(self, count: int, data: pl.LightningDataModule) -> dict[str, NDArray[Any]]:
        """``count`` draws (count, dim), evenly spaced along chain after chain, and their pairs of coordinates.

        Raises:
            DlpipeError: there are fewer.
        """
        samples = thinned(self.drawn, count).numpy(force=True)
        return {"samples.npy": samples, "samples.png": pair_picture(samples)}
