"""A run that this user may read only: reading verbs work, the others refuse in one line."""

import errno
import json
import os
import shutil

import pytest

from dlpipe import DlpipeError, load
from dlpipe.cli.verbs import list as list_verb
from dlpipe.errors import SYSTEM_ERRORS, system_errors_in_one_line


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, run_dlpipe):
    """A short run of a model that can sample; no test changes it."""
    folder = tmp_path_factory.mktemp("runs")
    words = ["model=rbm", "recipe.max_epochs=1", "hydra.run.dir=run"]
    run_dlpipe(words, cwd=folder, capture_output=True, check=True)
    return folder / "run"


@pytest.fixture
def read_only(monkeypatch):
    """The superuser may write anywhere, and here nowhere."""
    monkeypatch.setattr(os, "access", lambda path, mode, **options: not mode & os.W_OK)


def everything(folder):
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


@pytest.mark.parametrize(
    "words", [["test"], ["inspect", "checkpoints/best.ckpt"], ["resume"]], ids=lambda words: words[0]
)
def test_a_verb_that_reads_a_finished_run_writes_nothing_there(run_dir, cli, read_only, words):
    before = everything(run_dir.parent)
    verb, *file = words
    result = cli(verb, str(run_dir.joinpath(*file)))
    assert result.code == 0, result.err
    assert everything(run_dir.parent) == before


def test_load_writes_nothing(run_dir, read_only):
    before = everything(run_dir)
    load(run_dir)
    assert everything(run_dir) == before


@pytest.mark.parametrize("verb", ["figures", "sample", "resume", "reproduce"])
def test_a_verb_that_writes_refuses_in_one_line(run_dir, cli, read_only, tmp_path, verb):
    run = shutil.copytree(run_dir, tmp_path / "run")
    if verb == "resume":
        (run / "summary.json").write_text(json.dumps({"status": "interrupted"}))
    before = everything(run)
    result = cli(verb, str(run))
    folder = run.parent if verb == "reproduce" else run
    message = f"{folder} cannot be written to: Permission denied; use a copy that you may write to"
    assert (result.code, result.err) == (2, f"dlpipe: {message}\n")
    assert everything(run) == before


def test_a_file_that_may_not_be_read_is_not_called_damaged(run_dir, monkeypatch):
    def refuse(path, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("zipfile.is_zipfile", refuse)
    with pytest.raises(DlpipeError, match=r"best\.ckpt could not be opened: Permission denied\. Change who may use it"):
        load(run_dir)
    monkeypatch.setattr("dlpipe.runs.config_file.read_yaml", refuse)
    with pytest.raises(
        DlpipeError, match=r"config\.yaml could not be opened: Permission denied\. Change who may use it"
    ):
        load(run_dir)


@pytest.mark.parametrize("number", SYSTEM_ERRORS)
def test_an_error_of_the_system_is_one_line_with_advice(number):
    message = rf"^/a could not be (opened|written): {os.strerror(number)}\. [A-Z].*, then try again$"
    with pytest.raises(DlpipeError, match=message), system_errors_in_one_line(", then try again"):
        raise OSError(number, os.strerror(number), "/a")


def test_an_error_of_the_code_keeps_its_traceback():
    with pytest.raises(FileNotFoundError), system_errors_in_one_line():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "/a")


def test_too_few_open_files_are_one_line(cli, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/a")

    monkeypatch.setattr(list_verb, "main", refuse)
    result = cli("list")
    assert result.code == 2
    assert result.err == "dlpipe: /a could not be opened: Too many open files. Allow more open files (ulimit -n 1024)\n"
