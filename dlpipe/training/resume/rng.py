"""Random numbers as a function of (seed, epoch, rank) and the step, however often the process has started."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import nn

EPOCH, TEST, BEGIN, SAMPLE, ORDER = range(5)  # purposes: each has random numbers of its own


def seed_rng(seed: int, purpose: int, rank: int = 0, epoch: int = 0) -> None:
    """Seed torch on all devices, numpy's legacy generator and Python's."""
    own = _sequence(seed, purpose, rank, epoch).generate_state(3)
    torch.manual_seed(int(own[0]))
    np.random.seed(own[1])
    random.seed(int(own[2]))


def begin_epoch(seed: int, epoch: int, rank: int, loaders: Iterable[Any]) -> None:
    """Seed an epoch, and the generators of its loaders, which give the same order on all ranks."""
    seed_rng(seed, EPOCH, rank, epoch)
    order = int(_sequence(seed, ORDER, 0, epoch).generate_state(1)[0])
    for loader in loaders:
        for owner in (loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)):
            generator = getattr(owner, "generator", None)
            if isinstance(generator, torch.Generator):
                generator.manual_seed(order)


def _sequence(seed: int, purpose: int, rank: int, epoch: int) -> np.random.SeedSequence:
    """One for each key, whose parts have fixed places: numpy pads shorter keys with zeros."""
    return np.random.SeedSequence((seed, rank, 0, epoch, purpose))


def rng_state(module: nn.Module) -> dict[str, Any]:
    """The state of every generator, of the process's own GPU alone, in tensors and plain containers."""
    cuda = {"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}
    return cuda | {path: _state_of(generator) for path, generator in _generators(module)}


def restore_rng_state(state: dict[str, Any], module: nn.Module) -> None:
    """Restore what `rng_state` returned."""
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    for path, generator in _generators(module):
        if path in state:
            _set_state_of(generator, state[path])


def _generators(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The process's own generators, and those that a module and its parts hold as attributes, by their path."""
    yield from (("torch", torch.default_generator), ("numpy", np.random), ("python", random))
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            if isinstance(value, (torch.Generator, np.random.Generator, random.Random)):
                yield f"{name}.{key}", value


def _state_of(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if generator is random or isinstance(generator, random.Random):
        version, words, gauss = generator.getstate()
        # as a tensor: of 625 numbers, each goes through Python several times when a checkpoint is written or read
        return {"version": version, "words": torch.tensor(words), "gauss": gauss}
    state = np.random.get_state(legacy=False) if generator is np.random else generator.bit_generator.state
    return apply_to_collection(state, np.ndarray, lambda array: torch.from_numpy(array.astype(np.int64)))


def _set_state_of(generator: Any, state: Any) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    elif generator is random or isinstance(generator, random.Random):
        generator.setstate((state["version"], tuple(state["words"].tolist()), state["gauss"]))
    else:
        arrays = apply_to_collection(state, torch.Tensor, lambda tensor: tensor.numpy().astype(np.uint64))
        if generator is np.random:
            np.random.set_state(arrays)
        else:
            generator.bit_generator.state = arrays
