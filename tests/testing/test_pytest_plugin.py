"""`pytest --dlpipe-plugin acme`, and the pytest of somebody who merely has dlpipe installed."""

import subprocess
import sys

import pytest

from dlpipe.testing import run_case
from dlpipe.testing.result import Broken, NotApplicable, check
from dlpipe.testing.subject import Subject

MODEL = """
import torch
from pytorch_lightning import LightningModule

class Model(LightningModule):
    def __init__(self, num_features: int = 784) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(num_features, 10)

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.linear(batch[0]), batch[1])
"""
IMPORTED = """
import sys, pytest
code = pytest.main(sys.argv[1:])
print(code, sorted(name for name in sys.modules if name.partition(".")[0] in ("torch", "dlpipe", "pytorch_lightning")))
"""


@pytest.fixture
def acme(install):
    install("dlpipe-acme", {"toy": "acme:Model"}, {"acme/__init__.py": MODEL})


@pytest.fixture
def run_pytest(tmp_path, monkeypatch):
    """Run pytest in an empty folder, in a process of its own."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(*arguments, start=("-m", "pytest")):
        command = [sys.executable, *start, "-W", "error", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    return run


def test_an_installed_plugin_is_checked_without_any_file(acme, run_pytest):
    options = ("-n", "2", "--import-mode=importlib", "--strict-markers", "-k", "docstring or options or lightning")
    result = run_pytest("--dlpipe-plugin", "acme", *options)
    assert result.returncode == 1, result.stdout
    assert "1 failed, 2 passed" in result.stdout
    assert "contract/toy::has_a_docstring" in result.stdout
    assert "\nthe class of model 'toy' has no docstring; `list` and `show` print its first line." in result.stdout
    assert "Traceback" not in result.stdout
    assert "During handling" not in result.stdout


def test_the_checks_are_listed_by_name(acme, run_pytest):
    result = run_pytest("--dlpipe-plugin", "dlpipe-acme", "--collect-only", "-q")
    assert result.returncode == 0, result.stdout
    lines = result.stdout.splitlines()
    assert "contract/toy::same_seed_same_bits" in lines
    assert "contract/toy::two_processes_same_numbers" in lines
    assert "16 tests collected" in lines[-1]


def test_a_plugin_that_is_not_installed_is_refused_with_those_that_are(acme, run_pytest):
    result = run_pytest("--dlpipe-plugin", "dlpipe-acm")
    assert result.returncode == 2
    assert "no plugin 'dlpipe-acm'; did you mean 'dlpipe-acme'? installed: dlpipe" in result.stdout


def test_an_override_of_a_name_that_is_not_registered_is_refused(acme):
    from dlpipe.errors import PluginError
    from dlpipe.testing import contract_tests

    with pytest.raises(PluginError, match=r"acme registers no 'tou'; did you mean 'toy'\? it registers toy"):
        contract_tests("acme", {"tou": ["model.num_features=3"]})


def test_without_the_option_pytest_imports_nothing_more(run_pytest):
    result = run_pytest("-q", "-p", "no:cacheprovider", start=("-c", IMPORTED))
    assert result.stdout.splitlines()[-1] == "5 ['dlpipe', 'dlpipe.pytest_plugin']", result.stdout + result.stderr


def test_the_plugin_of_pytest_can_be_switched_off(run_pytest):
    assert run_pytest("-p", "no:dlpipe").returncode == 5  # no tests
    refused = run_pytest("-p", "no:dlpipe", "--dlpipe-plugin", "acme")
    assert refused.returncode == 4
    assert "unrecognized arguments: --dlpipe-plugin" in refused.stderr


class Case:
    """One whose check raises an error."""

    def __init__(self, error, cause=None):
        self.error, self.cause = error, cause

    def run(self):
        raise self.error from self.cause


def test_what_the_plugins_code_raised_is_shown_with_its_traceback():
    with pytest.raises(pytest.fail.Exception, match=r"(?s)the run failed\n.*KeyError: 'image'"):
        run_case(Case(Broken("the run failed"), KeyError("image")))


def test_a_check_that_does_not_apply_is_skipped_with_the_reason():
    with pytest.raises(pytest.skip.Exception, match="does not apply: it has no test data"):
        run_case(Case(NotApplicable("it has no test data")))


def test_an_unexpected_error_in_a_check_is_reported_once():
    @check
    def is_read(subject):
        raise KeyError(subject.name)

    subject = Subject("model", "toy", [], list)
    for _ in range(2):
        with pytest.raises(Broken, match="is_read of model 'toy' failed: KeyError: 'toy'") as raised:
            is_read(subject)
        assert raised.value.check == "is_read"
