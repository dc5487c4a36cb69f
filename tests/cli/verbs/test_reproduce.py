"""What `reproduce` tells of two runs that differ."""

import json

import pytest
import torch
from safetensors.torch import save_file

from dlpipe.cli.verbs.reproduce import compared


@pytest.fixture
def message(tmp_path):
    """What differs between runs with such weights, records and tests."""

    def compare(one, other, records=("a", "a"), tests=({}, {})):
        runs = [tmp_path / name for name in ("before", "now")]
        for run, weights, record, test in zip(runs, (one, other), records, tests, strict=True):
            run.mkdir(exist_ok=True)
            save_file(weights, run / "weights.safetensors")
            (run / "metrics.csv").write_text(record)
            (run / "summary.json").write_text(json.dumps({"test": test}))
        return compared(*runs)

    return compare


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5]), ["w differs by up to 0.5"]),
        (torch.tensor([True, False]), torch.tensor([True, True]), ["w differs by up to 1"]),
        (torch.tensor([1], dtype=torch.uint8), torch.tensor([2], dtype=torch.uint8), ["w differs by up to 1"]),
        (torch.tensor([torch.nan]), torch.tensor([torch.nan]), []),
        (torch.tensor([1.0]), torch.tensor([1.0]).double(), ["w was (1,) float32 and is (1,) float64"]),
        (torch.zeros(2), torch.zeros(1, 2), ["w was (2,) float32 and is (1, 2) float32"]),
        (torch.tensor([0.0]), torch.tensor([-0.0]), ["w differs by up to 0"]),
        (torch.ones(3, dtype=torch.bfloat16), torch.ones(3, dtype=torch.bfloat16), []),
    ],
)
def test_weights_are_compared_to_the_bit(message, one, other, difference):
    assert message({"w": one}, {"w": other}) == difference


def test_what_is_in_one_alone_is_told(message):
    weights = {"w": torch.ones(1)}
    assert message(weights, weights | {"v": torch.ones(1)}) == ["v is not in both"]
    assert message(weights, weights, ("a", "b")) == ["metrics.csv differs"]
    tests = ({"test/error": 0.1, "test/loss": 1.0}, {"test/error": 0.2})
    error, loss = message(weights, weights, tests=tests)
    assert error.endswith("was 10.000000 % and is 20.000000 %")
    assert loss == "test/loss is not in both"
