"""sweep.yaml: what was asked of a sweep, written once, and the requests that were added to it later."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from dlpipe.errors import DlpipeError, system_errors_in_one_line
from dlpipe.runs.directory import write_text
from dlpipe.sweeps.record import append, read_events
from dlpipe.yaml_limits import read_yaml

SWEEP = "sweep.yaml"
FORMAT = 1
REQUESTED = "requested"  # the event of a request that was added
Versions = dict[str, dict[str, str | None]]  # of libraries, plugins and code


@dataclass(frozen=True)
class SweepRequest:
    """A command line that started a sweep or added jobs to it.

    Args:
        overrides: as they were typed, without ``hydra.sweep.dir`` and ``resume``.
        config_dirs: the folders of ``-cd``, absolute.
        working_folder: where it was typed; relative paths start there.
        sweeper: the class that chose the jobs.
        launcher: the class that ran them.
        versions: of libraries, plugins and code.
    """

    overrides: list[str]
    config_dirs: list[str]
    working_folder: str
    sweeper: str
    launcher: str
    versions: Versions

    def asks_for_the_same(self, other: "SweepRequest") -> bool:
        """Whether both choose the same jobs; another launcher may run them."""
        own, others = (
            [
                text
                for text in request.overrides
                if not text.startswith(("launcher=", "hydra/launcher=", "hydra.launcher."))
            ]
            for request in (self, other)
        )
        return (own, self.config_dirs, self.working_folder) == (others, other.config_dirs, other.working_folder)


def write_sweep(sweep_dir: Path, request: SweepRequest) -> None:
    """Write sweep.yaml; its digest shows later that no part is missing."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"format": FORMAT, "started": started, **asdict(request)}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    write_text(sweep_dir / SWEEP, f"digest: {_digest(content)}\n{text}")


def add_request(sweep_dir: Path, request: SweepRequest) -> None:
    """Record that more was asked of the sweep, or that it was resumed with other versions."""
    append(sweep_dir, REQUESTED, "", request=asdict(request))


def is_sweep(directory: Path) -> bool:
    """Whether a directory holds a sweep."""
    return (directory / SWEEP).is_file()


def sweep_of(run_dir: Path) -> Path | None:
    """The sweep's directory that a job's is in; None for another run."""
    return next((folder for folder in run_dir.absolute().parents if is_sweep(folder)), None)


def read_requests(sweep_dir: Path) -> list[SweepRequest]:
    """The request in sweep.yaml, and those that were added later, in order.

    Raises:
        DlpipeError: there is no sweep, or its file is damaged or of another version.
    """
    added = [event.get("request") for event in read_events(sweep_dir) if event["event"] == REQUESTED]
    return [_read(sweep_dir / SWEEP), *(_request(content, sweep_dir) for content in added)]


def _read(path: Path) -> SweepRequest:
    if not path.is_file():
        raise DlpipeError(f"{path.parent} is not a sweep's directory: {_why_no_sweep(path.parent)}")
    try:
        with system_errors_in_one_line():
            text = read_yaml(path)
        content = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DlpipeError(f"{path} is damaged: {' '.join(str(error).split())}; take a good copy") from error
    if not isinstance(content, dict) or "digest" not in content:
        raise DlpipeError(f"{path} is not the file of a sweep of dlpipe's; take a good copy")
    if content.get("format", FORMAT) != FORMAT:
        raise DlpipeError(f"{path} has the format {content['format']}, this version reads format {FORMAT}")
    if content.pop("digest") != _digest(content):
        raise DlpipeError(f"{path} is damaged: a part is missing or was changed; take a good copy")
    return _request({key: value for key, value in content.items() if key not in ("format", "started")}, path.parent)


def _why_no_sweep(directory: Path) -> str:
    if not directory.exists():
        return "it does not exist"
    sweep = sweep_of(directory)
    return f"it is a job of a sweep: python -m dlpipe status {sweep}" if sweep else f"it has no {SWEEP}"


def _request(content: Any, sweep_dir: Path) -> SweepRequest:
    try:
        return SweepRequest(**content)
    except TypeError as error:
        raise DlpipeError(f"{sweep_dir}: its request cannot be read: {error}; take a good copy") from error


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
