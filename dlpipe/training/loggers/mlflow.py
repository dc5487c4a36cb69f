"""Runs in MLflow: in the store that MLflow's own commands use, and continued by a resumed run."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra.core.hydra_config import HydraConfig
from pytorch_lightning.loggers import MLFlowLogger
from pytorch_lightning.utilities import rank_zero_only

from dlpipe.errors import DlpipeError
from dlpipe.runs.directory import write_text
from dlpipe.training.lightning_private import adopt_mlflow_run
from dlpipe.training.loggers.job import sweep_of_job

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

log = logging.getLogger(__name__)
RUN_ID = "mlflow_run_id"
VARIABLE = "MLFLOW_TRACKING_URI"
LOCAL = ("sqlite:", "file:")
# for the first request to a server; with MLflow's own, which hold for the others, it takes minutes to fail
WAITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


class ResumableMLFlowLogger(MLFlowLogger):
    """Lightning's logger with a run already started, whose id is kept in the run's directory, and with figures.

    MLflow writes every row before it returns, so a run that was killed lacks none; the steps that a resumed run trains
    again are not logged again.

    Args:
        directory: the run's.
        experiment_name: created if there is none.
        run_name: the name of ``directory`` if null.
        tracking_uri: where MLflow stores runs; see `tracking_uri_of`.
        tags: of the run; ``sweep`` is added in a sweep.
        log_model: whether to log the files of Lightning's own ModelCheckpoint, too.
        offline: refuse a server.

    Raises:
        DlpipeError: MLflow cannot be used.
    """

    def __init__(
        self,
        directory: str,
        experiment_name: str = "dlpipe",
        run_name: str | None = None,
        tracking_uri: str | None = None,
        tags: dict[str, str] | None = None,
        log_model: bool = False,
        offline: bool = False,
    ) -> None:
        self.directory = Path(directory)
        uri = check_mlflow(tracking_uri, offline)
        client = _client(uri)
        with _short_waits():
            found = _find_run(client, self.directory / RUN_ID)
            run = found or _create_run(client, experiment_name, run_name or self.directory.name, tags or {})
        write_text(self.directory / RUN_ID, run.info.run_id)
        super().__init__(experiment_name, tracking_uri=uri, run_id=run.info.run_id, log_model=log_model)
        adopt_mlflow_run(self, run.info.experiment_id)
        self.has_params = found is not None
        self._logged = _logged_steps(client, run) if found else {}
        if found:
            client.update_run(run.info.run_id, status="RUNNING")
        log.info("MLflow has this run as %s in %s", run.info.run_id, uri)

    @property
    def save_dir(self) -> str:
        """The run's directory, which a module sees as ``trainer.log_dir``."""
        return str(self.directory)

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Log the run's config, once: MLflow refuses another value, such as that of a directory that was moved."""
        if not self.has_params:
            super().log_hyperparams(params)
        self.has_params = True

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log what MLflow does not have from before this run was resumed."""
        new = {name: value for name, value in metrics.items() if (step or 0) not in self._logged.get(name, ())}
        if new:
            super().log_metrics(new, step)

    def log_image(self, key: str, images: list[Any], step: int | None = None) -> None:
        """Store pictures as artifacts: uint8, (height, width) or (height, width, 3)."""
        for index, image in enumerate(images):
            name = key if len(images) == 1 else f"{key}/{index}"
            self.experiment.log_image(self.run_id, np.ascontiguousarray(image), artifact_file=f"{name}.png")


def tracking_uri_of(given: str | None) -> str:
    """The URI of MLflow's store: the given one, ``MLFLOW_TRACKING_URI``, or MLflow's default.

    That is ``mlflow.db`` in the folder where the command was typed.
    """
    if uri := given or os.environ.get(VARIABLE):
        return uri
    folder = HydraConfig.get().runtime.cwd if HydraConfig.initialized() else Path.cwd()
    return f"sqlite:///{Path(folder).absolute() / 'mlflow.db'}"


def check_mlflow(tracking_uri: str | None, offline: bool) -> str:
    """The URI of the store that MLflow will use.

    Raises:
        DlpipeError: a package is missing, or the store is a server and the run is offline.
    """
    uri = tracking_uri_of(tracking_uri)
    needed = ("mlflow", "sqlalchemy", "alembic") if uri.startswith("sqlite:") else ("mlflow",)
    if missing := [name for name in needed if not find_spec(name)]:
        raise DlpipeError(f"needs the package {missing[0]}: pip install 'dlpipe[mlflow]'")
    if offline and "://" in uri and not uri.startswith(LOCAL):
        raise DlpipeError(f"offline=true never uses the network, and MLflow's store is {uri}; unset {VARIABLE}")
    return uri


def _client(uri: str) -> "MlflowClient":
    # MLflow's reports of its use are posted from local stores, too
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        return MlflowClient(uri)
    except MlflowException as error:
        raise DlpipeError(f"MLflow cannot use {uri}: {' '.join(str(error).split())}") from error


@contextlib.contextmanager
def _short_waits() -> Iterator[None]:
    """Let requests fail after about 10 seconds, unless the environment says how often and how long to try."""
    ours = WAITS.keys() - os.environ.keys()
    os.environ.update({name: WAITS[name] for name in ours})
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def _find_run(client: "MlflowClient", path: Path) -> "Run | None":
    """The run whose id is in this file, unless MLflow's store lacks it."""
    from mlflow.exceptions import MlflowException

    if not path.is_file():
        return None
    try:
        return client.get_run(path.read_text(encoding="utf-8").strip())
    except MlflowException as error:
        log.warning("MLflow cannot continue the run that %s names; starting another: %s", path, error)
        return None


def _create_run(client: "MlflowClient", experiment_name: str, name: str, tags: Mapping[str, str]) -> "Run":
    from mlflow.exceptions import MlflowException
    from mlflow.tracking.context.registry import resolve_tags

    sweep = sweep_of_job()
    every = {**tags, **({"sweep": sweep} if sweep else {})}
    try:
        return client.create_run(_experiment_id(client, experiment_name), run_name=name, tags=resolve_tags(every))
    except MlflowException as error:
        advice = f"start it if it is a server, or choose another store with {VARIABLE} or logger.mlflow.tracking_uri"
        raise DlpipeError(f"MLflow cannot start a run: {' '.join(str(error).split())}; {advice}") from error


def _experiment_id(client: "MlflowClient", name: str) -> str:
    from mlflow.exceptions import MlflowException

    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    try:
        return client.create_experiment(name)
    except MlflowException:
        if experiment := client.get_experiment_by_name(name):  # another job has just created it
            return str(experiment.experiment_id)
        raise


def _logged_steps(client: "MlflowClient", run: "Run") -> dict[str, set[int]]:
    return {name: {row.step for row in client.get_metric_history(run.info.run_id, name)} for name in run.data.metrics}
