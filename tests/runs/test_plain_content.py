"""A checkpoint holds what can be read back, or is refused with the key that cannot."""

import collections
import datetime
import enum
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from dlpipe.errors import DlpipeError
from dlpipe.runs.plain_content import plain_content


class Color(enum.Enum):
    """Pickled by the name of its class."""

    RED = 1


Pair = collections.namedtuple("Pair", "left right")
CONVERTED = [
    (Path("a/b"), "a/b"),
    (np.float64(1.5), 1.5),
    (np.int32(2), 2),
    (np.bool_(True), True),
    (np.str_("text"), "text"),
    ([1, (np.float32(0.5), {"path": Path("a")})], [1, (0.5, {"path": "a"})]),
    ({np.int64(3): 4}, {3: 4}),
    ({np.int64(1)}, {1}),
    (collections.defaultdict(list, {"a": [1]}), {"a": [1]}),
    (OmegaConf.create({"a": [1, 2]}), {"a": [1, 2]}),
]
KEPT = ["text", 1, 1.5, None, b"x", torch.zeros(2), torch.float32, torch.Size([1]), {1}, collections.Counter("aab")]
REFUSED = [np.zeros(3), Color.RED, datetime.date(2026, 1, 1), lambda x: x, torch.nn.Linear(1, 1), Pair(1, 2), str]


def read_back(content):
    file = io.BytesIO()
    torch.save(content, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize(("value", "plain"), CONVERTED)
def test_paths_numpy_numbers_and_mappings_are_converted(value, plain):
    found = plain_content({"key": value})["key"]
    assert (found, type(found)) == (plain, type(plain))
    assert read_back({"key": found}) == {"key": plain}


@pytest.mark.parametrize("value", KEPT)
def test_what_can_be_read_is_the_same_object(value):
    found = plain_content({"key": value})["key"]
    assert found is value
    read_back({"key": found})


@pytest.mark.parametrize("value", REFUSED)
def test_anything_else_is_refused_with_its_key(value):
    with pytest.raises(DlpipeError, match=r"could not be read back: its outer\.list\.1 is a [\w.]+\. Save tensors"):
        plain_content({"outer": {"list": [0, value]}})


def test_state_dict_keeps_what_torch_notes_on_it():
    state = torch.nn.BatchNorm1d(2).state_dict()
    state["extra"] = np.float64(1.0)
    found = plain_content({"state_dict": state})["state_dict"]
    assert type(found) is collections.OrderedDict
    assert found._metadata == state._metadata
    assert type(state["extra"]) is np.float64
