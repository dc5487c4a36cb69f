"""The verb report: what it writes where, and what it refuses."""

import os
import shutil

import pytest

from dlpipe_report.page.verb import report


def test_a_runs_report_is_in_its_directory_and_is_replaced(copied, cli):
    for _ in range(2):
        result = cli("report", str(copied))
        assert result.code == 0, result.err
        assert result.out.startswith(f"{copied / 'report.html'}: 0.1")
        assert result.out.endswith(" MB; open it in a browser\n")
    page = (copied / "report.html").read_text(encoding="ascii")
    assert page.startswith("<!doctype html><!-- dlpipe report -->")
    assert len(page) < 3e6
    assert not [path for path in copied.rglob("*") if ".tmp" in path.name]


def test_several_runs_have_one_report_in_the_working_folder(trained, copied, cli):
    result = cli("report", str(trained), str(copied), str(copied))
    assert result.code == 0, result.err
    page = (result.folder / "report.html").read_text()
    assert "<h1>2 runs</h1>" in page


def test_a_report_below_the_working_folder_is_named_from_there(copied, monkeypatch, capsys):
    monkeypatch.chdir(copied.parent)
    report([copied.name])
    assert capsys.readouterr().out.startswith(f"{copied.name}/report.html: ")


def test_a_sweeps_report_is_in_its_directory(swept, cli):
    result = cli("report", str(swept), "-o", "sweep.html")
    assert result.code == 0, result.err
    assert "<h1>Sweep of 4 jobs</h1>" in (result.folder / "sweep.html").read_text()


def test_a_file_that_is_no_report_is_not_replaced(copied, cli):
    (copied / "report.html").write_text("my own notes")
    result = cli("report", str(copied))
    assert result.code == 2
    assert "report.html exists and is not a report; name another file with -o FILE" in result.err
    assert (copied / "report.html").read_text() == "my own notes"


def test_a_folder_is_not_replaced(copied, cli):
    result = cli("report", str(copied), "-o", str(copied))
    assert result.code == 2
    assert "is a folder; name a file with -o FILE" in result.err


def test_a_directory_that_is_read_only_has_its_report_in_the_working_folder(trained, cli, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    result = cli("report", str(trained))
    assert result.code == 0, result.err
    assert "cannot be written to; the report is in the working folder" in result.out
    assert (result.folder / "report.html").is_file()


def test_a_file_that_cannot_be_written_is_named(trained, cli):
    result = cli("report", str(trained), "-o", "/proc/report.html")
    assert result.code == 2
    assert "/proc/report.html cannot be written: " in result.err


def test_a_sweep_beside_a_run_is_refused(trained, swept, cli):
    result = cli("report", str(swept), str(trained))
    assert result.code == 2
    assert f"{swept} is a sweep, which has a report of its own" in result.err


def test_a_folder_without_a_run_is_refused(tmp_path, cli):
    result = cli("report", str(tmp_path))
    assert result.code == 2
    assert f"{tmp_path} is not a run's directory" in result.err


def test_damaged_metrics_are_named(copied, cli):
    (copied / "metrics.csv").write_text("step,epoch,loss\n0,0,much\n")
    result = cli("report", str(copied))
    assert result.code == 2
    assert "metrics.csv is damaged" in result.err


@pytest.mark.parametrize("content", ['{"seconds": 1}', '{"targets": [1]}', '{"best": {"value": 1}}', "[]", "{"])
def test_a_damaged_summary_is_named(copied, cli, content):
    (copied / "summary.json").write_text(content)
    result = cli("report", str(copied))
    assert result.code == 2
    assert "summary.json" in result.err
    assert "damaged" in result.err


def test_a_damaged_job_costs_only_its_own_curves(swept, cli, tmp_path):
    sweep = shutil.copytree(swept, tmp_path / "swept")
    (sweep / "0-logreg" / "metrics.csv").write_text("step,epoch,loss\n0,0,much\n")
    result = cli("report", str(sweep))
    assert result.code == 0, result.err
    assert "0-logreg has no curves here: " in (sweep / "report.html").read_text()


@pytest.mark.parametrize("words", [(), ("-m", "seed=1,2")])
def test_a_run_with_the_callback_writes_its_report(cli, words):
    result = cli(*words, "model=logreg", "recipe.max_epochs=1", "callbacks=[default,report]")
    assert result.code == 0, result.err
    assert len(result.run_dirs) == 1 + bool(words)
    for directory in result.run_dirs:
        page = (directory / "report.html").read_text()
        assert 'id="matrix"' in page
        assert ">callbacks.report._target_<" in page
