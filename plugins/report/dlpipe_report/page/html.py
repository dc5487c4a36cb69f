"""The page: one HTML file with its styles, scripts, data and pictures, which loads nothing."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

MARKER = "<!-- dlpipe report -->"  # by which a report is known, and may be replaced
LICENCE = "uPlot.LICENSE.txt"  # goes with every copy
STYLES = ("uPlot.min.css", "page.css")
SCRIPTS = ("uPlot.iife.min.js", "colours.js", "curves.js", "tables.js", "confusion.js", "coordinates.js")


def render(content: dict[str, Any], data: dict[str, Any]) -> bytes:
    """The page as ASCII.

    Args:
        content: for the template, which escapes every text.
        data: for the scripts: plain containers of finite numbers.
    """
    script = f"/*\n{_static(LICENCE)}*/\n" + "\n".join(map(_static, SCRIPTS))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = _environment().get_template("page.html.jinja")
    html = page.render(
        **content,
        marker=Markup(MARKER),
        style=Markup("\n".join(map(_static, STYLES))),
        script=Markup(script),
        # the browser runs this script alone, and loads nothing, whatever a run's files have brought in
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        data=Markup(as_script(data)),
    )
    return html.lstrip().encode("ascii", "xmlcharrefreplace")


def as_script(data: Any) -> str:
    """JSON that may stand in a ``script`` element: without <, which could end it."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _static(name: str) -> str:
    return (files("dlpipe_report.page") / "static" / name).read_text(encoding="ascii")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("dlpipe_report.page", "static"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
