"""Fixtures of all plugins' tests: one thread, double precision, and a run from its command to its metrics."""

import csv
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As in a run: several that wait for a busy core take a hundred times as long."""
    torch.set_num_threads(1)


@pytest.fixture
def double() -> Iterator[None]:
    """Tensors are of double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def generator() -> torch.Generator:
    """Seeded, of the test's own."""
    return torch.Generator().manual_seed(1234)


@pytest.fixture
def build() -> Callable[..., Any]:
    """A function that builds a module in double precision, all of its parameters drawn from N(0, 1): none is zero."""

    def run(cls: type[torch.nn.Module], *arguments: Any, **options: Any) -> torch.nn.Module:
        torch.manual_seed(0)
        module = cls(*arguments, **options).double()
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)
        return module

    return run


class Trained(NamedTuple):
    """What a run printed, its summary, and the rows of its metrics."""

    output: str
    summary: dict[str, Any]
    rows: list[dict[str, str]]


@pytest.fixture
def train(cli: Callable[..., Any]) -> Callable[..., Trained]:
    """A function that runs one command line to its end."""

    def run(*overrides: str) -> Trained:
        result = cli(*overrides)
        assert result.code == 0, result.err
        with (result.run_dir / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        return Trained(result.out + result.err, json.loads((result.run_dir / "summary.json").read_text()), rows)

    return run
