"""The study of a search, in a journal in the sweep's directory."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection

from dlpipe import DlpipeError

JOURNAL = "optuna.journal"
LOCK = ".optuna.lock"
STUDY = "sweep"
SPACE = "search_space"  # user attribute: the distribution of each key
RETRY_OF = "retry_of"  # user attribute of a trial: the number of the failed one
PRUNED = "pruned_after"  # user attribute of a trial: validations
DIRECTIONS = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}


def open_storage(sweep_dir: Path) -> JournalStorage:
    """The storage in a sweep's directory.

    Raises:
        DlpipeError: the journal is damaged.
    """
    path = sweep_dir / JOURNAL
    # the kernel releases it however its process ends; Optuna's own locks outlive a killed process, for 30 s or forever
    backend = JournalFileBackend(str(path), lock_obj=FileLock(sweep_dir / LOCK))  # type: ignore[arg-type]
    try:
        return JournalStorage(backend)
    except OSError:
        raise
    except Exception as error:  # its lines may be anything
        advice = "take a good copy, or choose another hydra.sweep.dir"
        raise DlpipeError(f"{path} is damaged: {type(error).__name__}: {error}; {advice}") from error


def remove_cut_line(sweep_dir: Path) -> None:
    """Remove a last line that a killed process has cut: the next one would be appended to it."""
    path = sweep_dir / JOURNAL
    if not path.exists():
        return
    with FileLock(sweep_dir / LOCK), path.open("rb+") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
            os.fsync(file.fileno())


def open_study(sweep_dir: Path, dimensions: Mapping[str, BaseDistribution], monitor_mode: str) -> optuna.Study:
    """The study in a sweep's directory, a new one if there is none; call `study_problem` first."""
    remove_cut_line(sweep_dir)
    storage = open_storage(sweep_dir)
    study = optuna.create_study(
        storage=storage, study_name=STUDY, direction=DIRECTIONS[monitor_mode], load_if_exists=True
    )
    if SPACE not in study.user_attrs:
        study.set_user_attr(SPACE, _as_json(dimensions))
    return study


def study_problem(sweep_dir: Path, dimensions: Mapping[str, BaseDistribution], monitor_mode: str) -> str | None:
    """Why the study in a directory cannot be continued with this search space; None if it can, or if there is none.

    Raises:
        DlpipeError: the journal is damaged.
    """
    if not (sweep_dir / JOURNAL).exists():
        return None
    storage = open_storage(sweep_dir)
    if not storage.get_all_studies():  # killed before it was created
        return None
    study = optuna.load_study(study_name=STUDY, storage=storage)
    before, now = study.user_attrs.get(SPACE, {}), _as_json(dimensions)
    differ = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if before and differ:
        searched = "; ".join(_describe(key, before.get(key)) for key in differ)
        return f"holds the study of another search space ({searched}); choose another hydra.sweep.dir"
    if study.direction != DIRECTIONS[monitor_mode]:
        return f"holds a study of another recipe.monitor_mode than {monitor_mode}; choose another hydra.sweep.dir"
    return None


def _as_json(dimensions: Mapping[str, BaseDistribution]) -> dict[str, str]:
    return {key: distribution_to_json(own) for key, own in dimensions.items()}


def _describe(key: str, own: str | None) -> str:
    if own is None:
        return f"{key} was not searched"
    values: dict[str, Any] = json.loads(own)["attributes"]
    if "choices" in values:
        return f"{key} was one of {', '.join(map(str, values['choices']))}"
    return f"{key} was from {values['low']} to {values['high']}{' on a log scale' if values['log'] else ''}"
