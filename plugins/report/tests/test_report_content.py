"""What stands on the page, also of runs with missing, strange or hostile content."""

import json
import re
import shutil

from PIL import Image

import dlpipe
from dlpipe_report.page import sweep_view
from dlpipe_report.page.html import as_script
from dlpipe_report.page.pictures import pictures_of
from dlpipe_report.page.report import report_of_run, report_of_runs, report_of_sweep

HOSTILE = "<script>alert(1)</script>"


def page_of(directory):
    return report_of_run(dlpipe.Run(directory)).decode("ascii")


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_it_has_every_part_of_a_run(trained):
    page = page_of(trained)
    parts = ("results", "curves", "confusion", "pictures", "config", "provenance", "log")
    assert [part for part in parts if f'<section id="{part}"' not in page] == []
    assert "<code>optimizer.lr</code></th><td><code>0.2</code></td>" in page
    assert "<code>recipe.max_epochs</code></th><td><code>3</code>" in page
    assert "<code>trainer.max_epochs</code>" not in page  # it follows
    assert "INFO model logreg" in page


def test_it_loads_nothing(trained):
    page = page_of(trained)
    own = page.replace("https://github.com/leeoniya/uPlot", "").replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in own
    assert "https:" not in own
    assert re.search(r"default-src &#39;none&#39;; img-src data:; .*script-src &#39;sha256-", page)


def test_a_target_is_reached_or_not(copied):
    target = {"dataset": "digits", "metric": "test/error", "value": 0.5, "source": "a paper", "run": 0.1}
    summary = json.loads((copied / "summary.json").read_text())
    for reached, words in ((True, "verdict yes"), (False, "verdict no")):
        summary["targets"] = [target | {"reached": reached}]
        (copied / "summary.json").write_text(json.dumps(summary))
        page = page_of(copied)
        assert words in page
        assert "50.000000 %" in page


def test_a_run_that_is_being_trained_shows_what_it_has(copied):
    (copied / "summary.json").unlink()
    (copied / "metrics.csv").write_text("step,epoch,loss\n0,0,2\n1,0,1\n2,0,0.")
    page = page_of(copied)
    assert "This run has no summary.json: it is being trained, or was killed." in page
    assert "Left out: the run&#39;s status is unfinished." in page
    assert data_of(page)["runs"][0]["curves"][0]["v"] == [2, 1]


def test_a_run_without_metrics_says_so(copied):
    (copied / "metrics.csv").unlink()
    assert "There are no curves: no metric was logged twice." in page_of(copied)


def test_nan_is_a_gap(copied):
    (copied / "metrics.csv").write_text("step,epoch,val/error\n0,0,0.5\n1,0,nan\n2,0,inf\n3,0,0.25\n")
    curve = data_of(page_of(copied))["runs"][0]["curves"][0]
    assert curve["v"] == [50, None, None, 25]
    assert curve["u"] == [1, 2, 3, 4]


def test_ten_thousand_rows_are_thinned(copied):
    rows = "".join(f"{step},{step // 100},{1 / (1 + step)},{step % 7}\n" for step in range(10_000))
    (copied / "metrics.csv").write_text(f"step,epoch,loss,other\n{rows}")
    page = page_of(copied)
    assert len(page) < 500_000
    assert [len(curve["v"]) <= 2002 for curve in data_of(page)["runs"][0]["curves"]] == [True, True]


def test_markup_in_names_stays_text(copied):
    directory = copied.rename(copied.parent / "run <script>alert(1)<!--")
    (directory / "figures" / "a<script>alert(1)<b>.png").write_bytes((directory / "figures/filters.png").read_bytes())
    (directory / "metrics.csv").write_text(f"step,epoch,{HOSTILE}\n0,0,0.5\n1,0,1\n")
    (directory / "dlpipe.log").write_text(f"{HOSTILE}\n\x1b[31m\udcff", errors="surrogateescape")
    config = (directory / "config.yaml").read_text()
    (directory / "config.yaml").write_text(config.replace("name: digits", f'name: "{HOSTILE}"'))
    page = page_of(directory)
    assert page.count("<script") == 2
    assert page.count("</script") == 2
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert data_of(page)["runs"][0]["curves"][0]["metric"] == HOSTILE
    assert "The defaults are not known: " in page


def test_json_in_a_script_cannot_end_it():
    assert json.loads(as_script({"a": "</script><!--"})) == {"a": "</script><!--"}
    assert "<" not in as_script({"a": "</script><!--"})


def test_files_behind_links_out_of_the_directory_are_not_shown(copied, tmp_path):
    (tmp_path / "secret").write_text("the password")
    (copied / "dlpipe.log").unlink()
    (copied / "dlpipe.log").symlink_to(tmp_path / "secret")
    Image.new("L", (3, 3)).save(tmp_path / "private.png")
    (copied / "figures" / "link.png").symlink_to(tmp_path / "private.png")
    page = page_of(copied)
    assert "the password" not in page
    assert "The run has no log." in page
    assert "figures/link: a link that leads out of the run&#39;s directory" in page


def test_pictures_that_do_not_fit_are_named(copied):
    (copied / "figures" / "text.png").write_text("no picture")
    pictures, left_out = pictures_of(copied, max_bytes=2000)
    assert [picture.name for picture in pictures] == []
    assert [line.partition(":")[0] for line in left_out] == [
        *("figures/confusion_matrix", "figures/filters"),
        "figures/text",
    ]
    assert left_out[-1] == "figures/text: no PNG file"


def test_pictures_of_kept_checkpoints_come_last(copied):
    for epoch in (1, 2):
        shutil.copy(copied / "figures" / "filters.png", copied / "figures" / f"a_epoch_000{epoch}.png")
    pictures, _ = pictures_of(copied)
    names = [picture.name for picture in pictures]
    assert names[-2:] == ["figures/a_epoch_0001", "figures/a_epoch_0002"]
    assert "Of kept checkpoints (2)" in page_of(copied)


def test_the_middle_of_a_long_log_is_left_out(copied):
    (copied / "dlpipe.log").write_text("".join(f"line {index}\n" for index in range(1000)))
    page = page_of(copied)
    assert "line 99\n... 500 lines left out ...\nline 600\n" in page


def test_runs_are_overlaid_with_what_differs(trained, copied):
    config = (copied / "config.yaml").read_text()
    (copied / "config.yaml").write_text(config.replace("seed: 1234", "seed: 7"))
    page = report_of_runs([dlpipe.Run(trained), dlpipe.Run(copied)]).decode()
    assert [run["name"] for run in data_of(page)["runs"]] == ["trained", "copied"]
    assert re.findall(r'<th scope="row"><code>(.*?)</code>', page) == ["dataset.seed", "seed"]


def test_a_sweep_has_settings_jobs_and_coordinates(swept):
    page = report_of_sweep(dlpipe.Sweep(swept)).decode()
    assert "4 finished; best job on validation: <strong>" in page
    coordinates = data_of(page)["coordinates"]
    assert coordinates["axes"] == ["optimizer.lr"]
    assert coordinates["metric"] == "val/error (%)"
    assert sorted(job["values"] for job in coordinates["jobs"]) == [["0.1"], ["0.1"], ["0.3"], ["0.3"]]
    assert "2 of 2" in page
    assert "All jobs: <code>model=logreg recipe.max_epochs=2 </code>" in page


def test_jobs_that_did_not_finish_are_in_the_tables_with_their_error(swept, tmp_path):
    sweep = shutil.copytree(swept, tmp_path / "swept")
    lines = (sweep / "jobs.jsonl").read_text().splitlines()
    ends = [index for index, line in enumerate(lines) if json.loads(line)["event"] == "finished"]
    failed = json.loads(lines[ends[0]]) | {"event": "failed", "error": "ValueError: <b>"}
    lines[ends[0]] = json.dumps(failed)
    lines[ends[1]] = json.dumps(json.loads(lines[ends[1]]) | {"event": "diverged"})
    (sweep / "jobs.jsonl").write_text("\n".join(lines) + "\n")
    for index in ends[:2]:
        (sweep / json.loads(lines[index])["job"] / "summary.json").unlink()
    page = report_of_sweep(dlpipe.Sweep(sweep)).decode()
    assert {*re.search(r"<p>(.*?); best job", page)[1].split(", ")} == {"2 finished", "1 failed", "1 diverged"}
    assert "ValueError: &lt;b&gt;</td>" in page
    assert len(data_of(page)["coordinates"]["jobs"]) == 2


def test_a_sweep_in_which_nothing_has_started_has_a_report(swept, tmp_path):
    sweep = shutil.copytree(swept, tmp_path / "swept", ignore=shutil.ignore_patterns("*-logreg"))
    lines = (sweep / "jobs.jsonl").read_text().splitlines()
    planned = [line for line in lines if json.loads(line)["event"] == "planned"]
    (sweep / "jobs.jsonl").write_text("\n".join(planned) + "\n")
    page = report_of_sweep(dlpipe.Sweep(sweep)).decode()
    assert "4 waiting" in page
    assert "There are no curves: no metric was logged twice." in page


def test_of_many_damaged_jobs_a_few_are_named(swept, tmp_path):
    sweep = shutil.copytree(swept, tmp_path / "swept")
    for path in sweep.glob("*-logreg/config.yaml"):
        path.unlink()
    page = report_of_sweep(dlpipe.Sweep(sweep)).decode()
    assert page.count("has no curves here: ") == 3
    assert "1 more without curves." in page


def test_the_curves_of_the_best_jobs_are_shown(swept, monkeypatch):
    monkeypatch.setattr(sweep_view, "MAX_JOBS", 3)
    page = report_of_sweep(dlpipe.Sweep(swept)).decode()
    assert "Curves are those of the best 3 of 4 jobs." in page
    assert len(data_of(page)["runs"]) == 3
