"""The overrides of a run: those that it was started with, then those that changed it when it was resumed."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from dlpipe.config.checks.overrides import ParsedOverride, parse
from dlpipe.config.config_files import read_text
from dlpipe.errors import DlpipeError, refuse
from dlpipe.runs.config_file import read_changes
from dlpipe.runs.directory import read_provenance

OVERRIDES = ".hydra/overrides.yaml"


def overrides_of(run: Path) -> list[ParsedOverride]:
    """The overrides that give the run's config, one for each key.

    Raises:
        DlpipeError: the run has no list of them.
        RequestError: one is not an override.
    """
    texts: Any = read_provenance(run).get("overrides")
    if not texts and (run / OVERRIDES).is_file():
        texts = OmegaConf.to_container(OmegaConf.create(read_text(run / OVERRIDES)))
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DlpipeError(f"{run} has no list of its overrides in {OVERRIDES}; give the overrides themselves")
    for change in read_changes(run):
        texts = joined(texts, change["overrides"])
    settings, problems = parse(texts)
    refuse(problems)
    return settings


def joined(earlier: list[str], later: list[str]) -> list[str]:
    """Overrides after earlier ones, of which those with the same key are left out; a key that was added still is."""
    had = {setting.key: setting.text for setting in parse(earlier)[0]}
    keys = {setting.text: setting.key for setting in parse(later)[0]}
    kept = [text for key, text in had.items() if key not in keys.values()]

    def with_prefix(text: str) -> str:
        before = had.get(keys.get(text, ""), "")
        return before[: len(before) - len(before.lstrip("+"))] + text if text[0] not in "+~" else text

    return kept + [with_prefix(text) for text in later]


def is_for_hydra(setting: ParsedOverride) -> bool:
    """Whether it sets up Hydra: where a run is written, how a sweep is launched."""
    return setting.key.partition(".")[0].partition("/")[0] == "hydra"
