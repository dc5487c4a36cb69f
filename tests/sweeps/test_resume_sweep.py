"""`resume SWEEP`: killed, extended and failed sweeps end with the jobs of an undisturbed one, each trained once."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml

from dlpipe.runs.lock import run_directory_lock
from dlpipe.sweeps import sweep_file
from dlpipe.sweeps.record import append, read_events, read_jobs
from dlpipe.sweeps.untrusted import request_problems

SHORT = ("recipe.max_epochs=1", "try_one_batch=false", "hydra.sweep.dir=sweep")
FLAKY = """
import os, pytorch_lightning as pl, torch
class Flaky(pl.LightningModule):
    def __init__(self, step: int = 1):
        super().__init__()
        self.step = step
        self.layer = torch.nn.Linear(784, 10)
    def training_step(self, batch, batch_idx):
        if self.step == 1 and not os.path.exists(os.environ["MENDED"]):
            raise ValueError("not mended yet")
        return torch.nn.functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1])
"""


def weights(sweep):
    return {path.parent.name: path.read_bytes() for path in sweep.rglob("weights.safetensors")}


def starts(sweep):
    """How often each job was started."""
    jobs = [event["job"] for event in read_events(sweep) if event["event"] == "started"]
    return {job: jobs.count(job) for job in jobs}


def statuses(sweep):
    return {job.name: job.status for job in read_jobs(sweep)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run_dlpipe):
    """A finished sweep of two jobs."""
    folder = tmp_path_factory.mktemp("finished")
    words = ("-m", "model=logreg", "seed=1,2", *SHORT)
    run_dlpipe(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "sweep"


@pytest.fixture
def sweep(finished, cli):
    """A copy of it, in the folder of `cli`."""
    return shutil.copytree(finished, cli("--version").folder / "sweep")


def test_a_sweep_killed_in_mid_epoch_and_resumed_has_the_weights_of_an_undisturbed_one(cli, tmp_path, dlpipe_process):
    words = ("-m", "model=logreg", "seed=1,2,3", "recipe.max_epochs=5", "recipe.patience=null", "try_one_batch=false")
    words = (*words, "callbacks.checkpoints.every_n_updates=7", "hydra.sweep.dir=sweep")
    undisturbed = cli(*words).folder / "sweep"
    killed = tmp_path / "sweep"
    process = dlpipe_process(words, cwd=tmp_path, stdout=subprocess.DEVNULL)
    while not (killed / "1-logreg" / "checkpoints" / "last.ckpt").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert statuses(killed) == {"0-logreg": "finished", "1-logreg": "interrupted", "2-logreg": "waiting"}
    result = cli("resume", str(killed))
    assert result.code == 0, result.err + result.out
    assert set(statuses(killed).values()) == {"finished"}
    assert weights(killed) == weights(undisturbed)
    assert starts(killed) == {"0-logreg": 1, "1-logreg": 2, "2-logreg": 1}
    assert "resume" not in (killed / "sweep.csv").read_text().splitlines()[0]


def test_a_larger_grid_trains_only_the_new_jobs_and_resume_knows_all(cli, sweep):
    before = weights(sweep)
    result = cli("-m", "model=logreg", "seed=0,1,2", *SHORT, "resume=auto")
    assert result.code == 0, result.err
    assert starts(sweep) == {"0-logreg": 1, "1-logreg": 1, "2-logreg": 1}
    assert before.items() <= weights(sweep).items()
    shutil.rmtree(sweep / "2-logreg")  # as if it had never been run
    append(sweep, "interrupted", "2-logreg")
    shutil.rmtree(sweep / "1-logreg")
    append(sweep, "interrupted", "1-logreg")
    result = cli("resume", str(sweep))
    assert result.code == 0, result.err
    assert len(weights(sweep)) == 3
    assert starts(sweep) == {"0-logreg": 1, "1-logreg": 2, "2-logreg": 2}


def test_a_job_asked_for_twice_is_trained_once_and_the_sweep_says_so(cli):
    result = cli("-m", "model=logreg", "optimizer.lr=0.1,0.10", *SHORT)
    assert result.code == 0, result.err
    assert "2 jobs were asked for, which are 1: others differ from these in nothing that changes" in result.out
    assert starts(result.folder / "sweep") == {"0-logreg": 1}


def test_a_finished_job_whose_directory_was_deleted_is_trained_again(cli, sweep):
    before = weights(sweep)
    shutil.rmtree(sweep / "0-logreg")
    result = cli("resume", str(sweep))
    assert result.code == 0, result.err
    assert weights(sweep) == before
    assert starts(sweep) == {"0-logreg": 2, "1-logreg": 1}


def test_a_finished_sweep_is_left_as_it_is(cli, sweep):
    before = {path: path.read_bytes() for path in sweep.glob("*/summary.json")}
    result = cli("resume", str(sweep))
    assert (result.code, result.err) == (0, "")
    assert "settings ranked on mean validation" in result.out
    assert {path: path.read_bytes() for path in sweep.glob("*/summary.json")} == before


@pytest.fixture
def flaky(install, tmp_path, monkeypatch):
    """A model that fails in job step=1 until the file exists that is returned."""
    install("dlpipe-flaky", {"flaky": "flaky:Flaky"}, {"flaky.py": FLAKY})
    monkeypatch.setenv("MENDED", str(tmp_path / "mended"))
    return tmp_path / "mended"


def test_a_failed_job_is_run_again_with_failed_alone(cli, flaky):
    result = cli("-m", "model=flaky", "model.step=0,1,2", *SHORT)
    sweep = result.folder / "sweep"
    assert result.code == 1
    assert result.err == f"dlpipe: 1 of 3 jobs failed; run them: python -m dlpipe resume {sweep} --failed\n"
    (line,) = [line for line in result.out.splitlines() if line.startswith("1-flaky model=flaky model.step=1 ")]
    assert " failed: " in line
    assert "not mended yet" in line
    assert statuses(sweep) == {"0-flaky": "finished", "1-flaky": "failed", "2-flaky": "finished"}
    flaky.touch()
    assert cli("resume", str(sweep)).code == 1
    assert starts(sweep)["1-flaky"] == 1
    assert cli("resume", str(sweep), "--failed").code == 0
    assert starts(sweep) == {"0-flaky": 1, "1-flaky": 2, "2-flaky": 1}


@pytest.mark.parametrize("how", ["sweep.on_error=stop", "sweep.max_failures=1"])
def test_a_sweep_that_is_to_stop_at_a_failure_starts_no_more_jobs(how, cli, flaky):
    result = cli("-m", "model=flaky", "model.step=1,0", *SHORT, how)
    sweep = result.folder / "sweep"
    assert result.code == 1
    assert result.err.endswith(f"dlpipe: 1 of 2 jobs failed; run them: python -m dlpipe resume {sweep}\n")
    assert statuses(sweep) == {"0-flaky": "failed", "1-flaky": "waiting"}
    assert cli("resume", str(sweep)).code == 1
    assert statuses(sweep) == {"0-flaky": "failed", "1-flaky": "finished"}


def test_a_job_that_another_process_runs_is_waited_for(cli, sweep):
    """A worker of a killed sweep ends its job while the sweep is resumed."""
    append(sweep, "started", "1-logreg", pid=1, host="elsewhere")
    summary = sweep / "1-logreg" / "summary.json"
    kept = summary.read_bytes()
    summary.unlink()
    worker = f"""
import time, pathlib
from dlpipe.runs.lock import run_directory_lock
from dlpipe.sweeps.record import append
sweep = pathlib.Path({str(sweep)!r})
with run_directory_lock(sweep / "1-logreg"):
    print("locked", flush=True)
    while (sweep / "jobs.jsonl").read_text().count('"launched"') < 2:
        time.sleep(0.1)
    time.sleep(5)
    (sweep / "1-logreg" / "summary.json").write_bytes({kept!r})
    append(sweep, "finished", "1-logreg")
"""
    process = subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"locked\n"
    result = cli("resume", str(sweep))
    process.communicate()
    assert result.code == 0, result.err + result.out
    assert "waiting for 1-logreg, which another process runs" in result.out
    assert starts(sweep)["1-logreg"] == 2  # the one written here


def refused(cli, *words):
    result = cli(*words)
    assert result.code == 2, result.out
    return result.err


def test_two_processes_do_not_run_one_sweep(cli, sweep):
    with run_directory_lock(sweep):
        assert f"{sweep} is in use by process" in refused(cli, "resume", str(sweep))
    assert len(weights(sweep)) == 2


def test_a_folder_that_is_no_sweep_is_refused(cli, sweep, tmp_path):
    assert f"{tmp_path} is not a run's directory" in refused(cli, "resume", str(tmp_path))
    assert "it has no sweep.yaml" in refused(cli, "status", str(tmp_path))
    assert "typo is not a sweep's directory: it does not exist" in refused(cli, "status", "typo")
    assert "--failed: is for a sweep" in refused(cli, "resume", str(sweep / "0-logreg"), "--failed")
    assert "--force: is for a sweep" in refused(cli, "resume", str(sweep / "0-logreg"), "--force")


def test_a_job_names_the_sweep_that_it_belongs_to(cli, sweep):
    job = str(sweep / "0-logreg")
    assert f"it is a job of a sweep: python -m dlpipe status {sweep}" in refused(cli, "status", job)
    assert f"one job of a sweep; all of them: python -m dlpipe resume {sweep}" in cli("resume", job).out


def test_a_sweep_takes_no_overrides_when_it_is_resumed(cli, sweep):
    assert "seed=3: a sweep takes no overrides; add jobs with" in refused(cli, "resume", str(sweep), "seed=3")


@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_sweep_file_cut_in_half_is_refused_and_no_job_is_lost(part, cli, sweep):
    path = sweep / "sweep.yaml"
    text = path.read_text()
    path.write_text(text[: int(len(text) * part)])
    for words in (("resume", str(sweep)), ("status", str(sweep))):
        assert f"{path} is damaged" in refused(cli, *words)
    assert "is damaged" in refused(cli, "-m", "model=logreg", "seed=1,2", *SHORT, "resume=auto")
    assert len(weights(sweep)) == 2
    path.write_text(text)
    assert cli("resume", str(sweep)).code == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model: logreg\n", "is not the file of a sweep of dlpipe's"),
        ("", "is not the file of a sweep of dlpipe's"),
        ("digest: 1\nformat: 9\n", "has the format 9, this version reads format 1"),
        ("digest: 1\noverrides: []\n", "is damaged: a part is missing or was changed"),
    ],
)
def test_the_sweep_file_of_another_project_is_refused(content, message, cli, sweep):
    (sweep / "sweep.yaml").write_text(content)
    assert message in refused(cli, "resume", str(sweep))


def rewrite(sweep, **changes):
    """Change sweep.yaml as somebody would who knows its digest."""
    path = sweep / "sweep.yaml"
    content = yaml.safe_load(path.read_text()) | changes
    content.pop("digest")
    digest = sweep_file._digest(content)
    path.write_text(yaml.safe_dump({"digest": digest} | content, sort_keys=False))


def test_other_versions_are_named_and_need_force(cli, sweep):
    versions = yaml.safe_load((sweep / "sweep.yaml").read_text())["versions"]
    versions["libraries"]["torch"] = "0.1"
    rewrite(sweep, versions=versions)
    for words in (("resume", str(sweep)), ("-m", "model=logreg", "seed=1,2", *SHORT, "resume=auto")):
        message = refused(cli, *words)
        assert f"{sweep} was run with others: libraries: torch was 0.1 and is" in message
        assert message.endswith(f"continue with python -m dlpipe resume {sweep} --force\n")
    assert cli("resume", str(sweep), "--force").code == 0
    assert cli("resume", str(sweep)).code == 0  # the new versions are recorded


def test_a_config_that_has_changed_under_the_same_overrides_is_named_and_needs_force(cli, tmp_path):
    own = tmp_path / "conf" / "experiment"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("# @package _global_\noptimizer: {lr: 0.1}\n")
    words = ("-cd", str(tmp_path / "conf"), "-m", "experiment=mine", "seed=1,2", *SHORT)
    sweep = cli(*words).folder / "sweep"
    (own / "mine.yaml").write_text("# @package _global_\noptimizer: {lr: 0.2}\n")
    message = refused(cli, "resume", str(sweep))
    assert f"{sweep}: the config of experiment=mine seed=1 recipe.max_epochs=1" in message
    assert "is another than when the sweep was started" in message
    assert message.count("\n") == 1
    assert len(weights(sweep)) == 2
    assert cli("resume", str(sweep), "--force").code == 0
    assert len(weights(sweep)) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overrides": ["hydra.launcher.setup=[ls]"]}, r"hydra.launcher.setup=[ls]: may run commands"),
        ({"overrides": ["hydra.launcher._target_=os.system"]}, "may run commands"),
        ({"overrides": ["+hydra.sweeper.sampler._target_=os.system"]}, "may run commands"),
        ({"overrides": ["hydra.sweeper.params={x:{_target_:os.system}}"]}, "may run commands"),
        (
            {"overrides": ["hydra.callbacks={a:{_target_:os.system}}"]},
            "hydra.callbacks={a:{_target_:os.system}}: may run",
        ),
        ({"overrides": ["+callbacks.a._target_=planted.Callback"]}, "its code lies in the run's directory"),
        ({"overrides": ["callbacks.checkpoints.directory=/elsewhere"]}, "lies outside of the run's directory"),
        ({"config_dirs": ["{sweep}/conf"]}, "lies in the sweep's directory"),
    ],
)
def test_what_somebody_else_may_have_written_into_a_sweep_is_refused(changes, message, cli, sweep, monkeypatch):
    (sweep / "planted.py").write_text("raise SystemExit('executed')\n")
    (sweep / "conf").mkdir()
    monkeypatch.syspath_prepend(str(sweep))
    rewrite(sweep, **{key: [text.replace("{sweep}", str(sweep)) for text in texts] for key, texts in changes.items()})
    assert message in refused(cli, "resume", str(sweep))


@pytest.mark.parametrize(
    "text",
    [
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "hydra.launcher.partition=gpu",
        "hydra.sweeper.params={optimizer.lr: 'interval(1e-4,1e-1)'}",
        "+hydra.sweeper.sampler_options={n_startup_trials: 2}",
    ],
)
def test_options_of_launchers_and_sweepers_that_run_nothing_need_no_trust(text, tmp_path):
    request = sweep_file.SweepRequest([text], [], "/", "", "", {})
    assert request_problems(request, tmp_path) == []


def test_ctrl_c_leaves_a_sweep_that_resume_ends(tmp_path, cli, dlpipe_process):
    words = ("-m", "model=logreg", "seed=1,2", "recipe.max_epochs=15", "recipe.patience=null", "hydra.sweep.dir=sweep")
    process = dlpipe_process(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while not (tmp_path / "sweep" / "0-logreg" / "metrics.csv").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out = process.communicate()[0].decode()
    assert process.returncode == 128 + signal.SIGINT, out
    assert "Traceback" not in out
    assert f"2 of 2 jobs are not done; run them: python -m dlpipe resume {tmp_path / 'sweep'}\n" in out
    assert statuses(tmp_path / "sweep") == {"0-logreg": "interrupted", "1-logreg": "waiting"}
    assert cli("resume", str(tmp_path / "sweep")).code == 0
    assert set(statuses(tmp_path / "sweep").values()) == {"finished"}


def test_status_counts_jobs_and_names_those_that_failed_without_torch(cli, flaky):
    result = cli("-m", "model=flaky", "model.step=0,1,2", *SHORT)
    sweep = result.folder / "sweep"
    command = f"import sys; from dlpipe.cli.main import main; main(['status', {str(sweep)!r}])"
    command += "; assert not {'torch', 'pytorch_lightning'} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first == f"{sweep}: 3 jobs: 2 finished, 1 failed"
    assert [line.split()[0] for line in others] == ["1-flaky"]
    assert "ValueError: not mended yet" in others[0]


def test_sweep_yaml_says_what_was_asked(sweep, finished):
    content = yaml.safe_load((sweep / "sweep.yaml").read_text())
    assert content["overrides"] == ["model=logreg", "seed=1,2", "recipe.max_epochs=1", "try_one_batch=false"]
    assert content["versions"]["libraries"]["torch"]
    assert content["working_folder"] == str(finished.parent)
    jobs = [json.loads(line) for line in (sweep / "jobs.jsonl").read_text().splitlines()]
    assert [job["event"] for job in jobs] == ["launched", *["planned"] * 2, *["started", "finished"] * 2]
