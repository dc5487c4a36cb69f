"""What a checkpoint may hold, so that it can be read back without calling anything."""

import copy
import io
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, ListConfig, OmegaConf

from dlpipe.errors import DlpipeError

PLAIN = (str, int, float, bool, bytes, type(None), torch.Tensor, torch.nn.Parameter)


def plain_content(content: dict[str, Any]) -> dict[str, Any]:
    """A checkpoint's content as tensors and plain containers; what is plain already is the same object.

    Converts paths to text, numpy's scalars to Python's numbers, and OmegaConf's and other mappings to dicts.

    Raises:
        DlpipeError: `read_checkpoint` would refuse a value; names its key.
    """
    return {key: _plain(value, key) for key, value in content.items() if key != "hparams_type"}  # a class of OmegaConf


def _plain(value: Any, key: str) -> Any:
    if type(value) in PLAIN:
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (DictConfig, ListConfig)):
        value = OmegaConf.to_container(value, resolve=True)
    if type(value) in (dict, OrderedDict):
        return _plain_dict(value, key)
    if type(value) in (list, tuple, set):
        items = [_plain(item, f"{key}.{index}") for index, item in enumerate(value)]
        return value if _same(items, value) else type(value)(items)
    if _is_readable(value):
        return value
    if isinstance(value, Mapping):
        return _plain_dict(dict(value), key)
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise DlpipeError(
        f"a checkpoint of this model could not be read back: its {key} is a {kind}. "
        "Save tensors, numbers, text, lists and dicts"
    )


def _plain_dict(value: dict[Any, Any], key: str) -> dict[Any, Any]:
    items = {_plain(name, f"{key}, in the key {name},"): _plain(item, f"{key}.{name}") for name, item in value.items()}
    if _same((*items, *items.values()), (*value, *value.values())):
        return value
    converted = copy.copy(value)  # with the attributes that torch gives to a state dict
    converted.clear()
    converted.update(items)
    return converted


def _same(new: Any, old: Any) -> bool:
    return all(one is other for one, other in zip(new, old, strict=True))


def _is_readable(value: Any) -> bool:
    buffer = io.BytesIO()
    try:
        torch.save(value, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception:  # an object's own code raises anything when it is pickled
        return False
    return True
