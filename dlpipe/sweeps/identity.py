"""What makes two jobs of a sweep the same: their resolved configs, without where they write and how they are run."""

import hashlib
import json
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf, open_dict

from dlpipe.config.checks.overrides import SAME_JOB
from dlpipe.config.prepare import resolved_config
from dlpipe.plain_config import flat

NOT_IN_IDENTITY = ("output_dir", "hydra", *SAME_JOB)
DIGITS = 16  # of a sha256


class Identity(NamedTuple):
    """Equal for jobs that train the same weights; ``setting`` is equal for jobs that differ in nothing but the seed."""

    job: str
    setting: str


def identify(config: DictConfig) -> Identity:
    """The identity of a composed config, whose relative paths start at the folder where the command was typed."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    with open_dict(own):
        own.output_dir = "RUN_DIRECTORY"
    values = flat(OmegaConf.to_container(resolved_config(own), resolve=True))
    values = {key: value for key, value in values.items() if key.partition(".")[0] not in NOT_IN_IDENTITY}
    seeds = ["seed", *_interpolations_of_seed(config)]
    return Identity(_hash(values), _hash({key: value for key, value in values.items() if key not in seeds}))


def _interpolations_of_seed(config: DictConfig) -> list[str]:
    """The dotted keys of values that are the run's seed, such as a dataset's ``seed: ${seed}``."""
    raw = {key: node for key, node in config.items_ex(resolve=False) if key != "hydra"}
    values = flat(OmegaConf.to_container(OmegaConf.create(raw), resolve=False))
    return [key for key, value in values.items() if value == "${seed}"]


def _hash(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:DIGITS]
