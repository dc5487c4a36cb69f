"""How large a YAML file may be: larger ones, and aliases that multiply, would take minutes or all memory."""

import re
from pathlib import Path

import yaml

MAX_BYTES = 2**18
MAX_VALUES = 3_000  # a few hundred in the largest config; so many take OmegaConf half a second
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> str:
    """The text of a YAML file within the limits; of another file, which the caller's parser refuses, as it is.

    Raises:
        ValueError: it is larger, is no UTF-8, or is nested too deeply.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return limited_yaml(file.read(MAX_BYTES + 1))


def limited_yaml(content: bytes) -> str:
    """The text of YAML within the limits; raises ValueError as `read_yaml`."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes; a config has a few thousand")
    text = content.decode("utf-8")
    try:
        # libyaml, unlike PyYAML, refuses what stands for the bytes of a file name that is not UTF-8
        count = _num_values(yaml.compose(re.sub(r"\\uD[89A-F]", r"\\u00", text), _Loader), {})
    except yaml.YAMLError:  # the caller's parser says what is wrong, in PyYAML's words
        return text
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if count > MAX_VALUES:
        raise ValueError(
            f"it has more than {MAX_VALUES} values, or it has an alias that multiplies them; a config has hundreds"
        )
    return text


def _num_values(node: yaml.Node | None, counts: dict[int, int]) -> int:
    """A node and all values in it, counted again for every alias."""
    if node is None or isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in counts:
        counts[id(node)] = MAX_VALUES + 1  # of an alias to a node that it is in
        children = [child[1] if isinstance(child, tuple) else child for child in node.value]  # of pairs the values
        counts[id(node)] = 1 + sum(_num_values(child, counts) for child in children)
    return counts[id(node)]
