"""docs/tutorials: a page for each model of the tutorials, its pictures, and the table that leads to them."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from PIL import Image

PAGES = Path(__file__).parents[2] / "docs" / "tutorials"
CHAPTERS = sorted(page for page in PAGES.glob("*.md") if page.name != "index.md")
PLUGINS = [
    "dlpipe-autoencoders",
    "dlpipe-boltzmann",
    "dlpipe-hmc",
    "dlpipe-language",
    "dlpipe-music",
    "dlpipe-supervised",
]
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", re.DOTALL)
FENCED = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def pictures(page: Path) -> list[tuple[str, Path]]:
    """Alternative text and file of each picture."""
    return [(text, (PAGES / name).resolve()) for text, name in PICTURE.findall(page.read_text())]


def models(plugin: str) -> list[str]:
    return [entry.name for entry in distribution(plugin).entry_points if entry.group == "dlpipe.models"]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_every_model_of_a_plugin_has_a_chapter_that_runs_it(plugin):
    assert models(plugin)
    for model in models(plugin):
        first_commands = [re.search(r"^\$ (.+)", page.read_text(), re.MULTILINE) for page in CHAPTERS]
        assert f"python -m dlpipe model={model}" in [found[1] for found in first_commands if found]


def test_table_leads_to_every_chapter_in_the_order_of_the_links_between_them():
    linked = re.findall(r"^\| \[.+?\]\((.+?)\)", (PAGES / "index.md").read_text(), re.MULTILINE)
    assert sorted(linked) == [page.name for page in CHAPTERS]
    for name, following in zip(linked, [*linked[1:], "index.md"], strict=True):
        last_paragraph = (PAGES / name).read_text().strip().split("\n\n")[-1]
        assert following in last_paragraph, name


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_chapter_has_a_formula_and_a_picture_that_is_described(page):
    assert FORMULA.search(FENCED.sub("", page.read_text()))
    assert pictures(page)
    for text, file in pictures(page):
        assert len(text.split()) >= 8, f"{file.name} is not described"
        with Image.open(file) as picture:
            picture.verify()


def test_every_picture_is_used_and_small():
    files = sorted((PAGES / "images").iterdir())
    assert files == sorted({file for page in CHAPTERS for _, file in pictures(page)})
    assert max(file.stat().st_size for file in files) <= 60_000
    assert sum(file.stat().st_size for file in files) <= 1_200_000
