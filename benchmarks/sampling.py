"""How fast Hamiltonian Monte Carlo moves: loops by hand and dlpipe, in turns, on the tutorial's Gaussian."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

import report

MOVES, LEAPFROG_STEPS = 2000, 20


def main(arguments: list[str]) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chains", type=int, nargs="+", default=[3, 100])
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for chains in asked.chains:
        rounds = [
            (by_hand(chains, by_autograd), by_hand(chains, written_out), through_dlpipe(chains))
            for _ in range(asked.rounds)
        ]
        times = [f"{1e6 * median(seconds) / MOVES:,.0f}" for seconds in zip(*rounds, strict=True)]
        ratios = [f"{median(each[by] / each[-1] for each in rounds):.2f}" for by in (0, 1)]
        rows.append([f"hmc, {chains} chains", *times, *ratios])
    by = ["by hand, autograd", "by hand, gradient written out"]
    print(report.markdown(["µs per move", *by, "dlpipe", *(f"× {name}" for name in by)], rows))


def through_dlpipe(chains: int) -> float:
    """Seconds of training that ``python -m dlpipe model=hmc`` reports for `MOVES` moves."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        moves = (f"model.num_burn_in={MOVES // 2}", f"model.num_draws={MOVES // 2}")
        command = [sys.executable, "-m", "dlpipe", "model=hmc", f"model.num_chains={chains}", *moves]
        subprocess.run([*command, f"hydra.run.dir={run}"], check=True, capture_output=True)
        return float(json.loads((run / "summary.json").read_text())["seconds"])


def target() -> tuple[Tensor, Tensor]:
    """Mean and precision."""
    random = np.random.RandomState(123)
    mean = torch.tensor(random.rand(5) * 10, dtype=torch.float32)
    covariance = random.rand(5, 5)
    covariance = (covariance + covariance.T) / 2
    covariance[range(5), range(5)] = 1.0
    return mean, torch.tensor(np.linalg.inv(covariance), dtype=torch.float32)


MEAN, PRECISION = target()


def energy(positions: Tensor) -> Tensor:
    """Of each chain."""
    centred = positions - MEAN
    return 0.5 * ((centred @ PRECISION) * centred).sum(1)


def by_autograd(positions: Tensor) -> Tensor:
    """The energy's gradient, as of an energy of which no other is known."""
    positions = positions.detach().requires_grad_()
    return torch.autograd.grad(energy(positions).sum(), positions)[0]


def written_out(positions: Tensor) -> Tensor:
    """The energy's gradient, as dlpipe's Gaussian computes it."""
    return (positions - MEAN) @ PRECISION


def by_hand(chains: int, gradient: Callable[[Tensor], Tensor]) -> float:
    """Seconds for as many moves."""
    positions, step, rate = torch.randn(chains, 5), 0.001, 0.9
    started = time.perf_counter()
    for _ in range(MOVES):
        velocity = torch.randn_like(positions)
        before = energy(positions) + 0.5 * velocity.square().sum(1)
        moved, velocity = positions, velocity - 0.5 * step * gradient(positions)
        for _ in range(LEAPFROG_STEPS - 1):
            moved = moved + step * velocity
            velocity = velocity - step * gradient(moved)
        moved = moved + step * velocity
        velocity = velocity - 0.5 * step * gradient(moved)
        after = energy(moved) + 0.5 * velocity.square().sum(1)
        accepted = torch.rand(chains) < torch.exp(before - after)
        positions = torch.where(accepted.unsqueeze(1), moved, positions)
        step = min(max(step * (1.02 if rate > 0.9 else 0.98), 0.001), 0.5)
        rate = 0.9 * rate + 0.1 * accepted.float().mean().item()
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1:])
