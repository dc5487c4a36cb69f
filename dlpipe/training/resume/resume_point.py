"""Resuming a run: from which checkpoint, and whether it is the same run."""

import logging
from pathlib import Path
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from dlpipe.errors import DlpipeError, format_list
from dlpipe.plain_config import flat
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.directory import PROVENANCE, STAGE, read_provenance, write_json
from dlpipe.runs.provenance import differences
from dlpipe.training.resume.run_state import KEY
from dlpipe.training.stages.configs import is_checkpoints, stage_config

log = logging.getLogger(__name__)
# keys that may differ between a run's config and that of its resumption
FREE = ("output_dir", "resume")
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
        done = any(state.get("done") for state in found["callbacks"].values() if isinstance(state, dict))
        if getattr(get_class(cfg.optimizer._target_), "requires_full_batch", False) and not done:
            log.info("%s cannot be checkpointed; its search starts again from scratch", cfg.optimizer._target_)
            return None
        return path
    raise DlpipeError(f"none of {format_list(map(str, paths))} can be read; start the run in another directory")


def same_run(cfg: DictConfig, asked: DictConfig, directory: Path) -> None:
    """Make sure that the requested run is the one in the directory.

    Raises:
        DlpipeError: it is another, with the keys and values that differ.
    """
    had, wanted = (flat(OmegaConf.to_container(config, resolve=True)) for config in (cfg, asked))
    different = []
    for key in sorted((had.keys() | wanted.keys()) - set(FREE)):
        old, new = had.get(key), wanted.get(key)
        if old != new and str(old).replace(str(had["output_dir"]), str(wanted["output_dir"])) != str(new):
            different.append(f"{key} ({old}, asked for {new})")
    if different:
        message = f"{directory} holds another run: {format_list(different)}"
        raise DlpipeError(f"{message}. Ask for the same, or another directory")


def note_resumption(directory: Path, now: dict[str, Any]) -> None:
    """Add this resumption to the provenance, and warn of libraries or hardware that differ from before."""
    before = read_provenance(directory) or now
    for difference in differences(before, now):
        log.warning("%s: the run may end in other numbers", difference)
    write_json(directory / PROVENANCE, before | {"resumed": [*before.get("resumed", []), now]})
