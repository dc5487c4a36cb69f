"""Runs in Weights & Biases: online where somebody is logged in, else offline; never waiting, never asking."""

import csv
import logging
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import wandb
from pydantic import Field
from pytorch_lightning.loggers import WandbLogger

from dlpipe.errors import DlpipeError
from dlpipe.operating_system import identify_user
from dlpipe.runs.directory import CONFIG, METRICS, WEIGHTS, read_summary, write_text
from dlpipe.training.loggers.job import overrides_of_job, sweep_of_job

log = logging.getLogger(__name__)
# W&B's defaults are 90 seconds and no limit; WANDB_INIT_TIMEOUT and WANDB_FINISH_TIMEOUT override ours
INIT_TIMEOUT_SECONDS = 15.0
FINISH_TIMEOUT_SECONDS = 60.0
RUN_ID = "wandb_run_id"
STEP = "trainer/global_step"

Project = Annotated[str, Field(pattern=r"^[^/\\#?%:]{1,128}$")]


def wandb_logger(
    directory: str,
    project: Project = "dlpipe",
    name: str | None = None,
    group: str | None = None,
    offline: bool = False,
    log_model: bool = False,
) -> WandbLogger:
    """A logger with a run already started, in ``directory``; ``log_model`` makes the best weights an artifact.

    The run's name is its directory's, its tags are the overrides, its group is the sweep's directory name
    unless one is given; its axis is Lightning's ``trainer/global_step``. The id is kept in ``wandb_run_id``,
    and a resumed run has the same: see `ResumableWandbLogger`.
    """
    run = start_run(
        directory,
        project,
        offline,
        name=name or Path(directory).name,
        group=group or sweep_of_job(),
        tags=list(dict.fromkeys(override[:64] for override in overrides_of_job())),  # W&B refuses longer ones
        job_type="train",
    )
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    return ResumableWandbLogger(run, project, directory, log_model)


def start_run(directory: str, project: str, offline: bool, **options: Any) -> wandb.Run:
    """Start the W&B run of a directory, the same one each time; ``options`` are those of ``wandb.init``.

    Raises:
        DlpipeError: as `check_environment`.
    """
    identify_user()
    # W&B's crash reports are posted from offline runs too, and hold up the exit where nothing answers
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    mode = wandb_mode(offline)
    run_id = None if mode == "disabled" else _run_id(Path(directory))
    run = _start(mode, dir=directory, project=project, id=run_id, **options)
    log.info(_where(run))
    return run


class ResumableWandbLogger(WandbLogger):
    """Completes the W&B run of a resumed run: a kill costs W&B the last rows, and metrics.csv none.

    An offline log is complete by itself: it gets the rows of metrics.csv again, and the logs before it are renamed, so
    that ``wandb sync`` sends it alone. Online, only the rows are sent that W&B lacks, according to the run's summary.
    """

    def __init__(self, run: wandb.Run, project: str, directory: str, log_model: bool = False) -> None:
        super().__init__(experiment=run, project=project, save_dir=directory)
        self.directory = Path(directory)
        self.log_model = log_model
        self.sent = dict(run.summary)  # empty unless W&B knows the run
        self.last_step: int | None = None

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the values that have not been sent before this run was resumed."""
        self.last_step = self.last_step if step is None else step
        sent_step = self.sent.get(STEP, -1)
        if step is None or step > sent_step:
            super().log_metrics(metrics, step)
        elif step == sent_step and (new := {k: v for k, v in metrics.items() if self.sent.get(k) != v}):
            super().log_metrics(new, step)

    def position(self) -> dict[str, int | None]:
        """The last step that was logged; for `rewind`."""
        return {"step": self.last_step}

    def rewind(self, position: dict[str, Any]) -> None:
        """Log the rows of metrics.csv up to this `position`."""
        if (last := position.get("step")) is None:
            return
        for step, metrics in self._rows():
            if step <= last:
                self.log_metrics(metrics, step)

    def log_best_weights(self) -> None:
        """Make the best weights of a finished run an artifact with the name and the aliases of Lightning's logger.

        W&B uploads the files from the run's directory, also when an offline run is sent later: there is no copy.
        """
        summary = read_summary(self.directory)
        if not self.log_model or summary.get("status") != "finished":
            return
        metadata = {key: summary[key] for key in ("model", "dataset", "seed")} | (summary["best"] or {})
        artifact = wandb.Artifact(f"model-{self.experiment.id}", type="model", metadata=metadata)
        for name in (WEIGHTS, CONFIG):
            artifact.add_file(str(self.directory.absolute() / name), skip_cache=True, policy="immutable")
        self.experiment.log_artifact(artifact, aliases=["latest", "best"])

    def _rows(self) -> Iterator[tuple[int, dict[str, float]]]:
        path = self.directory / METRICS
        if not path.is_file():
            return
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                step = row.pop("step")
                values = {name: float(text) for name, text in row.items() if text}
                if step:
                    yield int(step), values | {"epoch": int(values["epoch"])} if "epoch" in values else values


def _run_id(directory: Path) -> str:
    """The run's id at W&B, kept in its directory before W&B writes anything; sets earlier offline logs aside."""
    path = directory / RUN_ID
    if not path.is_file():
        write_text(path, secrets.token_hex(4))
    run_id = path.read_text(encoding="utf-8").strip()
    for folder in directory.glob(f"wandb/offline-run-*-{run_id}"):
        for log_file in folder.glob("*.wandb"):
            log_file.rename(log_file.with_name(f"{log_file.name}.superseded"))
        folder.rename(folder.with_name(f"superseded-{folder.name}"))
    return run_id


def wandb_mode(offline: bool) -> str:
    """The mode of ``WANDB_MODE``, ``wandb offline`` or ``wandb disabled``; online only where a key is known.

    Raises:
        DlpipeError: as `check_environment`.
    """
    mode = check_environment()
    if mode in ("offline", "dryrun", "disabled"):
        return mode
    return "offline" if offline or not _is_logged_in() else mode


def check_environment() -> str:
    """The mode in W&B's own settings.

    Raises:
        DlpipeError: ``WANDB_MODE`` or another setting of W&B's own is invalid.
    """
    try:
        _run_settings()
        return str(wandb.setup(wandb.Settings(silent=True)).settings.mode)
    except (wandb.errors.UsageError, ValueError) as error:
        raise DlpipeError(f"W&B's own settings are wrong: {' '.join(str(error).split())}") from error


def _is_logged_in() -> bool:
    try:
        return wandb.login(prompt=False, verify=False)
    except wandb.errors.AuthenticationError as error:
        log.warning("W&B cannot use the key it was given (%s); logging offline", error)
        return False


def _start(mode: str, **options: Any) -> wandb.Run:
    """A run in this mode, or offline where W&B does not answer in time."""
    settings = _run_settings()
    # without it, a synchronised offline log replaces what W&B has of the run
    resume = {} if mode in ("offline", "dryrun", "disabled") else {"resume": "allow"}
    try:
        return wandb.init(mode=mode, settings=settings, reinit="finish_previous", **options, **resume)  # type: ignore[arg-type]
    except wandb.errors.CommError as error:
        log.warning("W&B cannot be reached (%s); logging offline", str(error).splitlines()[0])
        wandb.teardown()  # the service still holds the run's id
        return wandb.init(mode="offline", settings=settings, reinit="finish_previous", **options)


def _run_settings() -> wandb.Settings:
    return wandb.Settings(
        silent=True,
        init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT", INIT_TIMEOUT_SECONDS)),
        finish_timeout=float(os.environ.get("WANDB_FINISH_TIMEOUT", FINISH_TIMEOUT_SECONDS)),
        finish_timeout_raises=True,
    )


def finish(logger: WandbLogger, failed: bool) -> None:
    """Close the logger's run, as failed or finished; of a finished one, keep the best weights if it is asked to."""
    if isinstance(logger, ResumableWandbLogger) and not failed:
        logger.log_best_weights()
    finish_run(logger.experiment, failed)


def finish_run(run: wandb.Run, failed: bool) -> None:
    """Close a run, as failed or finished; a server that does not take the rest of it is not waited for."""
    try:
        run.finish(exit_code=int(failed))
    except TimeoutError:
        log.warning("W&B did not take all of this run in time; %s", _sync_command(run))


def _where(run: wandb.Run) -> str:
    if run.disabled:
        return "W&B is disabled"
    return f"W&B is offline; {_sync_command(run)}" if run.offline else f"W&B shows this run at {run.url}"


def _sync_command(run: wandb.Run) -> str:
    return f"send this run later with: wandb sync {shlex.quote(str(Path(run.dir).parent))}"
