"""Sweepers of plugins, and the files of searches."""

import importlib.metadata

import pytest

from dlpipe.config.checks import sweeper as checks

# as in anybody's distribution; Hydra itself finds no module of an editable install
SWEEPER = """
from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper

ConfigStore.instance().store(group="hydra/sweeper", name="halves", node={"_target_": f"{__name__}.Halves", "word": "a"})


class Halves(Sweeper):
    def __init__(self, word):
        pass

    @staticmethod
    def problems(configs, overrides):
        from dlpipe import Problem

        if configs[0].hydra.sweeper.word == "wrong":
            yield Problem("hydra.sweeper.word=wrong", f"refused for {overrides} of {len(configs)} jobs")

    def setup(self, *, hydra_context, task_function, config):
        from hydra.core.plugins import Plugins

        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments):
        self.launcher.launch([[*arguments, "seed=7"]], initial_job_idx=0)
"""


@pytest.fixture
def halves(install):
    """A plugin with a sweeper."""
    name = "hydra_plugins.halves.halves"
    install("dlpipe-halves", {"halves": f"{name}:Halves"}, {"hydra_plugins/halves/halves.py": SWEEPER}, "hydra_plugins")


def test_an_installed_distribution_brings_a_sweeper(halves, cli):
    result = cli("-m", "hydra/sweeper=halves", "recipe.max_epochs=1", "try_one_batch=false")
    assert result.code == 0, result.err
    assert "seed: 7" in (result.run_dir / "config.yaml").read_text()
    assert "dlpipe-halves" in cli("list").out


def test_a_sweeper_checks_a_request_before_anything_is_written(halves, cli):
    result = cli("-m", "hydra/sweeper=halves", "hydra.sweeper.word=wrong", "seed=1,2")
    assert (result.code, result.written) == (2, [])
    assert "hydra.sweeper.word=wrong: refused for ['seed=1,2'] of 2 jobs" in result.err


def test_a_sweeper_that_cannot_be_imported_costs_only_itself(install, cli):
    files = {"hydra_plugins/torn/torn.py": "import not_installed_anywhere"}
    install("dlpipe-torn", {"torn": "hydra_plugins.torn.torn:Torn"}, files, "hydra_plugins")
    assert cli("model=logreg", "--cfg", "job").code == 0
    assert "broken: ModuleNotFoundError: No module named 'not_installed_anywhere'" in cli("list").out


def test_the_message_for_a_sweeper_that_is_not_installed_names_the_extra(monkeypatch, cli):
    extras = importlib.metadata.metadata("dlpipe").get_all("Provides-Extra")
    assert "optuna" in extras
    monkeypatch.setattr(checks, "options", lambda group: ["basic"])
    expected = "no hydra/sweeper 'optuna'; to install it: pip install 'dlpipe[optuna]'; there are basic"
    assert checks.not_installed("hydra/sweeper", "optuna") == expected
    assert "pip" not in checks.not_installed("hydra/sweeper", "another")


@pytest.fixture
def search(tmp_path):
    """Write search/rates.yaml; returns the words that add its folder."""
    (tmp_path / "search").mkdir()

    def write(text):
        (tmp_path / "search" / "rates.yaml").write_text(text)
        return "-cd", str(tmp_path)

    return write


def test_a_search_is_a_sweep_from_a_file(search, cli):
    words = search("# @package hydra.sweeper.params\noptimizer.lr: 0.1,0.2\nseed: 1,2\n")
    result = cli(*words, "-m", "search=rates", "seed=3", "recipe.max_epochs=1", "try_one_batch=false")
    assert result.code == 0, result.err
    configs = sorted((path / ".hydra" / "overrides.yaml").read_text() for path in result.run_dirs)
    assert len(configs) == 2
    assert all("seed=3" in text for text in configs)  # the command line wins


def test_a_search_is_checked_as_the_command_line_is(search, cli):
    result = cli(*search("# @package hydra.sweeper.params\noptimizer.lrr: 0.1,0.2\n"), "-m", "search=rates")
    assert (result.code, result.written) == (2, [])
    assert "search/rates.yaml: optimizer.lrr=0.1: no such key; did you mean 'lr'?" in result.err


def test_a_search_without_its_first_line_is_refused(search, cli):
    result = cli(*search("optimizer.lr: 0.1,0.2\n"), "-m", "search=rates")
    assert (result.code, result.written) == (2, [])
    assert "rates.yaml must begin with the line '# @package hydra.sweeper.params', as every search" in result.err
