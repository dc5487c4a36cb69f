"""The documentation as a site: it builds without a warning, and has what is generated from the code."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import dlpipe
from dlpipe.cli.plugin_verbs import plugin_verbs
from dlpipe.cli.verbs import VERBS
from dlpipe.plain_config import flat

ROOT = Path(__file__).parents[2]
SAMPLE = r"""# Sample

Of $\lambda$ and $x_i < 3$, with \$5 and `$HOME/$x`:

$$
\begin{aligned}
p(v) &= \frac{1}{Z} \sum_h e^{-E(v, h)} \\
Z &= 1
\end{aligned}
$$

| symbol | meaning |
|---|---|
| $\hat{\theta}$ | $p(y \mid x)$ |

> [!NOTE]
> As GitHub writes it.
"""


def build(folder: Path, config: Path) -> str:
    """Build a site into a folder and return what mkdocs prints; a CalledProcessError has the warnings."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder.parent).stderr


def build_sample(tmp_path: Path, text: str) -> str:
    """Build a site of one page with the settings of ours, without the repository's pages."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(text)
    hook = ROOT / "docs" / "hooks" / "formulas.py"
    settings = f"INHERIT: {ROOT}/mkdocs.yml\nhooks: [{hook}]\nplugins: []\nwatch: []\nnav: [index.md]\nextra_css: []\n"
    (tmp_path / "mkdocs.yml").write_text(settings)
    build(tmp_path / "site", tmp_path / "mkdocs.yml")
    return (tmp_path / "site" / "index.html").read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    folder = tmp_path_factory.mktemp("site") / "site"
    try:
        build(folder, ROOT / "mkdocs.yml")
    except subprocess.CalledProcessError as error:
        pytest.fail(f"mkdocs build --strict\n{error.stderr}", pytrace=False)
    return folder


def test_every_page_of_the_repository_is_on_the_site(site):
    pages = list((ROOT / "docs").rglob("*.md"))
    assert len(pages) >= 20
    for page in pages:
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).is_file()
    for readme in (ROOT / "plugins").glob("*/README.md"):
        assert (site / readme.relative_to(ROOT).with_name("index.html")).is_file()


def test_the_site_loads_nothing_from_the_network(site):
    loaded = re.compile(
        r'<(?:script|img|iframe)[^>]* src="?https?:|<link[^>]* rel="?(?:stylesheet|preconnect)[^>]*https?:'
    )
    pages = list(site.rglob("*.html"))
    assert [page.name for page in pages if loaded.search(page.read_text())] == []


def test_the_reference_has_every_verb_and_every_public_name(site):
    verbs, python = ((site / "reference" / f"{name}.html").read_text() for name in ("verbs", "python"))
    assert [name for name in [*VERBS, *plugin_verbs()] if f'id="{name}"' not in verbs] == []
    assert "how many samples (default: 100)" in verbs
    names = [name for name in dlpipe.__all__ if name != "__version__"]
    assert [name for name in names if f'id="dlpipe.{name}"' not in python] == []


@pytest.mark.parametrize("overrides", [[], ["model=sda", "optimizer=cg", "scheduler=step"], ["logger=mlflow"]], ids=str)
def test_the_reference_has_every_config_key(site, overrides):
    shown = set(re.findall(r"<td><code>(.*?)</code></td>", (site / "reference" / "config_keys.html").read_text()))
    keys = flat(OmegaConf.to_container(dlpipe.compose(*overrides), resolve=False))
    assert len(keys) >= 60
    chosen = {"search", "experiment"}  # groups of which nothing is chosen
    assert sorted(keys.keys() - chosen - {html.unescape(key) for key in shown}) == []


def test_a_link_to_a_source_file_leads_to_a_page_that_shows_it(site):
    assert 'href="../plugins/hmc/dlpipe_hmc/leapfrog.py.html"' in (site / "tutorials" / "hmc.html").read_text()
    shown = re.sub("<[^>]+>", "", (site / "plugins" / "hmc" / "dlpipe_hmc" / "leapfrog.py.html").read_text())
    assert "def leapfrog(" in html.unescape(shown)


def test_formulas_are_mathml_and_notes_are_written_as_on_github(tmp_path):
    page = build_sample(tmp_path, SAMPLE)
    assert page.count("<math ") == 5
    assert "$5 and <code>$HOME/$x</code>" in page
    assert re.search(r"<td><math .*?</math></td>\s*<td><math ", page)
    assert 'display="block"' in page
    assert page.count("<mtr>") == 2
    assert '<div class="admonition note">' in page


def test_chapters_stand_in_the_nav_in_the_order_of_their_index(tmp_path):
    chapters = tmp_path / "docs" / "tutorials"
    chapters.mkdir(parents=True)
    (tmp_path / "docs" / "index.md").write_text("# Start\n\n[The readme](../README.md), [one](tutorials/two.md#part)\n")
    (tmp_path / "README.md").write_text("# Readme\n\n[Start](docs/index.md)\n")
    (chapters / "index.md").write_text("# Tutorials\n\n[Two](two.md), [one](one.md), [start](../index.md)\n")
    (chapters / "one.md").write_text("# Chapter one\n")
    (chapters / "two.md").write_text("# Chapter two\n\n## Part\n")
    hook = ROOT / "docs" / "hooks" / "repository_pages.py"
    nav = "[docs/index.md, README.md, {Tutorials: [docs/tutorials/]}]"
    settings = f"INHERIT: {ROOT}/mkdocs.yml\nhooks: [{hook}]\nplugins: []\nwatch: []\nnav: {nav}\nextra_css: []\n"
    (tmp_path / "mkdocs.yml").write_text(settings)
    build(tmp_path / "site", tmp_path / "mkdocs.yml")
    page = (tmp_path / "site" / "tutorials" / "two.html").read_text()
    assert page.index("Chapter two") < page.index("Chapter one")
    assert (tmp_path / "site" / "commands.html").is_file()
    (chapters / "lost.md").write_text("# Lost\n")
    with pytest.raises(subprocess.CalledProcessError) as error:
        build(tmp_path / "site", tmp_path / "mkdocs.yml")
    assert "docs/tutorials/lost.md" in error.value.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[x](#nowhere)", "there is no such anchor"),
        ("[x](nowhere.md)", "not found among documentation files"),
        (r"$\nosuchcommand{x}$", r"has \nosuchcommand, which latex2mathml does not convert"),
        (r"$\left( x$", "cannot be converted"),
    ],
)
def test_a_mistake_in_a_page_fails_the_build(tmp_path, text, message):
    with pytest.raises(subprocess.CalledProcessError) as error:
        build_sample(tmp_path, f"# Page\n\n{text}\n")
    assert message in error.value.stderr
