"""What python -m dlpipe new writes passes at once: its tests, the plugin contract, ruff and mypy."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from dlpipe_authoring.new.verb import new

OFFLINE = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check")
LONG = "a" * 30  # the longest name that is allowed: ruff breaks lines of more than 120 characters
ADDED = {"model": "wide_net", "dataset": "clouds", "callback": "weight_norm"}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """The folder of a new plugin."""
    folder = tmp_path_factory.mktemp("fresh") / "dlpipe-acme"
    new(["acme", str(folder)])
    return folder


@pytest.fixture(scope="module")
def extended(fresh, tmp_path_factory):
    """The same plugin with another model, another dataset and a callback."""
    folder = tmp_path_factory.mktemp("extended") / "dlpipe-acme"
    shutil.copytree(fresh, folder)
    new([str(folder), *(word for kind, name in ADDED.items() for word in (f"--{kind}", name))])
    return folder


@pytest.fixture(scope="module")
def longest(tmp_path_factory):
    """The folder of a plugin with the longest names."""
    folder = tmp_path_factory.mktemp("longest") / "dlpipe-long"
    new([LONG, str(folder), "--model", f"b{LONG[1:]}", "--dataset", f"c{LONG[1:]}", "--callback", f"d{LONG[1:]}"])
    return folder


def run(folder, *command, **variables):
    environment = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "DLPIPE_PLUGINS")}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def run_its_tests(folder, site, *options):
    """Install a plugin and run its tests; how many passed, failed and so on."""
    installed = run(folder, "pip", "install", *OFFLINE, "--target", str(site), ".")
    assert installed.returncode == 0, installed.stderr
    result = run(folder, "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *options, PYTHONPATH=str(site))
    assert result.returncode == 0, result.stdout + result.stderr
    return {word: int(count) for count, word in re.findall(r"(\d+) ([a-z]+)", result.stdout.splitlines()[-1])}


@pytest.mark.parametrize("plugin", ["fresh", "extended", "longest"])
@pytest.mark.parametrize("command", ["check", "format --check"])
def test_ruff_finds_nothing(plugin, command, request):
    result = run(request.getfixturevalue(plugin), "ruff", *command.split())
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("plugin", ["extended", "fresh"])
def test_mypy_finds_nothing(plugin, request):
    # kept from session to session: torch and Lightning take most of the time
    cache = request.config.cache.mkdir("mypy_of_new_plugin")
    result = run(request.getfixturevalue(plugin), "mypy", "--cache-dir", str(cache))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "no issues found" in result.stdout


@pytest.mark.slow
def test_tests_of_a_new_plugin_pass(fresh, tmp_path):
    counts = run_its_tests(fresh, tmp_path, "-k", "not two_processes")
    # 15 checks of the model, of which one does not apply: its recipe has no targets; 6 of the dataset; 4 own tests
    assert (counts["passed"], counts["skipped"], counts["deselected"]) == (24, 1, 1)


def test_tests_of_what_was_added_pass(extended, tmp_path):
    added = " or ".join(ADDED.values())
    counts = run_its_tests(extended, tmp_path, "-k", f"({added}) and not two_processes")
    assert (counts["passed"], counts["skipped"]) == (25, 1)  # as above, and one test of the callback


@pytest.mark.slow
@pytest.mark.parametrize("plugin", ["fresh", "extended"])
def test_all_tests_of_the_plugin_pass(plugin, tmp_path, request):
    counts = run_its_tests(request.getfixturevalue(plugin), tmp_path)
    assert counts.keys() <= {"passed", "skipped", "in"}
    assert counts["passed"] >= 25
