"""What an untrusted config in a run's directory must not do: docs/trust.md."""

import re
from collections.abc import Container, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from dlpipe.config.paths import names_path
from dlpipe.errors import Problem
from dlpipe.operating_system import expand_user
from dlpipe.plain_config import flat, plain

ADVICE = "if the run is your own, add --trust"
DOTTED = re.compile(r"\w+(\.\w+)+")
# nodes whose objects write files
WRITERS = ("callbacks", "logger", "trainer")
# arguments of theirs that name a server or folder: tracking_uri, artifact_location
ADDRESSES = ("uri", "url", "location")


def untrusted_problems(config: DictConfig, typed: Container[str] = ()) -> list[Problem]:
    """Code in the run's directory that would be imported, and paths outside of it that the run would write to.

    The values with the dotted keys in ``typed`` are from the command line, and trusted.
    """
    values = {key: value for key, value in flat(plain(config)).items() if key not in typed}
    directory = Path(config.output_dir)
    return [*code_problems(values, directory), *_writing_problems(values, directory)]


def code_problems(values: dict[str, Any], directory: Path) -> Iterator[Problem]:
    """Values that, read as a dotted path, would import code from the run's directory; nothing is imported here.

    Every value counts, not only ``_target_``: a model may import what its options name.
    """
    message = f"its code lies in the run's directory, where anybody may have put it; move it elsewhere, or {ADVICE}"
    for key, value in values.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and DOTTED.fullmatch(text) and _is_inside(text, directory):
                yield Problem(f"{key}={value}", message)


def _is_inside(path: str, directory: Path) -> bool:
    package, *rest = path.split(".")
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return False
    roots = [*(spec.submodule_search_locations or []), *filter(None, [spec.origin])] if spec else []
    return any(Path(root, *rest).resolve().is_relative_to(directory.resolve()) for root in roots)


def _writing_problems(values: dict[str, Any], directory: Path) -> Iterator[Problem]:
    for key, value in values.items():
        parts = key.removeprefix("stage_configs.").split(".")
        if set(parts[:2]).isdisjoint(WRITERS) or not isinstance(value, str):
            continue
        if not (names_path(parts[-1]) or parts[-1].endswith(ADDRESSES)):
            continue
        if not expand_user(value).resolve().is_relative_to(directory.resolve()):
            yield Problem(f"{key}={value}", f"lies outside of the run's directory {directory}; {ADVICE}")
