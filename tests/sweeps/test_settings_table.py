"""The terminal's table of settings, of jobs that monitor nothing, and of jobs that failed."""

from dlpipe.sweeps.rows import read_rows
from dlpipe.sweeps.table import lines


def test_jobs_that_differ_only_in_the_seed_are_one_row(tmp_path, write_job):
    for number, (lr, seed, value) in enumerate([("0.1", 1, 0.5), ("0.1", 2, 0.25), ("0.01", 1, 0.125)]):
        write_job(
            tmp_path, number, ["model=mlp", f"optimizer.lr={lr}", f"seed={seed}"], value, test={"test/error": value}
        )
    # 37.5 is the mean of 50 and 25, and 17.677670 = 25 / sqrt(2) their sample deviation
    assert lines(read_rows(tmp_path)) == [
        "settings ranked on mean validation, all with model=mlp:",
        "optimizer.lr  val/error mean ± std (n)     test/error of best  best job",
        "0.01          12.500000 % (1)              12.500000 %         2-job",
        "0.1           37.500000 ± 17.677670 % (2)  25.000000 %         1-job",
    ]


def test_a_setting_counts_its_finished_jobs_of_those_asked_for(tmp_path, write_job):
    write_job(tmp_path, 0, ["optimizer.lr=1", "seed=1"], 0.5, metric="val/loss")
    write_job(tmp_path, 1, ["optimizer.lr=1", "seed=2"], status="waiting")
    write_job(tmp_path, 2, ["optimizer.lr=2", "seed=1"], status="diverged")
    write_job(tmp_path, 3, ["optimizer.lr=2", "seed=2"], status="failed", error="no space left on device")
    assert lines(read_rows(tmp_path)) == [
        "settings ranked on mean validation:",
        "optimizer.lr  val/loss mean ± std (n)  best job  status",
        "1             0.500000 (1 of 2)        0-job",
        "2                                                1 diverged, 1 failed",
        "2-job diverged",
        "3-job failed: no space left on device",
    ]


def test_jobs_that_monitor_nothing_show_their_tests_in_their_order(tmp_path, write_job):
    for number, value in enumerate((0.5, 0.25)):
        write_job(tmp_path, number, [f"model.step={number}"], test={"test/ess": value})
    assert lines(read_rows(tmp_path)) == [
        "jobs, not ranked:",
        "job    model.step  test/ess",
        "0-job  0           0.500000",
        "1-job  1           0.250000",
    ]


def test_settings_that_monitor_nothing_show_the_means_of_their_tests(tmp_path, write_job):
    for number, (step, value) in enumerate([(1, 1.0), (1, 3.0), (2, 0.5)]):
        write_job(tmp_path, number, [f"model.step={step}", f"seed={number}"], test={"test/ess": value})
    assert lines(read_rows(tmp_path)) == [
        "settings, not ranked:",
        "model.step  test/ess mean ± std (n)",
        "1           2.000000 ± 1.414214 (2)",
        "2           0.500000 (1)",
    ]


def test_many_test_metrics_leave_the_table_within_80_columns(tmp_path, write_job):
    for number in range(2):
        test = {f"test/a_long_metric_{index}": 0.5 for index in range(6)}
        write_job(tmp_path, number, [f"model.step={number}"], test=test)
    printed = lines(read_rows(tmp_path))
    assert max(map(len, printed)) <= 80
    assert printed[1].split() == ["job", "model.step", "test/a_long_metric_0", "test/a_long_metric_1"]
    assert printed[-1] == "4 more columns: sweep.csv"


def test_five_failures_are_named_and_the_rest_counted(tmp_path, write_job):
    for number in range(7):
        write_job(tmp_path, number, [f"optimizer.lr={number}"], status="failed", error=f"error {number}")
    assert lines(read_rows(tmp_path))[-6:] == [
        *(f"{number}-job failed: error {number}" for number in range(5)),
        "and 2 more: sweep.csv",
    ]
