"""Pages of the site have the paths that they have in the repository, so that a link between two works in both."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

OUTSIDE_DOCS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/*.md", "plugins/*/README.md")
# index.html is that of docs/index.md
ADDRESSES = {"README.md": "commands.html", "CHANGELOG.md": "changelog.html", "CONTRIBUTING.md": "contributing.html"}
PAGE_LINK = re.compile(r"\]\(([\w-]+\.md)\)")
SOURCE_LINK = re.compile(r"\]\(([\w./-]+\.(?:py|yaml|toml))\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Name the files of docs/ as in the repository, add the pages outside of it, and fill in folders of the nav."""
    root = Path(config.config_file_path).parent
    pages = [_from_root(file, config) if file.src_dir == config.docs_dir else file for file in files]
    for path in sorted(path for pattern in OUTSIDE_DOCS for path in root.glob(pattern)):
        name = path.relative_to(root).as_posix()
        page = File.generated(config, name, abs_src_path=str(path))
        page.dest_uri = ADDRESSES.get(name, page.dest_uri)
        pages.append(page)
    pages += _source_pages(pages, root, config)
    config.nav = list(_with_chapters(config.nav or [], root))
    return Files(pages)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead a link to a source file to its page on the site."""
    return SOURCE_LINK.sub(r"](\1.md)", markdown)


def _source_pages(pages: list[File], root: Path, config: MkDocsConfig) -> Iterator[File]:
    """A page for each source file that a page links to."""
    linked = {
        (Path(str(page.abs_src_path)).parent / link).resolve()
        for page in pages
        if page.is_documentation_page() and page.abs_src_path
        for link in SOURCE_LINK.findall(page.content_string)
    }
    for path in sorted(path for path in linked if path.is_file() and path.is_relative_to(root)):
        name = path.relative_to(root).as_posix()
        language = {".py": "python"}.get(path.suffix, path.suffix.removeprefix("."))
        content = f"# `{name}`\n\n````{language}\n{path.read_text('utf-8')}````\n"
        yield File.generated(config, f"{name}.md", content=content)


def _from_root(file: File, config: MkDocsConfig) -> File:
    """The file with its path from the root of the repository, at the address that mkdocs gives it."""
    renamed = File.generated(
        config, f"docs/{file.src_uri}", abs_src_path=str(file.abs_src_path), inclusion=file.inclusion
    )
    renamed.dest_uri = file.dest_uri
    return renamed


def _with_chapters(entries: list[Any], root: Path) -> Iterator[Any]:
    """The nav, with the pages of a folder in place of its name."""
    for entry in entries:
        if isinstance(entry, dict):
            yield {
                title: list(_with_chapters(value, root)) if isinstance(value, list) else value
                for title, value in entry.items()
            }
        elif entry.endswith("/"):
            yield from _chapters(entry, root / entry / "index.md")
        else:
            yield entry


def _chapters(folder: str, index: Path) -> list[str]:
    """The index of a folder and the pages of the folder that it links to, in its order; none without an index."""
    if not index.is_file():
        return []
    return [folder + name for name in dict.fromkeys(["index.md", *PAGE_LINK.findall(index.read_text("utf-8"))])]
