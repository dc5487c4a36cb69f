"""The hand-written PyTorch loop, over slices of resident tensors and over a DataLoader."""

import time
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import mnist
import networks
import sequences
from cases import Case

Batches = Iterable[tuple[Tensor, Tensor]]


def plain(case: Case, threads: int) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch over slices, or over sequences."""
    return train(case, threads, minibatches(case))


def dataloader(case: Case, threads: int) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch over a DataLoader."""
    loader = loader_of(case)
    return train(case, threads, lambda: loader)


def minibatches(case: Case) -> Callable[[], Batches]:
    """What gives the minibatches of an epoch."""
    if case.dataset == "mnist":
        x, y = examples(case)
        return lambda: slices(x, y, case.batch_size)
    pairs = sequences.examples(case)
    return lambda: sequences.minibatches(pairs, case.batch_size)


def loader_of(case: Case) -> "DataLoader[tuple[Tensor, Tensor]]":
    """What one epoch sees, in a DataLoader."""
    if case.dataset == "mnist":
        return DataLoader(TensorDataset(*examples(case)), case.batch_size)  # type: ignore[arg-type]  # of pairs
    return sequences.loader(sequences.examples(case), case.batch_size)


def train(case: Case, threads: int, batches: Callable[[], Batches]) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch."""
    torch.set_num_threads(threads)
    net = networks.network(case.model, case.stage)
    optimizer = networks.optimizer(net, case)
    epochs = []
    for _ in range(case.epochs):
        started = time.perf_counter()
        train_epoch(net, optimizer, case, batches())
        epochs.append((time.perf_counter() - started, case.updates))
    return epochs


def train_epoch(net: nn.Module, optimizer: torch.optim.Optimizer, case: Case, batches: Batches) -> None:
    """One update a minibatch."""
    for x, y in batches:
        optimizer.zero_grad()
        networks.loss(net, case, x, y).backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
        optimizer.step()


def slices(x: Tensor, y: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Minibatches that share memory with x and y."""
    for start in range(0, len(x), batch_size):
        yield x[start : start + batch_size], y[start : start + batch_size]


def examples(case: Case) -> tuple[Tensor, Tensor]:
    """What one epoch sees."""
    (x, y), _ = mnist.train_and_val()
    return x[: case.updates * case.batch_size], y[: case.updates * case.batch_size]
