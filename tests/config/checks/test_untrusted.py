"""Untrusted run directories and config folders run no code and write nothing elsewhere."""

import shutil
import sys

import pytest
import yaml

from dlpipe import DlpipeError, load
from dlpipe.runs.directory import check_links

SHORT = ("recipe.max_epochs=1", "trainer.limit_train_batches=2")
VERBS = (["test"], ["predict"], ["sample", "-n", "1"], ["figures"], ["resume"], ["reproduce"])


@pytest.fixture(scope="module")
def trained(run_of):
    """A short run; each test works on a copy."""
    return run_of("model=logreg", *SHORT)


@pytest.fixture
def run_dir(trained, cli):
    return shutil.copytree(trained, cli("--version").folder / "run")


def change(run_dir, key, value):
    """Change one dotted key of the run's config; the run is no longer finished."""
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    *parents, name = key.split(".")
    node = config
    for parent in parents:
        node = node.setdefault(parent, {})
    node[name] = value
    (run_dir / "config.yaml").write_text(yaml.safe_dump(config))
    (run_dir / "summary.json").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def sampled(run_of):
    """A run of hmc; each test works on a copy."""
    return run_of("model=hmc", "model.num_burn_in=10", "model.num_draws=10")


@pytest.fixture
def popen_run(sampled, cli, tmp_path):
    """A run of hmc whose energy is subprocess.Popen, and the file that the process would create."""
    run = shutil.copytree(sampled, cli("--version").folder / "hmc")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["model"] |= {"energy": "subprocess.Popen", "energy_options": {"args": ["touch", str(tmp_path / "called")]}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    return run, tmp_path / "called"


def test_the_energy_of_a_stored_config_is_not_called(popen_run, cli):
    run, called = popen_run
    for verb, *flags in VERBS:
        if verb == "resume":
            (run / "summary.json").rename(run / "kept")
        result = cli(verb, str(run), *flags)
        if verb == "resume":
            (run / "kept").rename(run / "summary.json")
        assert result.code in (1, 2), verb
        assert "energy subprocess.Popen is part of Python's standard library" in result.err + result.out, verb
    with pytest.raises((DlpipeError, ValueError), match=r"subprocess\.Popen"):
        load(run)
    assert not called.exists()


def test_an_energy_in_the_runs_directory_is_not_imported(popen_run, cli, monkeypatch):
    run, _ = popen_run
    change(run, "model.energy", "evil.Evil")
    (run / "evil.py").write_text("raise SystemExit('evil was imported')")
    monkeypatch.syspath_prepend(str(run))
    result = cli("test", str(run))
    assert result.code == 2
    assert "model.energy=evil.Evil: its code lies in the run's directory, where anybody may have put it" in result.err


def test_module_of_the_standard_library_is_not_imported_to_inspect_it(run_dir, cli):
    sys.modules.pop("antigravity", None)  # it opens a browser
    change(run_dir, "callbacks.evil", {"_target_": "antigravity.Callback"})
    result = cli("resume", str(run_dir))
    assert result.code == 2
    assert "callbacks.evil._target_=antigravity.Callback: makes no Callback" in result.err
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("callbacks.checkpoints.directory", "OTHER/checkpoints"),
        ("callbacks.checkpoints.directory", "checkpoints"),  # in the working folder
        ("logger.csv.path", "OTHER/metrics.csv"),
        ("logger.csv.path", "RUN/../metrics.csv"),
        ("logger.tb", {"_target_": "pytorch_lightning.loggers.TensorBoardLogger", "save_dir": "OTHER"}),
        ("logger.ml", {"_target_": "pytorch_lightning.loggers.MLFlowLogger", "tracking_uri": "file:OTHER"}),
        ("logger.ml", {"_target_": "pytorch_lightning.loggers.MLFlowLogger", "tracking_uri": "http://127.0.0.1:1"}),
        ("logger.ml", {"_target_": "pytorch_lightning.loggers.MLFlowLogger", "artifact_location": "OTHER"}),
        ("callbacks.mine", {"_target_": "pytorch_lightning.callbacks.ModelCheckpoint", "dirpath": "OTHER"}),
        ("stage_configs.pretrain.callbacks.checkpoints.directory", "OTHER/checkpoints"),
    ],
)
def test_a_run_that_would_write_elsewhere_is_refused(key, value, run_dir, cli, tmp_path):
    def placed(node):
        if isinstance(node, dict):
            return {name: placed(item) for name, item in node.items()}
        return node.replace("OTHER", str(tmp_path / "other")).replace("RUN", str(run_dir))

    change(run_dir, key, placed(value))
    result = cli("resume", str(run_dir))
    assert result.code == 2
    assert f"lies outside of the run's directory {run_dir}; if the run is your own, add --trust" in result.err
    assert f"  {key}" in result.err
    assert not (tmp_path / "other").exists()


def test_trusted_run_may_write_elsewhere(run_dir, cli, tmp_path):
    change(run_dir, "logger.csv.path", str(tmp_path / "metrics.csv"))
    assert cli("resume", str(run_dir)).code == 2
    assert cli("resume", str(run_dir), "--trust").code == 0
    assert (tmp_path / "metrics.csv").exists()


@pytest.mark.parametrize("name", ["dlpipe.log", "metrics.csv", "checkpoints", "figures"])
def test_a_link_that_leads_out_of_the_runs_directory_is_not_followed(name, run_dir, cli, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("content")
    shutil.rmtree(run_dir / name) if (run_dir / name).is_dir() else (run_dir / name).unlink()
    target = tmp_path / "precious" if name in ("checkpoints", "figures") else tmp_path / "precious" / "file"
    (run_dir / name).symlink_to(target)
    (run_dir / "summary.json").unlink()
    again = ("model=logreg", *SHORT, f"hydra.run.dir={run_dir}", "resume=auto")
    for command in (["resume", str(run_dir)], again):
        result = cli(*command)
        assert result.code == 2
        assert f"{run_dir / name} is a symlink to {target}; refusing to follow it. Remove it and retry" in result.err
    assert [path.name for path in (tmp_path / "precious").iterdir()] == ["file"]
    assert (tmp_path / "precious" / "file").read_text() == "content"


def test_a_link_within_the_runs_directory_and_the_links_of_wandb_are_left_alone(run_dir, cli, tmp_path):
    (run_dir / "latest.ckpt").symlink_to(run_dir / "checkpoints" / "last.ckpt")
    (run_dir / "wandb").mkdir()
    (run_dir / "wandb" / "debug.log").symlink_to(tmp_path)
    assert cli("resume", str(run_dir)).code == 0
    assert cli("figures", str(run_dir)).code == 0


def test_in_a_sweep_the_links_of_wandb_are_left_alone_beside_a_jobs_config_and_nowhere_else(tmp_path):
    for folder in ("0-job/wandb", "other/wandb"):
        (tmp_path / "sweep" / folder).mkdir(parents=True)
    (tmp_path / "sweep" / "0-job" / "config.yaml").touch()
    (tmp_path / "sweep" / "0-job" / "wandb" / "debug.log").symlink_to(tmp_path)
    check_links(tmp_path / "sweep")
    (tmp_path / "sweep" / "other" / "wandb" / "debug.log").symlink_to(tmp_path)
    with pytest.raises(DlpipeError, match=r"other/wandb/debug.log is a symlink to .*; refusing to follow it"):
        check_links(tmp_path / "sweep")


HYDRA_NODES = {
    "a callback": (
        "hydra: {callbacks: {evil: {_target_: subprocess.Popen, args: [touch, CALLED]}}}",
        "hydra.callbacks.evil._target_=subprocess.Popen: makes no Callback",
    ),
    "a handler": (
        "hydra: {job_logging: {handlers: {evil: {(): subprocess.Popen, args: [touch, CALLED]}}}}",
        "hydra.job_logging.handlers.evil.()=subprocess.Popen: must be one of ",
    ),
    "a formatter": (
        "hydra: {hydra_logging: {formatters: {evil: {class: evil.Formatter}}}}",
        "hydra.hydra_logging.formatters.evil.class=evil.Formatter: must be one of ",
    ),
    "an attribute": (
        "hydra: {job_logging: {handlers: {file: {.: {emit: ext://os.system}}}}}",
        "hydra.job_logging.handlers.file..: a logging configuration must not set attributes",
    ),
    "a reference": (
        "hydra: {job_logging: {handlers: {file: {encoding: ext://os.system}}}}",
        "hydra.job_logging.handlers.file.encoding=ext://os.system: must refer to ext://sys.stdout or ext://sys.stderr",
    ),
    "a launcher": ("hydra: {launcher: {_target_: subprocess.Popen, args: [touch, CALLED]}}", ""),
}


@pytest.mark.parametrize(("text", "message"), HYDRA_NODES.values(), ids=HYDRA_NODES)
def test_config_folder_runs_no_code_through_hydra(text, message, cli, tmp_path):
    called = tmp_path / "called"
    (tmp_path / "conf" / "scheduler").mkdir(parents=True)
    text = f"# @package _global_\nscheduler: {{}}\n{text.replace('CALLED', str(called))}\n"
    (tmp_path / "conf" / "scheduler" / "mine.yaml").write_text(text)
    flags = ["-m"] if "launcher" in text else []
    result = cli(*flags, "-cd", str(tmp_path / "conf"), "scheduler=mine", "model=logreg", *SHORT)
    assert result.code == 2 or (not message and result.code == 1)
    assert message in result.err
    assert not called.exists()


def test_hydras_own_callbacks_and_handlers_may_be_used(cli, tmp_path):
    pickled = "hydra.experimental.callbacks.PickleJobInfoCallback"
    result = cli(f"+hydra.callbacks.pickle._target_={pickled}", "model=logreg", *SHORT)
    assert result.code == 0


def test_run_whose_energy_is_a_process_does_not_start_it(popen_run, run_dlpipe):
    run, called = popen_run
    finished = run_dlpipe(["test", str(run)], capture_output=True, text=True)
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr
    assert not called.exists()
