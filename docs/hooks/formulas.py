"""Formulas as MathML, which browsers draw by themselves: ``$...$`` and ``$$...$$``, as GitHub reads them too."""

import html
import re

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

# what pymdownx.arithmatex makes of them
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
NOT_CONVERTED = re.compile(r">(\\[A-Za-z]+|&)<")


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Convert the formulas of a page.

    Raises:
        PluginError: a formula is not LaTeX that latex2mathml can convert.
    """
    return FORMULA.sub(lambda found: _mathml(found, page.file.src_uri), content)


def _mathml(found: re.Match[str], page: str) -> str:
    formula = html.unescape(found[2]).strip()
    display = "inline" if found[1] == "span" else "block"
    try:
        mathml = convert(formula.replace("{aligned}", "{align*}"), display=display)
    except Exception as error:  # latex2mathml raises an exception of its own for each mistake, or StopIteration
        raise PluginError(f"{page}: the formula {formula} cannot be converted: {type(error).__name__}") from error
    if left := NOT_CONVERTED.search(mathml):
        raise PluginError(f"{page}: the formula {formula} has {left[1]}, which latex2mathml does not convert")
    return mathml
