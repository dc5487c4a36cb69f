"""The files of ``dlpipe_authoring/template/``, filled in."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import jinja2

from dlpipe_authoring.new.names import class_name

FOLDER = Path(__file__).parents[1] / "template"
SUFFIX = ".jinja"


def render(part: str, values: Mapping[str, str]) -> dict[PurePosixPath, str]:
    """The files of one folder of the template: path to text; the names of files and folders are filled in, too.

    Raises:
        jinja2.UndefinedError: a file uses a value that is not given.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    files = {}
    for path in sorted((FOLDER / part).rglob(f"*{SUFFIX}")):
        name = path.relative_to(FOLDER / part).as_posix().removesuffix(SUFFIX)
        text = path.read_text(encoding="utf-8")
        filled_in, content = (environment.from_string(source).render(values) for source in (name, text))
        files[PurePosixPath(filled_in)] = content
    return files


def render_names(names: Mapping[str, str], package: str, model: str) -> dict[PurePosixPath, str]:
    """The files of models, datasets and callbacks.

    Args:
        names: kind to name.
        package: the plugin's package.
        model: a model to try a callback with; empty for dlpipe's default.
    """
    files: dict[PurePosixPath, str] = {}
    for kind, name in names.items():
        values = {"package": package, "name": name, "class_name": class_name(name), "model": model}
        files |= render(kind, values)
    return files
