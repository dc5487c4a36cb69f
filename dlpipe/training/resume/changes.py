"""Which values of a run's config may change when it is resumed, and why the others may not."""

from typing import Any

from dlpipe.errors import Problem
from dlpipe.plain_config import as_typed

Path = tuple[Any, ...]  # the keys on the way to a value; a key of a callback's argument may be a number
ABSENT = object()  # in place of a value that a config lacks

OTHER_NUMBERS = "the run ends in other numbers than one that was never interrupted"
OTHER_MINIBATCH = f"a minibatch has recipe.batch_size examples for each process, so {OTHER_NUMBERS}"
# what may change, and the warning that goes with it; docs/resume.md has the same list
MAY_CHANGE = {
    "recipe.max_epochs": "",
    "recipe.patience": "",
    "trainer.max_epochs": "",
    "trainer.max_steps": "",
    "trainer.max_time": "",
    "callbacks.patience.patience": "",
    "callbacks.checkpoints.every_n_updates": "",
    "callbacks.checkpoints.every_minutes": "",
    "logger": "",
    "trainer.devices": OTHER_MINIBATCH,
    "trainer.num_nodes": OTHER_MINIBATCH,
    "trainer.strategy": OTHER_NUMBERS,
    "trainer.accelerator": OTHER_NUMBERS,
    "trainer.deterministic": OTHER_NUMBERS,
    "trainer.precision": OTHER_NUMBERS,
    "threads": OTHER_NUMBERS,
    "offline": "",
    "dataset.offline": "",
    "on_nan": "",
}
# the node, and why it stays; the first that fits
REASONS = {
    "scheduler": "the LR scheduler has used it since the first step",
    "optimizer": "the updates so far were made with it",
    "recipe.lr": "the updates so far were made with it",
    "model": "the weights so far are those of this model",
    "dataset": "the order of the data depends on it",
    "recipe.batch_size": "the order of the data depends on it",
    "recipe.shuffle": "the order of the data depends on it",
    "recipe.drop_last": "the order of the data depends on it",
    "seed": "the initial weights and the order of the data depend on it",
    "stages": "its stages are trained one after another",
    "init_from": "training started from these weights",
    "callbacks": "the checkpoint holds the state of this callback; only other callbacks can be added or removed",
}
ELSE = "it cannot change once a run has started"


def change_problems(changes: dict[Path, tuple[Any, Any]], old: dict[str, Any], new: dict[str, Any]) -> list[Problem]:
    """Changes that are refused, each with its reason.

    Args:
        changes: the old and the new value by its path; `ABSENT` where there is none.
        old: the config before, as plain containers.
        new: the config after.
    """
    return [
        Problem(f"{_dotted(path)}={_shown(after)}", f"is {_shown(before)} in this run, and {_reason(path)}")
        for path, (before, after) in changes.items()
        if not _may_change(path, old, new)
    ]


def warnings_of(changes: dict[Path, tuple[Any, Any]]) -> list[str]:
    """One warning for each change after which the run may end in other numbers."""
    return [
        f"{_dotted(path)} was {_shown(before)} and is {_shown(after)}: {warning}"
        for path, (before, after) in changes.items()
        if (warning := next((MAY_CHANGE[node] for node in _nodes_above(path) if node in MAY_CHANGE), ""))
    ]


def record_of(changes: dict[Path, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """The changes for a run's provenance: key, old and new value; a value that was added has no old one."""
    return [
        {"key": _dotted(path)}
        | {name: value for name, value in (("old", before), ("new", after)) if value is not ABSENT}
        for path, (before, after) in changes.items()
    ]


def _may_change(path: Path, old: dict[str, Any], new: dict[str, Any]) -> bool:
    if any(node in MAY_CHANGE for node in _nodes_above(path)):
        return True
    is_whole_callback = path[0] == "callbacks" and (path[1] in old["callbacks"]) != (path[1] in new["callbacks"])
    return is_whole_callback and path[1] not in ("checkpoints", "patience")


def _reason(path: Path) -> str:
    nodes = _nodes_above(path)
    return next((reason for node, reason in REASONS.items() if node in nodes), ELSE)


def _nodes_above(path: Path) -> list[str]:
    """The value's own dotted key and those of the nodes that contain it; a stage's are those of a run."""
    if path[0] == "stage_configs":
        path = path[2:]
    elif path[:2] == ("recipe", "stages"):
        path = path[3:] if path[3] in ("optimizer", "scheduler") else ("recipe", *path[3:])
    return [_dotted(path[:count]) for count in range(len(path), 0, -1)]


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _shown(value: Any) -> str:
    return "not there" if value is ABSENT else as_typed(value)
