"""The benchmarks: each variant for a moment, what is compared, and the tables."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlpipe import plugins
from dlpipe.build import build_model
from dlpipe.checks import light

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
needs_mnist = pytest.mark.skipif(
    not (Path(os.environ.get("DLPIPE_DATA", "/nowhere")) / "mnist").is_dir(), reason="needs MNIST in $DLPIPE_DATA"
)
# its hints are what its users see
lightning = pytest.param("logreg600", "lightning", marks=pytest.mark.filterwarnings("ignore"))


@pytest.fixture
def script(monkeypatch):
    """Import a script of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def fresh(cli, install, monkeypatch, tmp_path):
    """The state of a new process: Hydra not started, no plugin looked for yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["one_run.py"])
    plugins.all_offers.cache_clear()


@needs_mnist
@pytest.mark.parametrize(
    ("case", "variant"),
    [
        ("logreg600", "plain"),
        ("logreg600", "dataloader"),
        lightning,
        ("logreg600", "dlpipe"),
        ("logreg600", "dlpipe, K = 1"),
        ("third_party", "plain"),
        ("third_party", "dlpipe"),
    ],
)
def test_a_variant_is_measured(case, variant, script, fresh, capsys):
    script("one_run").main([case, variant, "1", "--most-updates", "3"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found.pop("case"), found.pop("variant"), found.pop("threads")) == (case, variant, 1)
    if variant == "dlpipe, K = 1" and "skipped" in found:
        pytest.skip(found["skipped"])
    assert found.pop("updates") == 3
    assert sorted(found) == ["examples_per_second", "microseconds_per_update", "peak_mib"]
    assert min(found.values()) > 0


def test_a_core_without_the_key_skips_one_variant_and_no_other(script, monkeypatch, tmp_path):
    one_run, case = script("one_run"), script("cases").CASES["mlp"]

    def refuse(*arguments):
        raise one_run.RefusedError

    monkeypatch.setattr(one_run, "dlpipe", refuse)
    assert "the core refuses" in one_run.measure(case, "dlpipe, K = 1", 1, tmp_path)["skipped"]
    with pytest.raises(one_run.RefusedError):
        one_run.measure(case, "dlpipe", 1, tmp_path)


@needs_mnist
def test_the_phases_of_the_start_up_add_up_to_the_time_it_took(script, tmp_path):
    started = time.time()
    command = [sys.executable, BENCHMARKS / "start_up.py", str(started)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    took = time.time() - started
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == list(script("start_up").PHASES)
    assert min(found.values()) > 0
    assert 0.5 * took < sum(found.values()) <= took
    assert list(tmp_path.iterdir()) == []


@needs_mnist
def test_an_update_is_profiled_in_the_plain_loop_and_in_dlpipe(script, fresh, capsys):
    script("profile_update").main(["--model", "logreg600", "--updates", "60"])
    plain, operations, functions = capsys.readouterr().out.rpartition("own time")[2].split("**\n\n")[1:]
    assert "| `aten::addmm` | 1.00 |" in plain
    assert "| `aten::addmm` | 1.00 |" in operations
    assert "speed/updates.py" in functions
    assert "run_backward" not in functions


@pytest.mark.parametrize(("case", "model"), [("logreg600", "logreg"), ("mlp", "mlp"), ("lenet", "lenet")])
def test_what_is_compared_is_the_model_with_its_recipe(case, model, script):
    own = script("cases").CASES[case]
    ((_, cfg),) = light.check([f"model={model}", "dataset=mnist"], False, "run")
    assert (own.lr, own.batch_size, own.l2) == (cfg.recipe.lr, cfg.recipe.batch_size, cfg.model.get("l2", 0))
    by_hand, ours = script("networks").network(model).parameters(), build_model(cfg.model).parameters()
    for one, other in zip(by_hand, ours, strict=True):
        assert one.shape == other.shape
        # both from U[-a, a], or all zero
        assert float(one.detach().abs().mean()) == pytest.approx(float(other.detach().abs().mean()), rel=0.2)


# --- the tables

MACHINE = {"cpu": "Z80", "cores": 2, "python": "3.10", "torch": "2.4", "lightning": "2.6", "date": "2026-01-01"}


def result(case, variant, threads, rate):
    """What one_run.py prints."""
    numbers = {"updates": 10, "microseconds_per_update": 2e7 / rate, "examples_per_second": rate, "peak_mib": 99.6}
    return {"case": case, "variant": variant, "threads": threads, **numbers}


@pytest.fixture
def child(script, monkeypatch):
    """In place of processes: numbers that depend on variant and round."""
    rates = {"plain": iter([1000, 2000, 4000]), "lightning": iter([500, 1000, 1000])}

    def run(name, *arguments):
        if name == "start_up.py":
            return {"imports": 2.0, "checks": 1.0}
        case, variant, threads = arguments
        if variant.startswith("dlpipe, "):
            return {"case": case, "variant": variant, "threads": int(threads), "skipped": "refused"}
        return result(case, variant, int(threads), next(rates[variant]) if variant in rates else 1500)

    monkeypatch.setattr(script("throughput"), "child", run)
    monkeypatch.setattr(script("throughput"), "machine", lambda: MACHINE)


def test_rounds_become_medians_ratios_and_ranges(script, child, tmp_path, capsys):
    files = [f"--json={tmp_path}/found.json", f"--markdown={tmp_path}/tables.md"]
    script("throughput").main(["--models=mlp", "--rounds=3", "--threads=1", "--neighbour", *files])
    told = capsys.readouterr().out
    for line in (
        "Z80, 2 cores; Python 3.10, torch 2.4, Lightning 2.6; 2026-01-01. Medians of 3 rounds (least to most).",
        "**1 thread**",
        "| mlp, batch 20 | plain | 10,000 (5,000 to 20,000) | 2,000 (1,000 to 4,000) | 1.00 (1.00 to 1.00)"
        " | 2.00 (2.00 to 4.00) | 100 |",
        # the ratio is taken within a round, before the median
        "| mlp, batch 20 | lightning | 20,000 (20,000 to 40,000) | 1,000 (500 to 1,000) | 0.50 (0.25 to 0.50)"
        " | 1.00 (1.00 to 1.00) | 100 |",
        "| mlp, batch 20 | dlpipe, K = 1 | skipped: refused |  |  |  |  |",
        "| mlp, batch 20 | 1 | 1,500 (1,500 to 1,500) | 1,500 (1,500 to 1,500) | 1.00 (1.00 to 1.00) |",
        "| all | 3.00 (3.00 to 3.00) |",
    ):
        assert line in told.splitlines()
    assert (tmp_path / "tables.md").read_text() == told
    found = json.loads((tmp_path / "found.json").read_text())
    assert sorted(found) == ["machine", "measurements", "rounds", "start_up"]
    assert len(found["measurements"]) == 3 * 6  # a round: five variants, and dlpipe beside a neighbour
    assert [m["round"] for m in found["measurements"] if m["neighbour"]] == [0, 1, 2]


def test_what_stands_between_the_markers_is_replaced(script, tmp_path):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- table -->\nold\n<!-- /table -->\nafter\n")
    for table in ("| first |", "| second |"):
        script("report").write_between_markers(path, table)
        assert path.read_text() == f"before\n<!-- table -->\n{table}\n<!-- /table -->\nafter\n"


def test_a_file_without_the_markers_is_refused(script, tmp_path):
    path = tmp_path / "README.md"
    path.write_text("<!-- table -->\n")
    with pytest.raises(ValueError, match="must have <!-- table --> and <!-- /table --> once each"):
        script("report").write_between_markers(path, "")


def test_the_page_has_the_markers_and_names_every_case_and_variant(script):
    text = (BENCHMARKS / "README.md").read_text()
    assert [text.count(marker) for marker in script("report").MARKERS] == [1, 1]
    cases = script("cases")
    assert [name for name in (*cases.CASES, *cases.VARIANTS) if f"`{name}`" not in text] == []


def test_an_unknown_case_is_refused(script, capsys):
    with pytest.raises(SystemExit):
        script("throughput").parse(["--models", "mlp,perceptron"])
    assert "no case perceptron; there are logreg600, logreg20, mlp" in capsys.readouterr().err


def test_a_measurement_that_fails_ends_the_rounds_with_what_it_said(script):
    with pytest.raises(SystemExit, match="invalid choice: 'perceptron'"):
        script("throughput").child("one_run.py", "perceptron", "plain", "1")


def test_the_busy_process_is_there_and_then_gone(script, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    with script("throughput").busy_process():
        assert started[0].poll() is None
    assert started[0].poll() is not None


# --- what recipes reach


def finished_run(path, seed, error, **changed):
    """A directory with what results.py reads."""
    targets = [{"metric": "val/error", "value": 0.02}, {"metric": "test/error", "value": 0.03}]
    best = {"metric": "val/error", "value": 0.0123, "update": 1500, "epoch": 15}
    summary = {"seed": seed, "status": "finished", "stopped_by": "patience", "updates": 2000, "seconds": 90.0}
    summary |= {"best": best, "test": {"test/error": error, "test/loss": 0.1}, "targets": targets} | changed
    command = ["python", "/some/where/__main__.py", "model=mlp", f"seed={seed}", "hydra.run.dir=/elsewhere"]
    machine, libraries = {"threads": 1, "cpus": 2}, {"torch": "2.4"}
    started = "2026-01-02T03:04:05+00:00"
    provenance = {"started": started, "command": command, "machine": machine, "libraries": libraries}
    path.mkdir()
    (path / "summary.json").write_text(json.dumps(summary))
    (path / "provenance.json").write_text(json.dumps(provenance))
    return str(path)


def test_finished_runs_become_a_table_with_their_spread(script, tmp_path, monkeypatch):
    page = tmp_path / "results.md"
    page.write_text("before\n<!-- table -->\n<!-- /table -->\n")
    results = script("results")
    monkeypatch.setattr(results, "PAGE", page)
    runs = [finished_run(tmp_path / str(seed), seed, error) for seed, error in ((1, 0.01), (2, 0.02), (3, 0.03))]
    results.main([*runs, "--write"])
    assert page.read_text().splitlines() == [
        "before",
        "<!-- table -->",
        "`python -m dlpipe model=mlp`",
        "",
        "|  | val/error | test/error | best at update | updates (stopped by) | minutes |",
        "| --- | --- | --- | --- | --- | --- |",
        "| published | 2.00 % | 3.00 % |  |  |  |",
        "| seed 1 | 1.23 % | 1.00 % | 1,500 (epoch 15) | 2,000 (patience) | 1.5 |",
        "| seed 2 | 1.23 % | 2.00 % | 1,500 (epoch 15) | 2,000 (patience) | 1.5 |",
        "| seed 3 | 1.23 % | 3.00 % | 1,500 (epoch 15) | 2,000 (patience) | 1.5 |",
        "| mean ± standard deviation | 1.23 % ± 0.00 % | 2.00 % ± 1.00 % |  |  |  |",
        "",
        "2026-01-02; torch 2.4, 1 thread of 2 cores.",
        "<!-- /table -->",
    ]


def test_tables_of_other_commands_stay_and_stages_are_told(script, tmp_path, monkeypatch):
    page = tmp_path / "results.md"
    page.write_text("<!-- table -->\n<!-- /table -->\n")
    results = script("results")
    monkeypatch.setattr(results, "PAGE", page)
    stage = {"name": "pretrain/0", "epochs": 2, "updates": 1000, "seconds": 30.0}
    first = finished_run(tmp_path / "first", 1, 0.01)
    second = finished_run(tmp_path / "second", 5, 0.02, stages=[stage], best=None, targets=[])
    provenance = json.loads((tmp_path / "second" / "provenance.json").read_text())
    provenance["command"][2:3] = ["model=sda", "init_from=/some/where/first"]
    (tmp_path / "second" / "provenance.json").write_text(json.dumps(provenance))
    for runs in ([first], [second], [second]):
        results.main([*runs, "--write"])
    lines = page.read_text().splitlines()
    assert [line for line in lines if line.startswith("`")] == [
        "`python -m dlpipe model=mlp`",
        "`python -m dlpipe model=sda init_from=RUN`",
    ]
    assert sum(line.startswith("| seed 1 |") for line in lines) == 1
    assert "| seed 5 |  | 2,000 (patience) | 1.5 |" in lines
    assert "Seed 5: pretrain/0 2 epochs, 1,000 updates, 0.5 minutes." in lines


def test_what_is_no_finished_run_is_refused(script, tmp_path):
    results = script("results")
    with pytest.raises(SystemExit, match=r"has no summary\.json: it is not the directory of a finished run"):
        results.main([str(tmp_path)])
    stopped = finished_run(tmp_path / "stopped", 1, 0.01, status="interrupted")
    with pytest.raises(SystemExit, match="holds a run that is interrupted, not finished"):
        results.main([stopped])
