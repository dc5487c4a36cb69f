"""Console blocks of the documentation: every command is one that works, every output is compared or has its date."""

import argparse
import datetime
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from dlpipe.cli import verbs
from dlpipe.cli.plugin_verbs import is_plugin_verb, run_plugin_verb
from dlpipe.cli.request import read_request
from dlpipe.config.checks import config_checks
from dlpipe.config.compose import compose
from dlpipe.errors import RequestError
from dlpipe.plugins import registry

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]
STAGES = "docs/stages.md"  # the only page whose commands need the plugin that it shows
TUTORIAL = "docs/plugin-tutorial.md"  # its test runs the commands, with the plugin as it is at each step
# tests that compare what the blocks of a page print
COMPARED = {
    TUTORIAL: "tests/test_tutorial.py",
    "docs/demos.md": "tests/test_demos.py",
    "docs/sequences.md": "tests/test_sequences_page.py",
    "docs/export.md": "tests/test_export.py",
}
BLOCK = re.compile(r"^(?:<!-- run on (\S+) -->\n\n?)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# the contents of a file have its language: csv, yaml, python, ...; tree is a folder
TERMINAL = ("", "bash", "console", "sh", "shell", "text")
PROGRAM = re.compile(r"(?:python|pip|pytest|dlpipe|torchrun|srun|npm|optuna-dashboard|ray-env/bin/\w+) |# |#SBATCH |$")
DLPIPE = re.compile(r"(?:-m )?\bdlpipe (.+)")
# Ray has a test environment of its own: docs/launchers.md
NOT_INSTALLED = "pip install 'dlpipe[ray]'"
OPTIONAL = re.compile(r" \[([^\]\s]+=[^\]\s]+)\]")


class Block(NamedTuple):
    """A fenced block that shows a terminal."""

    page: str
    line: int
    date: str
    commands: list[str]
    output: list[str]


class Command(NamedTuple):
    """The words after ``dlpipe`` in a block, and what the block shows of its output."""

    page: str
    line: int
    words: list[str]
    output: str


def blocks_of(text: str, page: str = "") -> list[Block]:
    """The blocks of a page that show a terminal."""
    found = []
    for block in BLOCK.finditer(text):
        date, language, content = block.groups(default="")
        if language in TERMINAL:
            lines = content.replace("\\\n", " ").splitlines()
            prompted = any(line.startswith("$ ") for line in lines)
            is_command = [line.startswith("$ ") if prompted else bool(PROGRAM.match(line)) for line in lines]
            commands = [line.removeprefix("$ ") for line, yes in zip(lines, is_command, strict=True) if yes]
            output = [line for line, yes in zip(lines, is_command, strict=True) if not yes and line]
            found.append(Block(page, text.count("\n", 0, block.start()) + 1, date, commands, output))
    return found


def words_of(command: str) -> list[str]:
    """The words after ``dlpipe``, without dots for what is left out; empty for another program."""
    found = DLPIPE.search(re.split(r" (?:\|\|?|&&) ", command)[0])
    if not found or not re.match(r"(?:\S*python3?|dlpipe|torchrun|srun)\b", command):
        return []
    words = shlex.split(OPTIONAL.sub(r" \1", found[1]), comments=True)
    return [word for word in words if word != "..."]


def is_compared_or_dated(block: Block) -> bool:
    """Whether a block without output, or with one that a test compares, or that says when it was run."""
    return not block.output or block.page in COMPARED or bool(block.date)


def problems_of(words: list[str]) -> list[str]:
    """What is wrong with the words after ``dlpipe``: with the arguments of a verb, or with overrides."""
    try:
        if words[0] in verbs.VERBS:
            verbs._Parser(words[0], verbs.VERBS[words[0]]).parse_words(words[1:])
            config_checks.check([word for word in words[1:] if is_override(word)], "-m" in words, output_key=None)
        elif is_plugin_verb(words[0]):
            return _problems_of_plugin_verb(words)
        else:
            read_request(words)
    except RequestError as error:
        return [str(problem) for problem in error.problems if NOT_INSTALLED not in str(problem)]
    return []


def is_override(word: str) -> bool:
    """Whether a word after a verb is an override."""
    return re.match(r"[+~]*[a-z][\w./@]*=", word) is not None or word.startswith("~")


class _ParsedError(Exception):
    pass


def _problems_of_plugin_verb(words: list[str]) -> list[str]:
    """Call the verb up to where it has parsed its arguments."""

    def stopping(parse):
        def stop(parser, *arguments):
            parse(parser, *arguments)
            raise _ParsedError

        return stop

    with pytest.MonkeyPatch.context() as patch:
        for name in ("parse_args", "parse_intermixed_args"):
            patch.setattr(argparse.ArgumentParser, name, stopping(getattr(argparse.ArgumentParser, name)))
        try:
            code = run_plugin_verb(words[0], words[1:])
        except _ParsedError:
            return []
    return [f"exit code {code} before the arguments were parsed"]


BLOCKS = [block for page in PAGES for block in blocks_of(page.read_text(), str(page.relative_to(ROOT)))]
COMMANDS = {
    tuple(words): Command(block.page, block.line, words, "\n".join(block.output))  # once each
    for block in BLOCKS
    if block.page != TUTORIAL
    for command in block.commands
    if (words := words_of(command))
}


@pytest.fixture(scope="module")
def composed():
    """Configs by what they were composed from: composing takes most of the time of a check."""
    return {}


@pytest.fixture(autouse=True)
def compose_once(composed, request, monkeypatch):
    """Compose the groups that commands have in common once; a page may have a plugin of its own."""
    command = request.node.callspec.params.get("command") if hasattr(request.node, "callspec") else None

    def compose_or_take(overrides):
        key = (command and command.page == STAGES, tuple(registry.user_conf_dirs), tuple(overrides))
        return composed.get(key) or composed.setdefault(key, compose(overrides))

    monkeypatch.setattr(config_checks, "compose", compose_or_take)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with the files that stand for those of the reader."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "user_conf_dirs", [])
    for name in ("NAME", "OTHER"):
        path = tmp_path / "DIR" / "experiment" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# @package _global_\ndefaults:\n  - override /model: mlp\n")
    (tmp_path / "DIR" / "search").mkdir()
    (tmp_path / "DIR" / "search" / "NAME.yaml").write_text("# @package hydra.sweeper.params\nseed: 1,2\n")
    return tmp_path


def test_pages_have_commands():
    assert len(PAGES) >= 25
    assert len(COMMANDS) >= 120


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda c: f"{c.page}:{c.line} {' '.join(c.words)}")
def test_the_command_passes_the_checks_or_its_problems_are_shown(command, folder, install):
    if command.page == STAGES:
        page = (ROOT / command.page).read_text()
        files = dict(re.findall(r"^\*\*`(.+?)`\*\*\n\n```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
        install("dlpipe-stacked", {"stacked": "stacked:Stacked"}, files)
    assert [problem for problem in problems_of(command.words) if problem not in command.output] == []


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.output], ids=lambda b: f"{b.page}:{b.line}")
def test_output_is_compared_by_a_test_or_says_when_it_was_run(block):
    assert is_compared_or_dated(block), "write <!-- run on DATE --> above it, with the day on which you ran it"
    if block.date:
        assert datetime.date.fromisoformat(block.date) >= datetime.date(2026, 11, 1)


@pytest.mark.parametrize("page", COMPARED)
def test_the_test_of_a_page_is_there(page):
    assert Path(page).name in (ROOT / COMPARED[page]).read_text()


def test_an_output_without_a_date_is_found():
    text = "{}```\n$ python -m dlpipe list\nmodels\n```\n"
    assert [is_compared_or_dated(block) for block in blocks_of(text.format(""))] == [False]
    assert [is_compared_or_dated(block) for block in blocks_of(text.format("<!-- run on 2026-11-27 -->\n"))] == [True]
    (without_prompt,) = blocks_of("```\npython -m dlpipe list\nmodels\n```\n")
    assert without_prompt.output == ["models"]


@pytest.mark.parametrize(
    "line",
    [
        "python -m dlpipe model=lenett",
        "srun -N 2 python -m dlpipe model=mlp model.num_hiden=3 || exit",
        "dlpipe -m seed=1,2 optimizer.momentum=x",
        "python -m dlpipe lisst",
        "python -m dlpipe resume RUN [recipe.max_epoch=9]",
        "python -m dlpipe predict RUN --al",
        "python -m dlpipe new acme --modell x",
    ],
)
def test_a_wrong_command_is_found(line, folder):
    assert problems_of(words_of(line))
