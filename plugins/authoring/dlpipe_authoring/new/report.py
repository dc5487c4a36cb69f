"""What is printed at the end."""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath


def report(wrote: str, paths: Iterable[PurePosixPath], folder: Path, names: Mapping[str, str], model: str) -> None:
    """Print the files that were written, and the commands to type next.

    Args:
        wrote: the first line.
        paths: the files.
        folder: the plugin's.
        names: kind to name.
        model: a model of the plugin; empty if there is none.
    """
    print(wrote)
    for path in sorted(paths):
        print(f"  {path}")
    print("next:")
    for command in _commands(folder, names, model):
        print(f"  {command}")


def _commands(folder: Path, names: Mapping[str, str], model: str) -> list[str]:
    overrides = [f"model={model}"] if model else []
    if dataset := names.get("dataset"):
        overrides.append(f"dataset={dataset}")
    if callback := names.get("callback"):
        overrides.append(f"callbacks=[default,{callback}]")
    return [
        shlex.join(["pip", "install", "-e", str(folder)]),
        " ".join(["python -m dlpipe", *map(_quoted, overrides)]),
        shlex.join(["pytest", str(folder)]),
    ]


def _quoted(override: str) -> str:
    """Quoted for the shell only if it has brackets, which some shells take for patterns."""
    return f"'{override}'" if "[" in override else override
