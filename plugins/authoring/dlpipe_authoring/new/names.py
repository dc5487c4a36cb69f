"""What may be the name of a plugin, a model, a dataset or a callback."""

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, entry_points, version

from packaging.utils import canonicalize_name

from dlpipe import Problem

NAME = re.compile(r"[a-z][a-z0-9_]*")
LONGEST = 30  # the lines of the template have room for so many letters
TAKEN = {
    "conf": "the folder of the YAML has this name",
    "contract": "tests/test_contract.py has this name",
    "default": "dlpipe's own callbacks have this name",
}


def class_name(name: str) -> str:
    """``wide_net`` is ``WideNet``."""
    return "".join(word.capitalize() for word in name.split("_"))


def plugin_of(word: str) -> str:
    """``dlpipe-acme`` and ``acme`` are ``acme``; hyphens become underscores, as in the package's name."""
    return word.removeprefix("dlpipe-").removeprefix("dlpipe_").replace("-", "_")


def plugin_problems(plugin: str, word: str) -> Iterator[Problem]:
    """What is wrong with the name of a new plugin."""
    yield from _spelling_problems(plugin, f"plugin {word!r}")
    distribution = canonicalize_name(f"dlpipe-{plugin}")
    try:
        installed = version(distribution)
    except (PackageNotFoundError, ValueError):
        return
    what = f"{distribution} {installed} is installed; choose another name, or pip uninstall {distribution} first"
    yield Problem(f"plugin {word!r}", what)


def name_problems(names: Mapping[str, str], distribution: str) -> Iterator[Problem]:
    """What is wrong with the names of a plugin's new models, datasets and callbacks, by kind."""
    for kind, name in names.items():
        yield from _spelling_problems(name, f"--{kind} {name}")
        for owner in _owners(kind, name, canonicalize_name(distribution)):
            what = f"{owner} has a {kind} of this name, so {kind}={name} would mean two; choose another name"
            yield Problem(f"--{kind} {name}", what)
    yield from _repeated(names.items())


def _spelling_problems(name: str, where: str) -> Iterator[Problem]:
    if not NAME.fullmatch(name):
        yield Problem(where, f"a name has small letters, digits and _ and begins with a letter{_suggestion(name)}")
    elif len(name) > LONGEST:
        yield Problem(where, f"this name has {len(name)} letters, {LONGEST} are allowed; choose a shorter one")
    elif keyword.iskeyword(name) or keyword.iskeyword(class_name(name)):
        yield Problem(where, "this is a keyword of Python, so no module or class can have this name; choose another")
    elif name in TAKEN:
        yield Problem(where, f"{TAKEN[name]}; choose another")


def _suggestion(name: str) -> str:
    better = re.sub("[^a-z0-9]+", "_", name.lower()).lstrip("0123456789_").rstrip("_")
    return f", such as {better}" if better else ", such as acme"


def _owners(kind: str, name: str, distribution: str) -> Iterator[str]:
    """Other installed distributions that register the name."""
    for point in entry_points(group=f"dlpipe.{kind}s", name=name):
        if point.dist is not None and (owner := canonicalize_name(point.dist.name)) != distribution:
            yield owner


def _repeated(names: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for kind, name in names:
        if name in first:
            what = f"the {first[name]} has this name, and each has a file of its own; choose another name"
            yield Problem(f"--{kind} {name}", what)
        first.setdefault(name, kind)
