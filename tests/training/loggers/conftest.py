"""One run with several loggers that was killed and resumed, and what metrics.csv says of it."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before a test imports mlflow
KILL = """
import os, signal
from pytorch_lightning import Callback

class Kill(Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        killed = os.path.join(trainer.default_root_dir, "killed")
        if trainer.global_step == 60 and not os.path.exists(killed):
            open(killed, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
"""
LOGGED_OFTEN = (
    "+callbacks.lr._target_=pytorch_lightning.callbacks.LearningRateMonitor",
    "+trainer.log_every_n_steps=6",
)


@pytest.fixture(scope="session")
def resumed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory of logger=[tensorboard,mlflow]; killed 16 updates after a checkpoint, with rows in between."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "acme_kill.py").write_text(KILL)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), environment.get("PYTHONPATH", "")])
    dlpipe = [sys.executable, "-W", "error", "-m", "dlpipe"]
    run = ["model=logreg", "logger=[tensorboard,mlflow]", "recipe.max_epochs=4", "hydra.run.dir=run", *LOGGED_OFTEN]
    for arguments, code in (([*run, "+callbacks.kill._target_=acme_kill.Kill"], -9), (["resume", "run"], 0)):
        done = subprocess.run([*dlpipe, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
    return folder / "run"


@pytest.fixture
def mlflow_store(resumed_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of MLflow's that this process uses: a copy, since MLflow takes seconds to create one."""
    shutil.copy(resumed_run.parent / "mlflow.db", tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


@pytest.fixture
def metrics_of() -> Callable[[Path], dict[str, list[tuple[int, float]]]]:
    """What metrics.csv of a run directory says: by metric, its steps and values."""

    def read(run_dir: Path) -> dict[str, list[tuple[int, float]]]:
        with (run_dir / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in rows[0] if name != "step"]
        return {name: [(int(row["step"]), float(row[name])) for row in rows if row[name]] for name in names}

    return read
