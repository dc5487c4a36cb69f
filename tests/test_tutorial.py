"""docs/plugin-tutorial.md: its files are those of tests/acme_plugin, its commands print what it shows."""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "tests" / "acme_plugin"
# **`file`** or **at the end of `file`** above a fenced block; a block without is a command or an aside
BLOCK = re.compile(r"(?:^\*\*(at the end of )?`([^`\n]+)`\*\*\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
ENTRY_POINTS = re.compile(r'^\[project\.entry-points\."(.+)"\]\n((?:.+\n)*)', re.MULTILINE)
# what another machine may round otherwise, or be faster at
VARIES = re.compile(r"\d+\.\d{6}|\d+\.\d(?= s,| updates/s)|(?<=update )\d+|(?<=epoch )\d+(?=\))|(?<=directory: ).+")


class Step(NamedTuple):
    """A command, what the tutorial says it prints, the files of the plugin so far, and the commands above it."""

    command: str
    output: str
    files: dict[str, str]
    earlier: tuple[str, ...]


def read_tutorial() -> tuple[dict[str, str], list[Step]]:
    """The finished files, and the commands on the way there."""
    files: dict[str, str] = {}
    steps = []
    for appended, name, language, text in BLOCK.findall((ROOT / "docs" / "plugin-tutorial.md").read_text()):
        if name:
            files[name] = files[name] + text if appended else text
        elif language == "console":
            commands = COMMAND.findall(text)
            steps += [
                Step(command, output, dict(files), tuple(earlier for earlier, _ in commands[:number]))
                for number, (command, output) in enumerate(commands)
            ]
    return files, steps


FILES, STEPS = read_tutorial()
DLPIPE_STEPS = [step for step in STEPS if step.command.startswith("python -m dlpipe ")]


@pytest.fixture
def install_files(install):
    """Install the plugin as its files are at some step of the tutorial."""

    def run(files: dict[str, str]) -> None:
        package = {name: text for name, text in files.items() if name.startswith("dlpipe_acme/")}
        site = install("dlpipe-acme", {}, package)
        groups = ENTRY_POINTS.findall(files["pyproject.toml"])
        (version,) = re.findall('^version = "(.+)"$', files["pyproject.toml"], re.MULTILINE)
        (info,) = site.glob("*.dist-info")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dlpipe-acme\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("".join(f"[{g}]\n{lines}" for g, lines in groups).replace('"', ""))

    return run


def test_every_file_of_the_plugin_is_in_the_tutorial():
    tracked = {path for path in PLUGIN.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {str(path.relative_to(PLUGIN)) for path in tracked} == set(FILES)
    assert len(FILES) >= 10


@pytest.mark.parametrize("name", sorted(FILES))
def test_file_is_word_for_word_that_of_the_tutorial(name):
    assert (PLUGIN / name).read_text() == FILES[name]


def test_tutorial_has_commands():
    assert len(DLPIPE_STEPS) >= 8


@pytest.mark.parametrize("step", DLPIPE_STEPS, ids=lambda step: step.command.removeprefix("python -m dlpipe "))
def test_command_prints_what_the_tutorial_shows(step, cli, install_files, monkeypatch):
    monkeypatch.delenv("DLPIPE_DATA", raising=False)  # which might have the data that is not found here
    if step.files:
        install_files(step.files)
    for command in step.earlier:
        if command.startswith("python -m dlpipe new "):  # writes into the folder; another command leaves nothing to use
            assert cli(*shlex.split(command)[3:]).code == 0
    result = cli(*shlex.split(step.command)[3:])
    printed, shown = (VARIES.sub("#", text) for text in (result.out + result.err, step.output))
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(shown, printed, flags), f"{shown}\n--- but it prints\n{printed}"


def test_tests_of_the_plugin_pass(install_files, tmp_path):
    install_files(FILES)
    for name, text in FILES.items():
        if name.startswith("tests/"):
            (tmp_path / "acme" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "acme" / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-W", "error", "-k", "not two_processes", "acme"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    counts = dict(re.findall(r"(\d+) (\w+)", result.stdout.splitlines()[-1]))
    assert {word: int(count) for count, word in counts.items()} == {"passed": 52, "skipped": 6, "deselected": 3}
    assert "Net has no predict_step" in result.stdout
    assert "does not apply: the data is not here: no fashion in" in result.stdout


def test_finished_model_draws_what_the_tutorial_says(cli, install_files):
    install_files(FILES)
    result = cli("model=softmax", "recipe.max_epochs=1")
    figures = sorted(path.name for path in (result.run_dir / "figures").iterdir())
    assert figures == ["confusion_matrix.png", "filters.png"]


def test_callback_logs_the_column_that_the_tutorial_names(cli, install_files):
    install_files(FILES)
    result = cli("model=softmax", "callbacks=[default,weight_norm]", "recipe.max_epochs=1")
    assert "train/weight_norm" in (result.run_dir / "metrics.csv").read_text().splitlines()[0].split(",")
