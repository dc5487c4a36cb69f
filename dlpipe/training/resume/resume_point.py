"""What a run is gone on with: from which checkpoint, whether it is the same run, and on what."""

import logging
from pathlib import Path
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from dlpipe.errors import DlpipeError, format_list
from dlpipe.flat import flat
from dlpipe.runs.checkpoint_file import read_checkpoint
from dlpipe.runs.directory import PROVENANCE, STAGE, read_provenance, write_json
from dlpipe.runs.provenance import differences
from dlpipe.training.resume.run_state import KEY
from dlpipe.training.stages.configs import config_of, is_checkpoints

log = logging.getLogger(__name__)
# of a config, what may differ between a run and its resumption
FREE = ("output_dir", "resume")
NAMES = ("last.ckpt", "previous.ckpt")


def checkpoints_to_resume(cfg: DictConfig) -> dict[str, Path]:
    """By stage, of those that have one, the last checkpoint, or the one before where that cannot be read.

    Raises:
        DlpipeError: a stage has some, and none can be read.
    """
    roots = [Path(node.directory) for node in cfg.callbacks.values() if is_checkpoints(node)]
    found = {}
    for root in roots:
        for folder in sorted({path.parent for name in NAMES for path in root.rglob(name)}):
            stage = "" if folder == root else folder.relative_to(root).as_posix()
            try:
                if checkpoint := _checkpoint_in(folder, config_of(cfg, stage)):
                    found[stage] = checkpoint
            except DlpipeError as error:
                if not (folder / STAGE).is_file():
                    raise
                log.warning("%s; stage %s is over", error, stage)  # only its best weights are needed
    return found


def _checkpoint_in(folder: Path, cfg: DictConfig) -> Path | None:
    """The one to go on from; None where the method of optimization has to begin again."""
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
            log.info("%s keeps in no checkpoint where its search is", cfg.optimizer._target_)
            return None
        return path
    raise DlpipeError(f"none of {format_list(map(str, paths))} can be read; start the run in another directory")


def same_run(cfg: DictConfig, asked: DictConfig, directory: Path) -> None:
    """Whether what is asked for is the run in the directory.

    Raises:
        DlpipeError: it is not, with the keys and values that differ.
    """
    had, wanted = (flat(OmegaConf.to_container(config, resolve=True)) for config in (cfg, asked))
    keys = sorted(key for key in had.keys() | wanted.keys() if had.get(key) != wanted.get(key))
    if different := [key for key in keys if not _free(key, had, wanted)]:
        message = [f"{key} ({had.get(key)}, asked for {wanted.get(key)})" for key in different]
        raise DlpipeError(
            f"{directory} holds another run: {format_list(message)}. Ask for the same, or another directory"
        )


def _free(key: str, had: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a difference says only where the run is."""
    inside = str(had.get(key)).replace(str(had["output_dir"]), str(wanted["output_dir"])) == str(wanted.get(key))
    return key in FREE or inside


def note_resumption(directory: Path, now: dict[str, Any]) -> None:
    """Add to the provenance on what the run goes on, and warn where that is something else than before."""
    before = read_provenance(directory) or now
    for difference in differences(before, now):
        log.warning("%s: the run may end in other numbers", difference)
    write_json(directory / PROVENANCE, before | {"resumed": [*before.get("resumed", []), now]})
