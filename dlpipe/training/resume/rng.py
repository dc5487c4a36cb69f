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
    name, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "python": random.getstate(),
        "own": {path: _state_of(generator) for path, generator in _generators(module)},
    }


def restore_rng_state(state: dict[str, Any], module: nn.Module) -> None:
    """Restore what `rng_state` returned."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    for path, generator in _generators(module):
        if path in state["own"]:
            _set_state_of(generator, state["own"][path])


def _generators(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The generators that a module and its parts hold as attributes, by their path."""
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            if isinstance(value, (torch.Generator, np.random.Generator, random.Random)):
                yield f"{name}.{key}", value


def _state_of(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, random.Random):
        return generator.getstate()
    state = generator.bit_generator.state
    return apply_to_collection(state, np.ndarray, lambda array: torch.from_numpy(array.astype(np.int64)))


def _set_state_of(generator: Any, state: Any) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    elif isinstance(generator, random.Random):
        version, internal, gauss = state
        generator.setstate((version, tuple(internal), gauss))
    else:
        arrays = apply_to_collection(state, torch.Tensor, lambda tensor: tensor.numpy().astype(np.uint64))
        generator.bit_generator.state = arrays
