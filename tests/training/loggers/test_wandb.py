"""logger=wandb: when it is online, that it never waits or asks, and what it logs, read back with the wandb command."""

import base64
import contextlib
import csv
import functools
import hashlib
import json
import os
import pty
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import wandb
import yaml

from dlpipe.errors import DlpipeError
from dlpipe.training.loggers.csv import MetricsCsv
from dlpipe.training.loggers.wandb import ResumableWandbLogger, finish, wandb_mode

FAKE_KEY = "0123456789" * 4
LOG_ONE_ROW = """
import atexit, logging, sys, time
atexit.register(lambda: print(f"{time.monotonic() - start} s"))  # registered first, called last
from dlpipe.training.loggers.wandb import wandb_logger
start = time.monotonic()
logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
logger = wandb_logger(sys.argv[1])
logger.log_metrics({"val/loss": 0.5}, 9)
logger.experiment.finish()
"""


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """The environment of somebody who never used W&B."""
    folder = tmp_path_factory.mktemp("stranger")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return kept | {"NETRC": str(folder / "netrc"), "WANDB_CONFIG_DIR": str(folder), "HOME": str(folder)}


@pytest.fixture
def environment(stranger, monkeypatch, tmp_path):
    """The same in this process; W&B reads it once, so it is started and ended with the test."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("NETRC", "WANDB_CONFIG_DIR", "HOME"):
        monkeypatch.setenv(name, stranger[name])
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.chdir(tmp_path)
    wandb.teardown()
    yield monkeypatch
    wandb.teardown()


def records(run_dir, kind):
    """Records of one kind in the log of the only W&B run of a directory."""
    (log,) = run_dir.glob("wandb/*run-*/*.wandb")
    return [record[kind] for record in read_back(log) if record["type"] == kind]


@functools.cache
def read_back(log):
    """What the wandb command reads in a log."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(log)]
    environment = os.environ | {"WANDB_ERROR_REPORTING": "false", "WANDB_MODE": "offline"}
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    return [json.loads(line) for line in text.splitlines()]


def wandb_processes(pid):
    """Service processes that a process started."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if "wandb-core" in line and f"--pid {pid}" in line]


# --- which mode


@pytest.mark.parametrize(
    ("variables", "offline", "mode"),
    [
        ({}, False, "offline"),
        ({"WANDB_API_KEY": FAKE_KEY}, False, "online"),
        ({"WANDB_API_KEY": FAKE_KEY}, True, "offline"),
        ({"WANDB_API_KEY": FAKE_KEY, "WANDB_MODE": "offline"}, False, "offline"),
        ({"WANDB_API_KEY": FAKE_KEY, "WANDB_MODE": "disabled"}, False, "disabled"),
        ({"WANDB_MODE": "disabled"}, True, "disabled"),
        ({"WANDB_MODE": "online"}, False, "offline"),
        ({"WANDB_API_KEY": FAKE_KEY, "WANDB_MODE": "online"}, False, "online"),
        ({"WANDB_API_KEY": "tooshort"}, False, "offline"),
    ],
    ids=[
        "no key",
        "key",
        "key, offline=true",
        "key, WANDB_MODE=offline",
        "key, WANDB_MODE=disabled",
        "WANDB_MODE=disabled, offline=true",
        "no key, WANDB_MODE=online",
        "key, WANDB_MODE=online",
        "malformed key",
    ],
)
def test_mode_is_online_only_for_a_known_key_and_no_wish_against_it(variables, offline, mode, environment, capfd):
    for name, value in variables.items():
        environment.setenv(name, value)
    assert wandb_mode(offline) == mode
    assert capfd.readouterr() == ("", "")


def test_mode_is_offline_where_the_wandb_command_said_so(environment):
    environment.setenv("WANDB_API_KEY", FAKE_KEY)
    subprocess.run([sys.executable, "-m", "wandb", "offline"], check=True, capture_output=True, timeout=60)
    assert wandb_mode(offline=False) == "offline"


def test_a_malformed_key_is_reported(environment, caplog):
    environment.setenv("WANDB_API_KEY", "tooshort")
    wandb_mode(offline=False)
    assert re.search(r"W&B cannot use the key it was given \(.*invalid.*\); logging offline", caplog.text)


def test_unknown_mode_is_an_error(environment):
    environment.setenv("WANDB_MODE", "of")
    with pytest.raises(DlpipeError, match=r"(?s)W&B's own settings are wrong: .*'of'"):
        wandb_mode(offline=False)


def test_project_that_wandb_refuses_is_refused_before_anything_is_written(cli, environment):
    result = cli("logger=wandb", "logger.wandb.project=a/b")
    assert (result.code, result.written) == (2, [])
    assert "logger.wandb.project=a/b" in result.err


# --- never waiting, never asking


@pytest.fixture(scope="module")
def silent_server():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def silence(stranger, silent_server):
    """The environment of a stranger whose W&B server is that one."""
    return stranger | {"WANDB_BASE_URL": f"http://127.0.0.1:{silent_server.getsockname()[1]}"}


@pytest.fixture(scope="module")
def no_key_on_a_terminal(silence, silent_server, tmp_path_factory):
    """What is said, and how often the server was called."""
    command = [sys.executable, "-c", LOG_ONE_ROW, str(tmp_path_factory.mktemp("run"))]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=silence, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # how Linux tells that the other end is closed
        while part := os.read(ours, 4096):
            said += part
    os.close(ours)
    assert process.wait(60) == 0
    calls = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            silent_server.accept()[0].close()
            calls += 1
    return said.decode(), calls


def test_no_key_on_a_terminal_is_not_asked_for(no_key_on_a_terminal):
    offline, seconds = no_key_on_a_terminal[0].splitlines()
    assert re.fullmatch(r"W&B is offline; send this run later with: wandb sync \S+", offline)
    assert seconds.endswith(" s")


def test_offline_run_opens_no_connection(no_key_on_a_terminal):
    assert no_key_on_a_terminal[1] == 0


def test_key_and_no_network_ends_offline_in_seconds(silence, tmp_path):
    command = [sys.executable, "-W", "error", "-c", LOG_ONE_ROW, str(tmp_path)]
    key = {"WANDB_API_KEY": FAKE_KEY, "WANDB_INIT_TIMEOUT": "1"}
    done = subprocess.run(command, env=silence | key, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    unreachable, offline, seconds = done.stdout.splitlines()
    assert re.fullmatch(r"W&B cannot be reached \(.*\); logging offline", unreachable)
    assert offline.startswith("W&B is offline; send this run later with: ")
    assert len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 1
    # one second for the server; left to itself W&B takes 5 to log in, 90 to start and 10 to exit
    assert float(seconds.removesuffix(" s")) < 9


def test_a_server_that_does_not_take_the_run_in_time_is_reported(tmp_path, caplog):
    def late(exit_code):
        raise TimeoutError

    finish(
        SimpleNamespace(experiment=SimpleNamespace(finish=late, dir=str(tmp_path / "run-1" / "files"))), failed=False
    )
    message = rf"W&B did not take all of this run in time; send this run later with: wandb sync {tmp_path}/run-1\n"
    assert re.search(message, caplog.text)


# --- what is logged


@pytest.fixture(scope="module")
def sweep(stranger, tmp_path_factory):
    """Two jobs of a sweep: its directory, what was printed, and the process that ran it."""
    folder = tmp_path_factory.mktemp("work")
    command = [sys.executable, "-W", "error", "-m", "dlpipe", "-m", "logger=wandb", "seed=1,2", "recipe.max_epochs=2"]
    with subprocess.Popen(
        command, cwd=folder, env=stranger, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    (directory,) = folder.glob("outputs/*/*")
    return directory, out, err, process.pid


@pytest.fixture(scope="module")
def first(sweep):
    """The run directory of the first job."""
    return sweep[0] / "0-logreg"


def test_jobs_of_a_sweep_are_two_runs_in_one_group(sweep):
    directory = sweep[0]
    runs = [records(directory / job, "run")[0] for job in ("0-logreg", "1-logreg")]
    assert [run["run_group"] for run in runs] == [directory.name] * 2
    assert [run["display_name"] for run in runs] == ["0-logreg", "1-logreg"]
    assert len({run["run_id"] for run in runs}) == 2


def test_run_is_tagged_with_the_overrides_of_its_job(first):
    (run,) = records(first, "run")
    assert run["tags"] == ["logger=wandb", "seed=1", "recipe.max_epochs=2"]
    assert (run["project"], run["job_type"]) == ("dlpipe", "train")


def test_run_id_is_kept_in_the_run_directory(first):
    (run,) = records(first, "run")
    assert (first / "wandb_run_id").read_text() == run["run_id"]


def test_a_resumed_run_continues_its_run_at_wandb(stranger, tmp_path):
    for _ in range(2):
        command = [sys.executable, "-c", LOG_ONE_ROW, str(tmp_path)]
        subprocess.run(command, cwd=tmp_path, env=stranger, check=True, capture_output=True)
    folders = [path.name for path in (tmp_path / "wandb").glob("offline-run-*") if path.is_dir()]
    assert {name.rpartition("-")[2] for name in folders} == {(tmp_path / "wandb_run_id").read_text()}


TRAIN = """
import json, os, signal, sys
from pathlib import Path
from dlpipe.training.loggers.csv import EMPTY, MetricsCsv
from dlpipe.training.loggers.wandb import wandb_logger
folder, end, kill_at = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
loggers = [MetricsCsv(str(folder / "metrics.csv")), wandb_logger(str(folder))]
checkpoint = folder / "checkpoint.json"
start, positions = json.loads(checkpoint.read_text()) if checkpoint.exists() else (0, [EMPTY, EMPTY])
for logger, position in zip(loggers, positions):
    logger.rewind(position)
for step in range(start, end):
    for metrics in ({"epoch": step // 3, "train/loss": 1 / (step + 1)}, {"val/error": 2 / (step + 1)}):
        for logger in loggers:
            logger.log_metrics(metrics, step)
    if step == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    if step % 3 == 1:
        checkpoint.write_text(json.dumps([step + 1, [logger.position() for logger in loggers]]))
loggers[1].experiment.finish()
"""


@pytest.mark.slow
@pytest.mark.parametrize("kills", [[5], [0], [2, 8]], ids=str)
def test_a_run_that_is_killed_and_resumed_has_every_row_once_in_the_log_that_is_sent(kills, stranger, tmp_path):
    for kill in [*kills, -1]:
        command = [sys.executable, "-c", TRAIN, str(tmp_path), "13", str(kill)]
        # not captured: W&B's service, which outlives the process for a moment, holds the pipe
        code = subprocess.run(command, cwd=tmp_path, env=stranger, stdout=subprocess.DEVNULL, timeout=60).returncode
        assert code == (0 if kill == -1 else -9)
    rows = [record["item"] for record in records(tmp_path, "history")]
    for name in ("train/loss", "val/error"):
        logged = [(row["trainer/global_step"], row[name]) for row in rows if name in row]
        scale = {"train/loss": 1, "val/error": 2}[name]
        assert logged == [(step, pytest.approx(scale / (step + 1))) for step in range(13)]
    listed = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--dry-run"], cwd=tmp_path, env=stranger, capture_output=True, text=True
    )
    assert "Would sync 1 run(s)" in listed.stderr


def test_a_run_killed_in_training_and_resumed_has_every_row_once(wandb_cli, cli, install, run_dlpipe):
    install("dlpipe-kill", {}, {"acme_kill.py": KILL})
    long = ("logger=wandb", "recipe.max_epochs=6", "+callbacks.kill._target_=acme_kill.Kill", "hydra.run.dir=run")
    assert run_dlpipe(["model=logreg", *long], stdout=subprocess.DEVNULL, timeout=120).returncode == -9
    run_dir = Path.cwd() / "run"
    resumed = cli("resume", str(run_dir))
    assert resumed.code == 0, resumed.err
    rows = assert_metrics_are_those_of_metrics_csv(run_dir)
    assert len(rows) == 7
    history = [record["item"] for record in records(run_dir, "history")]
    errors = [item["trainer/global_step"] for item in history if "val/error" in item]
    assert errors == [22 * epoch - 1 for epoch in range(1, 7)]


KILL = """
import os, signal
from pytorch_lightning import Callback

class Kill(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        killed = os.path.join(trainer.log_dir, "killed")
        if trainer.current_epoch == 3 and not os.path.exists(killed):
            open(killed, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
"""


class OnlineRun:
    """A run as W&B returns it for an id that it knows: with the summary of what was sent."""

    def __init__(self, history):
        self.history = history
        self.summary = {name: value for row in history for name, value in row.items()}

    def log(self, row):
        self.history.append(row)


@pytest.mark.parametrize("sent", range(9))
def test_an_online_run_that_is_resumed_gets_the_rows_that_it_lacks(sent, tmp_path):
    """W&B has the first ``sent`` of two rows per step; the checkpoint was written after step 1."""
    rows = [{name: 1 / (step + 1), "trainer/global_step": step} for step in range(4) for name in ("loss", "error")]
    record = MetricsCsv(str(tmp_path / "metrics.csv"))
    run = OnlineRun(rows[:sent])
    logger = ResumableWandbLogger(run, "dlpipe", str(tmp_path))
    for row in rows[:4]:
        record.log_metrics({k: v for k, v in row.items() if k != "trainer/global_step"}, row["trainer/global_step"])
    logger.rewind({"step": 1})
    for row in rows[4:]:
        logger.log_metrics({k: v for k, v in row.items() if k != "trainer/global_step"}, row["trainer/global_step"])
    for name in ("loss", "error"):
        found = [(row["trainer/global_step"], row[name]) for row in run.history if name in row]
        assert found == [(step, 1 / (step + 1)) for step in range(4)]


def test_config_is_the_resolved_one(first):
    logged = {}
    for update in records(first, "config"):
        logged |= update["update"]
    logged.pop("_wandb", None)
    assert {"format": 1, **logged} == yaml.safe_load((first / "config.yaml").read_text())


def assert_metrics_are_those_of_metrics_csv(run_dir):
    """On the same axis; gives the rows."""
    logged = [record["item"] for record in records(run_dir, "history")]
    with (run_dir / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        here = {}
        for item in logged:
            if item["trainer/global_step"] == int(row["step"]):
                here |= item
        for name, text in row.items():
            if name != "step" and text:
                assert here[name] == pytest.approx(float(text)), (name, row)
    return rows


def test_metrics_are_those_of_metrics_csv_on_the_same_axis(first):
    assert len(assert_metrics_are_those_of_metrics_csv(first)) == 3


def test_stages_are_logged_under_their_names_in_one_run(wandb_cli):
    sizes = ("model.hidden_sizes=[9,4]", "model.corruption=[0.1,0.1]", "trainer.limit_train_batches=3")
    stages = ("recipe.stages.pretrain.max_epochs=2", "recipe.stages.pretrain.keep_every_n_epochs=2")
    result = wandb_cli("model=sda", *sizes, *stages)
    assert result.code == 0, result.err
    (run,) = records(result.run_dir, "run")
    assert (result.run_dir / "wandb_run_id").read_text() == run["run_id"]
    history = [record["item"] for record in records(result.run_dir, "history")]
    steps = {}  # of each metric
    for item in history:
        for name in item:
            steps.setdefault(name, []).append(item.get("trainer/global_step"))
    assert steps["pretrain/0/loss"] == [2, 5]
    assert steps["pretrain/1/loss"] == [8, 11]
    assert steps["finetune/loss"] == steps["finetune/val/error"] == [14]
    assert "test/error" in steps
    assert not [name for name in steps if name.startswith("train/")]
    assert "figures/pretrain/0/filters_epoch_0002.filenames" in steps
    assert_metrics_are_those_of_metrics_csv(result.run_dir)


def test_axis_of_every_metric_is_lightnings_step(first):
    assert {
        "glob_name": "*",
        "options": {"defined": True, "step_sync": True},
        "step_metric": "trainer/global_step",
    } in (records(first, "metric"))


@pytest.mark.parametrize("figure", ["filters", "confusion_matrix"])
def test_figure_is_logged_as_an_image(figure, first):
    files = [record["item"].get(f"figures/{figure}.filenames") for record in records(first, "history")]
    ((image,),) = [names for names in files if names]
    (media,) = first.glob(f"wandb/offline-run-*/files/{image}")
    assert media.read_bytes().startswith(b"\x89PNG")


def test_run_is_closed_as_finished(first):
    assert [record["exit_code"] for record in records(first, "exit")] == [0]


def test_printed_sync_command_names_the_run(sweep, first):
    commands = re.findall(r"send this run later with: (.*)", sweep[1])
    (log,) = Path(shlex.split(commands[0])[-1]).glob("*.wandb")
    assert log.is_relative_to(first)
    assert len(commands) == 3  # of two jobs and of the sweep itself


def test_printed_sync_command_of_the_sweep_sends_all_of_its_runs(sweep, stranger):
    (command,) = re.findall(r"send the whole sweep later with: wandb (sync .*)", sweep[1])
    dry_run = f"{shlex.quote(sys.executable)} -m wandb {command} --dry-run"
    listed = subprocess.run(["sh", "-c", dry_run], env=stranger, capture_output=True, text=True, timeout=60)
    assert "Would sync 3 run(s)" in listed.stderr


def test_everything_is_in_the_run_directories(sweep):
    directory = sweep[0]
    work = directory.parents[2]
    assert [path.name for path in work.iterdir()] == ["outputs"]
    files = {path.name for path in directory.iterdir() if not path.name.startswith(".")}
    results = {"sweep.csv", "sweep-summary.csv", "wandb", "wandb_run_id"}
    assert files == {"0-logreg", "1-logreg", "multirun.yaml", "sweep.yaml", "jobs.jsonl", *results}


def test_service_process_ends_with_the_command(sweep):
    assert wandb_processes(sweep[3]) == []


def test_nothing_is_complained_of(sweep):
    assert sweep[2] == ""


# --- the best weights as an artifact


def artifacts(run_dir):
    return records(run_dir, "artifact")


def test_log_model_makes_the_best_weights_an_artifact_that_needs_no_copy(wandb_cli):
    result = wandb_cli("logger.wandb.log_model=true")
    (artifact,) = artifacts(result.run_dir)
    assert (artifact["type"], artifact["name"]) == ("model", f"model-{(result.run_dir / 'wandb_run_id').read_text()}")
    assert sorted(artifact["aliases"]) == ["best", "latest"]
    files = {entry["path"]: entry for entry in artifact["manifest"]["contents"]}
    assert files.keys() == {"weights.safetensors", "config.yaml"}
    for name, entry in files.items():
        content = (result.run_dir / name).read_bytes()
        assert entry["local_path"] == str(result.run_dir / name)
        assert entry["digest"] == base64.b64encode(hashlib.md5(content).digest()).decode()
    summary = json.loads((result.run_dir / "summary.json").read_text())
    metadata = json.loads(artifact["metadata"])
    assert metadata == {"model": "logreg", "dataset": "digits", "seed": 1234, **summary["best"]}
    assert metadata.keys() >= {"metric", "value", "epoch"}


def test_log_model_is_off_by_default(first):
    assert artifacts(first) == []


@pytest.mark.parametrize("value", ["all", "maybe", "2"])
def test_another_log_model_is_refused_before_anything_is_written(value, cli, environment):
    result = cli("logger=wandb", f"logger.wandb.log_model={value}")
    assert (result.code, result.written) == (2, [])
    assert f"logger.wandb.log_model={value}: must be true or false, like the default False" in result.err


def test_a_run_that_failed_has_no_artifact_and_one_after_it_was_resumed(wandb_cli, cli):
    fails = ("+callbacks.acme._target_=acme_raise.Raise", "+callbacks.acme.what=bug", "try_one_batch=false")
    result = wandb_cli("logger.wandb.log_model=true", "hydra.run.dir=run", *fails)
    assert result.code == 1
    assert artifacts(result.run_dir) == []
    resumed = cli("resume", "run", "~callbacks.acme")
    assert resumed.code == 0, resumed.err
    assert len(artifacts(result.run_dir)) == 1
    again = cli("resume", "run")  # it is finished
    assert again.code == 0, again.err
    assert len(artifacts(result.run_dir)) == 1


# --- other ways for a run to go


CALLBACK = """
from pytorch_lightning import Callback

class Raise(Callback):
    def __init__(self, what: str = ""):
        self.what = what
    def on_train_start(self, trainer, pl_module):
        if self.what:
            raise {"bug": RuntimeError("a bug"), "ctrl-c": KeyboardInterrupt()}[self.what]
"""


@pytest.fixture
def wandb_cli(cli, install, environment):
    install("dlpipe-acme", {}, {"acme_raise.py": CALLBACK})
    return lambda *overrides: cli(*overrides, "logger=wandb", "recipe.max_epochs=1")


def test_failed_job_is_closed_as_failed_and_the_next_is_a_run_of_its_own(wandb_cli):
    result = wandb_cli(
        "-m", "try_one_batch=false", "+callbacks.acme._target_=acme_raise.Raise", "+callbacks.acme.what=bug,''"
    )
    exits = [records(run_dir, "exit") for run_dir in result.run_dirs]
    assert [[record["exit_code"] for record in job] for job in exits] == [[1], [0]]
    assert wandb.run is None


def test_ctrl_c_closes_the_run_as_failed(wandb_cli):
    result = wandb_cli(
        "try_one_batch=false", "+callbacks.acme._target_=acme_raise.Raise", "+callbacks.acme.what=ctrl-c"
    )
    assert [record["exit_code"] for record in records(result.run_dir, "exit")] == [1]
    assert wandb.run is None


def test_run_by_itself_is_in_no_group(wandb_cli):
    (run,) = records(wandb_cli().run_dir, "run")
    assert "run_group" not in run


def test_name_group_and_project_can_be_given(wandb_cli):
    options = ("logger.wandb.name=mine", "logger.wandb.group=all", "logger.wandb.project=ours")
    (run,) = records(wandb_cli(*options).run_dir, "run")
    assert (run["display_name"], run["run_group"], run["project"]) == ("mine", "all", "ours")


def test_disabled_run_trains_and_leaves_nothing_of_wandb(wandb_cli, environment):
    environment.setenv("WANDB_MODE", "disabled")
    result = wandb_cli("logger.wandb.log_model=true")
    assert "W&B is disabled" in result.out
    assert (result.code, [path for path in result.written if "wandb" in path]) == (0, [])
