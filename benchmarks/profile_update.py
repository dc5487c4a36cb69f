"""Where the microseconds of one update go: torch's operations, plain, by hand and in dlpipe, and dlpipe's functions.

A profiler takes time of its own, most where calls are many and short: read the shares, not the sums.
"""

import argparse
import cProfile
import dataclasses
import json
import pstats
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch.profiler import ProfilerActivity, profile

import loops
import networks
import report
from by_hand import update_of
from cases import CASES, Case
from through_dlpipe import run

SHOWN = 20
# what was called, how often, microseconds in it and not in what it called
Cost = tuple[str, int, float]
PROFILERS: dict[str, Callable[[], profile | cProfile.Profile]] = {
    "operations": lambda: profile(activities=[ProfilerActivity.CPU]),
    "functions": cProfile.Profile,
}


class Profiled(pl.Callback):
    """Profile the updates of the second epoch and write their costs to a file.

    Args:
        path: of the file, JSON.
        what: ``operations`` of torch or ``functions`` of Python.
    """

    def __init__(self, path: str, what: str) -> None:
        self.path = Path(path)
        self.profiler = PROFILERS[what]()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start."""
        if trainer.current_epoch == 1:
            self.profiler.__enter__()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop, and write."""
        if trainer.current_epoch == 1:
            self.profiler.__exit__(None, None, None)
            self.path.write_text(json.dumps(costs(self.profiler)))


def main(arguments: list[str]) -> None:
    """Print four tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=CASES, default="mlp")
    parser.add_argument("--updates", type=int, default=300)
    asked = parser.parse_args(arguments)
    case = dataclasses.replace(CASES[asked.model], epochs=2, most_updates=asked.updates)
    found = {
        "operations of the plain loop": plain_operations(case),
        "operations by hand": operations_by_hand(case),
        "operations in dlpipe": through_dlpipe(case, "operations"),
        "functions in dlpipe": through_dlpipe(case, "functions"),
    }
    print(f"{case.label}, one thread, {case.updates} updates; own time")
    for title, own in found.items():
        print(f"\n**{title}**\n\n{table(own, case.updates)}")


def plain_operations(case: Case) -> list[Cost]:
    """Operations of a second epoch of the plain loop."""
    torch.set_num_threads(1)
    batches, net = loops.minibatches(case), networks.network(case.model, case.stage)
    optimizer = networks.optimizer(net, case)
    loops.train_epoch(net, optimizer, case, batches())
    with PROFILERS["operations"]() as profiler:
        loops.train_epoch(net, optimizer, case, batches())
    return costs(profiler)


def operations_by_hand(case: Case) -> list[Cost]:
    """Operations of a second epoch with derivatives written by hand."""
    torch.set_num_threads(1)
    update = update_of(networks.network(case.model, case.stage), case)
    with torch.no_grad():
        for x, y in loops.minibatches(case)():
            update(x, y)
        with PROFILERS["operations"]() as profiler:
            for x, y in loops.minibatches(case)():
                update(x, y)
    return costs(profiler)


def through_dlpipe(case: Case, what: str) -> list[Cost]:
    """Operations or functions of dlpipe's second epoch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "costs.json"
        target = f"+callbacks.profiled._target_={Profiled.__module__}.Profiled"
        run(case, 1, Path(folder), target, f"+callbacks.profiled.path={path}", f"+callbacks.profiled.what={what}")
        return [tuple(cost) for cost in json.loads(path.read_text())]


def costs(profiler: profile | cProfile.Profile) -> list[Cost]:
    """What was called, the most expensive first."""
    own = operations(profiler) if isinstance(profiler, profile) else functions(profiler)
    return sorted(own, key=lambda cost: -cost[2])


def operations(profiler: profile) -> list[Cost]:
    """Operations of torch."""
    return [(event.key, event.count, event.self_cpu_time_total) for event in profiler.key_averages()]


def functions(profiler: cProfile.Profile) -> list[Cost]:
    """Functions of Python, named by the end of their path."""
    found = pstats.Stats(profiler).stats  # type: ignore[attr-defined]  # typeshed leaves it out
    return [
        (f"{'/'.join(Path(file).parts[-2:])}:{line} {name}", calls, 1e6 * own)
        for (file, line, name), (_, calls, own, *_) in found.items()
    ]


def table(own: list[Cost], updates: int) -> str:
    """The first rows, and the sum of all, per update."""
    total = sum(microseconds for *_, microseconds in own)
    rows = [*own[:SHOWN], ("all", sum(calls for _, calls, _ in own), total)]
    return report.markdown(
        ["what", "calls per update", "µs per update", "share"],
        [
            [f"`{name}`", f"{calls / updates:.2f}", f"{microseconds / updates:.1f}", f"{microseconds / total:.1%}"]
            for name, calls, microseconds in rows
        ],
    )


if __name__ == "__main__":
    main(sys.argv[1:])
