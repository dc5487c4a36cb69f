"""A new plugin, written to a temporary folder and renamed."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from dlpipe import Problem, RequestError
from dlpipe_authoring.new.names import class_name, name_problems, plugin_of, plugin_problems
from dlpipe_authoring.new.report import report


def create_plugin(word: str, folder: Path | None, names: Mapping[str, str]) -> None:
    """Write a plugin with a model, a dataset and, if it has a name, a callback; print what to do next.

    Args:
        word: the plugin's name, ``acme`` or ``dlpipe-acme``.
        folder: where to write it; by default ``dlpipe-acme`` in the current folder.
        names: kind to name; by default the model is ``acme`` and the dataset ``acme_points``.

    Raises:
        RequestError: a name is not allowed or used already, or the folder exists; nothing was written.
    """
    plugin = plugin_of(word)
    distribution = canonicalize_name(f"dlpipe-{plugin}")
    folder = folder or Path(distribution)
    problems = [*plugin_problems(plugin, word), *_folder_problems(folder)]
    if problems:
        raise RequestError([*problems, *name_problems(names, distribution)])
    names = {"model": plugin, "dataset": f"{plugin}_points", **names}
    if problems := list(name_problems(names, distribution)):
        raise RequestError(problems)
    files = _files(plugin, distribution, names)
    _write(folder, files)
    report(f"wrote {folder}, a plugin of dlpipe:", files, folder, names, names["model"])


def _folder_problems(folder: Path) -> Iterator[Problem]:
    if os.path.lexists(folder):
        advice = "nothing is overwritten; choose another folder: python -m dlpipe new PLUGIN DIR"
        if (folder / "pyproject.toml").is_file():
            advice = f"to add a model to it, type python -m dlpipe new {folder} --model NAME"
        yield Problem(str(folder), f"exists; {advice}")
    elif not folder.absolute().parent.is_dir():
        yield Problem(str(folder), f"there is no folder {folder.parent}; create it first")


def _files(plugin: str, distribution: str, names: Mapping[str, str]) -> dict[PurePosixPath, str]:
    from dlpipe_authoring.new.template import render, render_names

    package = f"dlpipe_{plugin}"
    values = {"distribution": distribution, "package": package}
    for kind in ("model", "dataset"):
        values |= {kind: names[kind], f"{kind}_class": class_name(names[kind])}
    return render("plugin", values) | render_names(names, package, names["model"])


def _write(folder: Path, files: Mapping[PurePosixPath, str]) -> None:
    with tempfile.TemporaryDirectory(prefix=".dlpipe-new-", dir=folder.absolute().parent) as temporary:
        whole = Path(temporary) / folder.name
        write_files(whole, files)
        whole.rename(folder)


def write_files(folder: Path, files: Mapping[PurePosixPath, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
