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


def plain(case: Case, threads: int, device: str) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch over slices, or over sequences."""
    return train(case, threads, device, minibatches(case, device), networks.loss)


def compiled(case: Case, threads: int, device: str) -> list[tuple[float, int]]:
    """The same with forward and backward by `torch.compile`, on a GPU as CUDA graphs."""
    mode = "reduce-overhead" if device == "gpu" else None
    return train(case, threads, device, minibatches(case, device), torch.compile(networks.loss, mode=mode))


def dataloader(case: Case, threads: int, device: str) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch over a DataLoader."""
    loader = loader_of(case)
    on = torch_device(device)
    return train(case, threads, device, lambda: ((x.to(on), y.to(on)) for x, y in loader), networks.loss)


def torch_device(device: str) -> torch.device:
    """The device of one of `cases.DEVICES`."""
    return torch.device("cuda" if device == "gpu" else "cpu")


def minibatches(case: Case, device: str = "cpu") -> Callable[[], Batches]:
    """What gives the minibatches of an epoch."""
    on = torch_device(device)
    if case.dataset == "mnist":
        x, y = (tensor.to(on) for tensor in examples(case))
        return lambda: slices(x, y, case.batch_size)
    pairs = [(x.to(on), y.to(on)) for x, y in sequences.examples(case)]
    return lambda: sequences.minibatches(pairs, case.batch_size)


def loader_of(case: Case) -> "DataLoader[tuple[Tensor, Tensor]]":
    """What one epoch sees, in a DataLoader."""
    if case.dataset == "mnist":
        return DataLoader(TensorDataset(*examples(case)), case.batch_size)  # type: ignore[arg-type]  # of pairs
    return sequences.loader(sequences.examples(case), case.batch_size)


def train(
    case: Case, threads: int, device: str, batches: Callable[[], Batches], loss: Callable[..., Tensor]
) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch."""
    torch.set_num_threads(threads)
    net = networks.network(case.model, case.stage).to(torch_device(device))
    optimizer = networks.optimizer(net, case)
    epochs = []
    for _ in range(case.epochs):
        started = seconds_when_done(device)
        train_epoch(net, optimizer, case, batches(), loss)
        epochs.append((seconds_when_done(device) - started, case.updates))
    return epochs


def seconds_when_done(device: str) -> float:
    """The time after the GPU has done what was launched."""
    if device == "gpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def train_epoch(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    case: Case,
    batches: Batches,
    loss: Callable[..., Tensor] = networks.loss,
) -> None:
    """One update a minibatch."""
    for x, y in batches:
        optimizer.zero_grad()
        loss(net, case, x, y).backward()  # type: ignore[no-untyped-call]  # torch has no annotation here
        if case.clip is not None:
            nn.utils.clip_grad_norm_(net.parameters(), case.clip)
        optimizer.step()


def slices(x: Tensor, y: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Minibatches that share memory with x and y."""
    for start in range(0, len(x), batch_size):
        yield x[start : start + batch_size], y[start : start + batch_size]


def examples(case: Case) -> tuple[Tensor, Tensor]:
    """What one epoch sees."""
    (x, y), _ = mnist.train_and_val()
    return x[: case.updates * case.batch_size], y[: case.updates * case.batch_size]
