"""Resuming a run: from which checkpoint, and whether it is the same run."""

import logging
from pathlib import Path
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from dlpipe.errors import DlpipeError, Problem, format_list
from dlpipe.plain_config import flat
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.directory import PROVENANCE, STAGE, best_of, read_provenance, write_json
from dlpipe.runs.provenance import differences
from dlpipe.training.callbacks.checkpoints import MID_EPOCH
from dlpipe.training.prepared import Prepared
from dlpipe.training.resume.lengths import is_done, length_problem, lengths, trains_on
from dlpipe.training.resume.run_state import KEY
from dlpipe.training.stages.configs import is_checkpoints, stage_config

log = logging.getLogger(__name__)
# top-level keys that may differ between a run's config and that of its resumption
FREE = ("output_dir", "resume", "sweep")
NAMES = ("last.ckpt", "previous.ckpt")


def checkpoints_to_resume(cfg: DictConfig) -> dict[str, Path]:
    """By stage, the last checkpoint, or the previous one if that cannot be read; stages without one are left out.

    Raises:
        DlpipeError: a stage has checkpoints, and none can be read.
    """
    found = {}
    for root in (Path(node.directory) for node in cfg.callbacks.values() if is_checkpoints(node)):
        for folder in sorted({path.parent for name in NAMES for path in root.rglob(name)}):
            stage = "" if folder == root else folder.relative_to(root).as_posix()
            try:
                if checkpoint := _checkpoint_in(folder, stage_config(cfg, stage)):
                    found[stage] = checkpoint
            except DlpipeError as error:
                if not (folder / STAGE).is_file():
                    raise
                log.warning("%s; stage %s is over", error, stage)  # only its best weights are needed
    return found


def _checkpoint_in(folder: Path, cfg: DictConfig) -> Path | None:
    """The checkpoint to resume from; None where the optimizer cannot be resumed."""
    paths = [folder / name for name in NAMES if (folder / name).exists()]
    for path in paths:
        try:
            found = read_checkpoint(path)
            if KEY not in found:
                raise DlpipeError(f"{path} was not written by this version of dlpipe")
        except DlpipeError as error:
            log.warning("%s", error)
            continue
        is_longer = _is_longer(folder, found, cfg)
        is_open = is_longer or not is_done(found)
        if getattr(get_class(cfg.optimizer._target_), "requires_full_batch", False) and is_open:
            log.info("%s cannot be checkpointed; its search starts again from scratch", cfg.optimizer._target_)
            return None
        return _mid_epoch(folder, found) or path if is_longer else path
    raise DlpipeError(f"none of {format_list(map(str, paths))} can be read; start the run in another directory")


def length_problems(before: DictConfig, prepared: Prepared) -> list[Problem]:
    """Changes of how long stages train that come too late, for a run whose config was ``before``."""
    problems = []
    for stage in prepared.selected_stages:
        old, new = stage_config(before, stage.name), prepared.stage_config(stage)
        folder = best_of(Path(new.output_dir), stage.name).parent
        if lengths(old) == lengths(new):
            continue
        if (folder / STAGE).is_file() and stage is not prepared.selected_stages[-1]:
            problems.append(Problem(stage.name, "this stage has finished; only the length of later ones may change"))
        elif (folder / NAMES[0]).is_file() and (problem := length_problem(read_checkpoint(folder / NAMES[0]), new)):
            problems.append(Problem(stage.name, problem))
    return problems


def is_longer(prepared: Prepared) -> bool:
    """Whether the last stage of a finished run trains on, with the lengths of this config."""
    stage = prepared.selected_stages[-1]
    folder = best_of(Path(prepared.config.output_dir), stage.name).parent
    last = folder / NAMES[0]
    return last.is_file() and _is_longer(folder, read_checkpoint(last), prepared.stage_config(stage))


def _is_longer(folder: Path, last: dict[str, Any], cfg: DictConfig) -> bool:
    """Whether a stage that had ended trains on, because it was made longer since."""
    if not is_done(last) or lengths(last[KEY]["config"]) == lengths(cfg):
        return False
    path = _mid_epoch(folder, last)
    return trains_on(read_checkpoint(path) if path else last, cfg)


def _mid_epoch(folder: Path, last: dict[str, Any]) -> Path | None:
    """The checkpoint of before the end of a stage that ended in mid-epoch."""
    path = folder / MID_EPOCH
    return path if path.is_file() and read_checkpoint(path)["global_step"] == last["global_step"] else None


def same_run(cfg: DictConfig, asked: DictConfig, directory: Path) -> None:
    """Make sure that the requested run is the one in the directory.

    Raises:
        DlpipeError: it is another, with the keys and values that differ.
    """
    had, wanted = (flat(OmegaConf.to_container(config, resolve=True)) for config in (cfg, asked))
    different = []
    for key in sorted(key for key in had.keys() | wanted.keys() if key.partition(".")[0] not in FREE):
        old, new = had.get(key), wanted.get(key)
        if old != new and str(old).replace(str(had["output_dir"]), str(wanted["output_dir"])) != str(new):
            different.append(f"{key} ({old}, asked for {new})")
    if different:
        message = f"{directory} holds another run: {format_list(different)}"
        raise DlpipeError(f"{message}. Ask for the same, or another directory")


def note_resumption(directory: Path, now: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    """Add this resumption and its changes to the provenance, and warn of libraries or hardware that differ."""
    before = read_provenance(directory) or now
    for difference in differences(before, now):
        log.warning("%s: the run may end in other numbers", difference)
    added = {"resumed": [*before.get("resumed", []), now]}
    if changes:
        added["changes"] = [*before.get("changes", []), *changes]
    write_json(directory / PROVENANCE, before | added)
