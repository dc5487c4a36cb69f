"""Records of runs, and the page that is made from them."""

import functools
import json
from pathlib import Path

import pytest
from PIL import Image

from dlpipe import DlpipeError
from dlpipe.config.checks import config_checks
from dlpipe_report.results.chapters import read_chapters
from dlpipe_report.results.curve_tables import curves
from dlpipe_report.results.glance import glance
from dlpipe_report.results.markdown import duration, replace_marked, spread
from dlpipe_report.results.record import MOST_BYTES, Record, read_records

from .written_run import write_run

ROOT = Path(__file__).parents[3]
RECORDS = sorted((ROOT / "docs" / "results").glob("*.json"))
PAGE = "".join(f"<!-- {part} -->\n<!-- /{part} -->\n" for part in ("glance", "changed", "details", "curves"))
TARGETS = [
    {"dataset": "digits", "metric": "val/error", "value": 0.3, "source": "a log", "run": 0.25, "reached": True},
    {"dataset": "digits", "metric": "test/error", "value": 0.3, "source": "a log", "run": 0.5, "reached": False},
]


@pytest.fixture
def run(tmp_path):
    return functools.partial(write_run, tmp_path)


@pytest.fixture
def checkout(cli):
    """A working folder with an empty page."""
    folder = cli("help").folder
    (folder / "docs").mkdir()
    (folder / "docs" / "results.md").write_text(f"# Ours\n\n{PAGE}")
    return folder


def test_a_fresh_checkout_makes_the_committed_page_and_readme(cli, monkeypatch, capsys):
    from dlpipe_report.results.verb import results

    monkeypatch.chdir(ROOT)
    assert results(["--check"]) == 0, capsys.readouterr().out
    assert glance(read_records(ROOT / "docs" / "results")) in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_committed_record_is_small_and_named_after_its_run(path):
    (record,) = [Record(**json.loads(path.read_text()))]
    assert path.stat().st_size <= MOST_BYTES
    assert record.name == path.name
    assert "/work" not in path.read_text()


def test_every_chapter_has_a_row_with_our_numbers():
    assert len(RECORDS) > 20
    rows = glance(read_records(ROOT / "docs" / "results")).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [chapter.chapter for chapter in read_chapters()]
    assert [row for row in rows if not row.split("|")[4].strip()] == []


def test_chapters_name_models_and_datasets_that_are_installed():
    assert len(read_chapters()) == 12
    for chapter in read_chapters():
        config_checks.check([f"model={chapter.model}", f"dataset={chapter.dataset}"], False, None)


def test_a_run_is_recorded_with_a_thinned_curve_and_without_paths(run, checkout, cli):
    metrics = (
        "step,epoch,val/error,test/error\n"
        + "".join(f"{n},{n},{1 / (n + 1)},\n" for n in range(200))
        + "200,200,,0.5\n"
    )
    best = {"metric": "val/error", "value": 0.01, "update": 100, "epoch": 101, "mode": "min"}
    overrides = ["model=mlp", "seed=1", "threads=2", "resume=auto", "hydra.run.dir=/there", "init_from=/there"]
    directory = run("a", provenance={"overrides": overrides}, metrics=metrics, best=best)
    result = cli("results", str(directory))
    assert result.code == 0, result.err
    (path,) = checkout.glob("docs/results/*.json")
    assert path.name.startswith("mlp-digits-1-")
    assert result.out.splitlines() == [f"recorded in docs/results/{path.name}", "written: docs/results.md"]
    content = json.loads(path.read_text())
    assert content["command"] == "python -m dlpipe model=mlp init_from=RUN"
    assert content["summary"]["best"] == best
    points = content["curve"]["val/error"]
    assert len(points) == 21
    assert [points[0], points[-1]] == [[1, 1.0], [200, 0.005]]
    assert [101, float(f"{1 / 101:.7g}")] in points
    assert content["provenance"]["libraries"]["torch"] == "2.13.0"
    assert content["provenance"]["data"] == {"digits.npz": "b" * 64}


def test_the_page_has_mean_and_spread_over_seeds_and_counts_who_reaches_what(run, checkout, cli):
    for seed, test in ((1, 0.1), (2, 0.3), (10, 0.5)):
        cli("results", str(run(f"run{seed}", seed=seed, test={"test/error": test}, targets=TARGETS)))
    assert sorted(path.name for path in checkout.glob("docs/results/*")) == [
        f"mlp-digits-{seed}.json" for seed in (1, 10, 2)
    ]
    lines = (checkout / "docs" / "results.md").read_text().splitlines()
    assert lines[0] == "# Ours"
    cells = ["25.00 ± 0.00 / 30.00 ± 20.00 % (3 seeds)", "3 of 3 / 2 of 3", "10", "6.0 s"]
    row = f"| `mlp` on `digits` | val / test error | 30.00 / 30.00 % | {' | '.join(cells)} |"
    assert row in lines
    start = lines.index("`python -m dlpipe model=mlp`")
    assert lines[start + 1 : start + 11] == [
        "",
        "|  | val/error | test/error | best at update | updates (stopped by) | time |",
        "| --- | --- | --- | --- | --- | --- |",
        "| published | 30.00 % | 30.00 % |  |  |  |",
        "| seed 1 | 25.00 % | 10.00 % | 40 (epoch 2) | 60 (max_epochs) | 6.0 s |",
        "| seed 2 | 25.00 % | 30.00 % | 40 (epoch 2) | 60 (max_epochs) | 6.0 s |",
        "| seed 10 | 25.00 % | 50.00 % | 40 (epoch 2) | 60 (max_epochs) | 6.0 s |",
        "| mean ± standard deviation | 25.00 ± 0.00 % | 30.00 ± 20.00 % |  |  |  |",
        "",
        "2026-01-02; torch 2.13.0, 1 thread of 2 cores. Published: a log.",
    ]


def test_a_changed_recipe_is_another_record_whatever_the_order_of_its_overrides(run, checkout, cli):
    orders = (["model.num_hidden=3", "optimizer.lr=1"], ["optimizer.lr=1", "model.num_hidden=3"])
    for number, changes in enumerate(orders):
        overrides = ["model=mlp", *changes]
        cli("results", str(run(str(number), provenance={"overrides": overrides}, seed=number)))
    page = (checkout / "docs" / "results.md").read_text()
    assert page.count("`python -m dlpipe model=mlp ") == 1
    assert "| mean ± standard deviation |" in page
    part = page.partition("<!-- changed -->")[2].partition("<!-- /changed -->")[0]
    row = "| Multilayer Perceptron, on `digits` | val / test error |  | 25.00 ± 0.00 / 50.00 ± 0.00 % (2 seeds) |"
    assert row in part


def test_stages_and_a_run_without_targets_or_best_are_shown(run, checkout, cli):
    stage = {"name": "pretrain/0", "epochs": 2, "updates": 1500, "seconds": 120.0, "best": None}
    cli("results", str(run("a", best=None, test={"test/ess": 12.0, "test/acceptance": None}, stages=[stage])))
    page = (checkout / "docs" / "results.md").read_text()
    assert "Seed 1: pretrain/0 2 epochs, 1,500 updates, 2.0 min." in page
    assert "| seed 1 |  | 12.00 |  | 60 (max_epochs) | 6.0 s |" in page


def test_a_record_without_a_curve_is_marked(checkout, run, cli):
    cli("results", str(run("a")))
    (path,) = checkout.glob("docs/results/*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "curve": None}))
    cli("results")
    page = (checkout / "docs" / "results.md").read_text()
    assert "Runs marked † were recorded without their curve" in page
    assert "| seed 1 † |" in page


def test_a_published_curve_stands_beside_ours_at_each_epoch():
    summary = {"model": "rbm", "dataset": "mnist", "seed": 5}
    record = Record("python -m dlpipe model=rbm", summary, {"train/pseudo_likelihood": [[1, -91.0], [15, -62.5]]}, {})
    lines = curves([record]).splitlines()
    assert lines[0] == "### Restricted Boltzmann Machines"
    assert lines[4:8] == [
        "| epoch | published | seed 5 |",
        "| --- | --- | --- |",
        "| 1 | -90.65 | -91.00 |",
        "| 2 | -81.24 |  |",
    ]
    assert lines[-1] == "| 15 | -62.76 | -62.50 |"


def test_check_writes_nothing_and_fails_if_the_page_differs(run, checkout, cli):
    cli("results", str(run("a")))
    page = checkout / "docs" / "results.md"
    assert (cli("results", "--check").code, cli("results", "--check").out) == (0, "")
    page.write_text(changed := page.read_text().replace("6.0 s", "5.0 s"))
    result = cli("results", "--check")
    assert (result.code, page.read_text()) == (1, changed)
    assert result.out == "docs/results.md differs from the records; write it with: python -m dlpipe results\n"


def test_the_readme_gets_the_first_table_alone(run, checkout, cli):
    (checkout / "README.md").write_text("# A\n<!-- glance -->\n<!-- /glance -->\n## B\n")
    cli("results", str(run("a")))
    text = (checkout / "README.md").read_text()
    assert text.startswith("# A\n<!-- glance -->\n| chapter |")
    assert text.endswith("|\n<!-- /glance -->\n## B\n")


def test_filters_and_samples_of_runs_become_one_picture(run, checkout, cli):
    paths = [run("a"), run("b")]
    for path, name, size in ((paths[0], "filters", (578, 578)), (paths[1], "samples", (100, 290))):
        (path / "figures").mkdir()
        Image.new("L", size, 128).save(path / "figures" / f"{name}.png")
    result = cli("results", *map(str, paths), "--picture", "docs/images/both.png")
    assert "picture: docs/images/both.png" in result.out.splitlines()
    with Image.open(checkout / "docs" / "images" / "both.png") as picture:
        assert picture.size == (289 + 8 + 100, 290)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere is not a run's directory: it does not exist"),
        (["training"], "training is not a finished run: unfinished"),
        (["bare"], "bare has no provenance.json; take a whole copy of the run"),
        (["whole", "--check"], "--check compares the page with the records; it takes no RUN"),
        (["whole", "--picture", "x.png"], "no picture: none of these runs has a figure called filters or samples"),
        (
            ["--page", "README.md"],
            "README.md: no such file; run this in a checkout, or name a page that exists with --page",
        ),
        (["--records", "damaged"], "damaged/x.json is damaged: "),
        (["--records", "partial"], "partial/x.json is damaged: its summary has no model, dataset, "),
        (["--page", "plain.md"], "plain.md must have the lines <!-- glance --> and <!-- /glance --> once each"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_recorded_is_refused(words, message, run, checkout, cli):
    for name, options in (("training", {"summary": None}), ("bare", {}), ("whole", {})):
        run(name, **options).rename(checkout / name)
    (checkout / "bare" / "provenance.json").unlink()
    (checkout / "damaged").mkdir()
    (checkout / "damaged" / "x.json").write_text('{"command": 1}')
    (checkout / "partial").mkdir()
    (checkout / "partial" / "x.json").write_text('{"command": "", "summary": {}, "curve": null, "provenance": {}}')
    (checkout / "plain.md").write_text("plain\n")
    result = cli("results", *words)
    assert result.code == 2
    assert message in result.err


def test_a_record_that_is_too_large_is_refused(tmp_path):
    summary = {"model": "a", "dataset": "b", "seed": 1, "note": "x" * MOST_BYTES}
    with pytest.raises(DlpipeError, match=r"a-b-1.json would have 8\d\d\d bytes; a record has at most 8192"):
        Record("python -m dlpipe model=a", summary, None, {}).write(tmp_path)


def test_markers_in_the_wrong_order_are_refused():
    with pytest.raises(DlpipeError, match=r"must have the lines .* in this order"):
        replace_marked("<!-- /a -->\n<!-- a -->\n", {"a": ""}, "page.md")


def test_numbers_are_shown_as_the_tutorials_show_them():
    assert spread("test/error", [0.0123]) == "1.23"
    assert spread("val/f1", [0.5, 0.7]) == "60.00 ± 14.14"
    assert spread("test/mean_error", [0.05]) == "0.05"
    assert [duration(seconds) for seconds in (7.44, 90, 7000, 9000)] == ["7.4 s", "1.5 min", "116.7 min", "2.5 h"]
