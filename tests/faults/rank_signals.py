"""Send signals at random moments to two processes that agree by gloo; both must stop at the same step, each time.

    python tests/faults/rank_signals.py --signals 10000 --directory /tmp/signals

With ``--directory`` the same command continues where it stopped. The exit code is 1 as soon as a signal is lost.
"""

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import SimpleNamespace

import torch

from dlpipe.training.callbacks.graceful_stop import GracefulStop, StoppedBySignal

SECONDS = 120  # after which a signal counts as lost; torch is imported in this time too
NUMBERS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


def main(arguments: list[str]) -> int:
    """Send the signals that are still to be sent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments")
    parser.add_argument("--directory", type=Path, help="keep the count here, and continue from the one that is here")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.directory or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        count = folder / "signals_sent"
        sent = int(count.read_text()) if count.exists() else 0
        ranks = Ranks(Path(temporary) / "store")
        try:
            while sent < options.signals:
                if problem := ranks.send(random.Random(f"{options.seed} {sent}")):
                    print(f"signal {sent}: {problem}")
                    return 1
                sent += 1
                count.write_text(str(sent))
        finally:
            ranks.stop()
    print(f"{sent} signals to two processes: none lost")
    return 0


class Ranks:
    """Two processes that run empty training steps until they stop by a signal, and begin again.

    Args:
        store: file through which the two find each other.
    """

    def __init__(self, store: Path) -> None:
        context = multiprocessing.get_context("spawn")
        pipes = [context.Pipe() for _ in range(2)]
        self._pipes = [ours for ours, _ in pipes]
        self._processes = [
            context.Process(target=run_rank, args=(rank, str(store), theirs), daemon=True)
            for rank, (_, theirs) in enumerate(pipes)
        ]
        for process in self._processes:
            process.start()

    def send(self, draw: random.Random) -> str | None:
        """Start both, send one of them a signal (one time in four both, each its own); what went wrong, if anything."""
        for pipe in self._pipes:
            pipe.send("start")
        if self._receive() != ["started", "started"]:
            return "a process did not start"
        targets = [draw.randrange(2)] if draw.random() < 0.75 else [0, 1]
        numbers = [draw.choice(NUMBERS) for _ in targets]
        for target, number in zip(targets, numbers, strict=True):
            time.sleep(draw.random() * 0.002)
            os.kill(self._processes[target].pid or 0, number)
        first, second = self._receive()
        if first is None or second is None:
            return f"{numbers} to {targets} was lost"
        agreed = first == second and first[0] in numbers
        return (
            None if agreed else f"{numbers} to {targets}: the processes stopped with (signal, step) {first}, {second}"
        )

    def _receive(self) -> list[object]:
        end = time.monotonic() + SECONDS
        received: dict[Connection, object] = {}
        while len(received) < 2 and time.monotonic() < end:
            for pipe in wait([pipe for pipe in self._pipes if pipe not in received], timeout=1):
                received[pipe] = pipe.recv()  # type: ignore[union-attr,index]  # all are connections
        return [received.get(pipe) for pipe in self._pipes]

    def stop(self) -> None:
        """End both processes."""
        for process in self._processes:
            process.kill()


def run_rank(rank: int, store: str, pipe: Connection) -> None:
    """At each "start" from the parent, take steps until a signal stops them; send it the signal and the step."""
    for number in NUMBERS:  # one that arrives between two rounds belongs to the round before
        signal.signal(number, lambda *_: None)
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    trainer = SimpleNamespace(world_size=2, strategy=strategy, callbacks=[])
    while pipe.recv() == "start":
        torch.distributed.barrier()
        callback = GracefulStop()
        callback.on_train_start(trainer, None)  # type: ignore[arg-type]  # what it reads of a Trainer
        pipe.send("started")
        step = 0
        try:
            while True:
                step += 1
                callback.on_safe_point(trainer, None)  # type: ignore[arg-type]
        except StoppedBySignal as stopped:
            callback.on_train_end(trainer, None)  # type: ignore[arg-type]
            pipe.send((int(stopped.code or 0) - 128, step))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
