"""A model, a dataset or a callback, added to an existing plugin."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from dlpipe import PluginError, Problem, RequestError
from dlpipe_authoring.new.create import write_files
from dlpipe_authoring.new.names import class_name, name_problems
from dlpipe_authoring.new.plugin_project import PluginProject, read_project, with_entry_points
from dlpipe_authoring.new.report import report

REGISTERED = ("model", "dataset")  # a callback is chosen by its YAML


def add_to_plugin(folder: Path, names: Mapping[str, str]) -> None:
    """Write modules, YAML and tests into a plugin, and register them in its pyproject.toml; print what to do next.

    Args:
        folder: has the plugin's pyproject.toml.
        names: kind to name.

    Raises:
        PluginError: the folder has no plugin.
        RequestError: a name is not allowed or used already, or a file exists; nothing was written.
    """
    if not names:
        raise PluginError(f"{folder} is a plugin already; say what to add: --model, --dataset or --callback NAME")
    project = read_project(folder)
    problems = [*name_problems(names, project.distribution), *_registered(project, names)]
    files = {} if problems else _files(project, names)
    problems += [
        Problem(str(folder / name), "exists; nothing is overwritten: choose another name, or move it away")
        for name in files
        if os.path.lexists(folder / name)
    ]
    if problems:
        raise RequestError(problems)
    points = {
        f"dlpipe.{kind}s": {name: f"{project.package}.{name}:{class_name(name)}"}
        for kind, name in names.items()
        if kind in REGISTERED
    }
    _write(folder, files, points)
    changed = [PurePosixPath("pyproject.toml")] if points else []
    report(f"wrote into {folder}:", [*files, *changed], folder, names, _model(project, names))


def _registered(project: PluginProject, names: Mapping[str, str]) -> Iterator[Problem]:
    for kind, name in names.items():
        if name in project.entry_points.get(f"dlpipe.{kind}s", {}):
            what = f"{project.folder / 'pyproject.toml'} registers a {kind} of this name; choose another name"
            yield Problem(f"--{kind} {name}", what)


def _model(project: PluginProject, names: Mapping[str, str]) -> str:
    """The added model, or the first that the plugin has; empty if it has none."""
    return names.get("model") or next(iter(project.entry_points.get("dlpipe.models", {})), "")


def _files(project: PluginProject, names: Mapping[str, str]) -> dict[PurePosixPath, str]:
    from dlpipe_authoring.new.template import render_names

    files = render_names(names, project.package, _model(project, names))
    source = PurePosixPath(project.source)
    return {source / path if path.parts[0] == project.package else path: text for path, text in files.items()}


def _write(folder: Path, files: Mapping[PurePosixPath, str], points: dict[str, dict[str, str]]) -> None:
    """Rename the new files to their places, and the pyproject.toml that registers them last."""
    pyproject = folder / "pyproject.toml"
    changed = with_entry_points(pyproject.read_text(encoding="utf-8"), points)
    with tempfile.TemporaryDirectory(prefix=".dlpipe-new-", dir=folder) as temporary:
        written = {**files, PurePosixPath("pyproject.toml"): changed} if points else files
        write_files(Path(temporary), written)
        for name in written:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(temporary) / name).replace(folder / name)
