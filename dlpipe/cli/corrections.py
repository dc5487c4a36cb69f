"""The command line that was meant by one typed as for another program, such as ``train lenet --lr 0.1``."""

import contextlib
import shlex
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlpipe.cli.flags import flag_names
from dlpipe.config.compose import compose, config_tree, is_group, options
from dlpipe.errors import Problem
from dlpipe.plain_config import flat
from dlpipe.plugins import registry

START = ("train", "fit", "run")  # a run has no verb
SYNONYMS = {"epochs": "max_epochs", "gpus": "devices", "learning_rate": "lr"}
NODES = ("optimizer", "recipe", "trainer", "model", "dataset", "scheduler")  # searched for a key in this order
# the groups whose choices may be typed without the group
NAMED_GROUPS = ("model", "dataset", "optimizer", "trainer")

Place = Callable[[str], str | None]  # the full key of a word, None if it is no key


def correction(words: list[str], before: Sequence[str] = (), chosen: str = "") -> Problem | None:
    """The words that are no overrides, with the whole command line to type instead; None if there is none to type.

    Args:
        words: those that should be overrides.
        before: the verb and its other arguments.
        chosen: an override that these arguments stand for.
    """
    corrected = [word for word in corrected_words([chosen, *words] if chosen else words) if word != chosen]
    if corrected in (words, []):
        return None
    wrong = " ".join(word for word in words if word not in corrected)
    line = shlex.join(["python", "-m", "dlpipe", *before, *corrected])
    return Problem(wrong, f"an override is key=value, with the whole key; type\n    {line}")


def corrected_words(words: list[str]) -> list[str]:
    """The words with names, flags and bare keys as overrides, each key where the composed config has it."""
    corrected = words[1:] if words and words[0] in START else words
    with config_tree():
        corrected = list(_overrides(corrected, lambda name: name if is_group(name) else None))
        base = _base(corrected)
        if base is not None:
            corrected = list(_overrides(corrected, lambda name: _key(base, name)))
    asks_for_gpus = any(word.lstrip("-").partition("=")[0] == "gpus" for word in words)
    if asks_for_gpus and corrected != words and not any(word.startswith("trainer=") for word in corrected):
        corrected.insert(0, "trainer=gpu")
    return corrected


def _overrides(words: list[str], place: Place) -> Iterator[str]:
    """Each word as an override: ``--model lenet``, ``model lenet`` and ``lenet`` become ``model=lenet``."""
    with_value, without_value = flag_names()
    remaining = deque(words)
    while remaining:
        word = remaining.popleft()
        name, equals, value = word.lstrip("-+").partition("=")
        flag = word.partition("=")[0]
        if flag in with_value | without_value:
            yield word
            if word in with_value and remaining:
                yield remaining.popleft()
        elif (key := place(name.replace("-", "_"))) and key == name and equals and not word.startswith("-"):
            yield word
        elif key and equals:
            yield f"{key}={value}"
        elif key and remaining and "=" not in remaining[0] and not remaining[0].startswith("-"):
            yield f"{key}={remaining.popleft()}"
        else:
            group = _group_of(word)
            yield f"{group}={word}" if group else word


def _group_of(word: str) -> str | None:
    """The group that has a choice of this name."""
    for kind in registry.KINDS:
        if any(word in (entry.name, entry.qualified_name) for entry in registry.available(kind)):
            return kind
    return next((group for group in NAMED_GROUPS if word in options(group)), None)


def _base(words: list[str]) -> DictConfig | None:
    """The config of the chosen groups, of a sweep with the first choices; None if nothing can be composed."""
    pairs = [word.partition("=") for word in words]
    groups = [f"{key}={value.partition(',')[0]}" for key, _, value in pairs if key and value and is_group(key)]
    for chosen in (groups, []):  # without them where a choice does not exist
        with contextlib.suppress(Exception):  # Hydra raises a TypeError or ValueError for some values
            return compose(chosen)
    return None


def _key(base: DictConfig, name: str) -> str | None:
    """Where the config has a key of this name: a value of its own, which the others refer to."""
    if name in base or is_group(name):
        return name
    if "." in name:
        return name if _has(base, name) else None
    wanted = SYNONYMS.get(name, name)
    if wanted in ("name", "_target_"):  # a choice of its group sets them
        return None
    content: Any = OmegaConf.to_container(base, resolve=False)
    del content["hydra"]
    values = {key: value for key, value in flat(content).items() if key.rpartition(".")[2] == wanted}
    own = [key for key, value in values.items() if not str(value).startswith("${")]
    own_in_nodes = [f"{node}.{wanted}" for node in NODES if f"{node}.{wanted}" in own]
    return own[0] if len(own) == 1 else next(iter(own_in_nodes), None)


def _has(base: DictConfig, key: str) -> bool:
    try:
        parent, _, name = key.rpartition(".")
        return name in OmegaConf.select(base, parent)
    except (OmegaConfBaseException, TypeError):
        return False
