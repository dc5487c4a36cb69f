"""What a stored sweep of somebody else must not do when it is resumed: docs/trust.md."""

import re
from pathlib import Path

from omegaconf import DictConfig, open_dict

from dlpipe.config.checks.untrusted import ADVICE, untrusted_problems
from dlpipe.config.prepare import resolved_config
from dlpipe.errors import Problem
from dlpipe.sweeps.sweep_file import SweepRequest

# of Hydra's own keys: the choice of a launcher or a sweeper, options of a sweeper, single words for a launcher; others
# may run commands, such as the list of submitit's setup
HARMLESS = re.compile(
    r"hydra/(launcher|sweeper)=\w+|(?!.*_target_)(hydra\.sweeper\..*|hydra\.launcher\.[\w.]+=-?[\w.]+)", re.DOTALL
)


def request_problems(request: SweepRequest, sweep_dir: Path) -> list[Problem]:
    """Overrides of Hydra's own keys that may run commands, and folders of YAML inside the sweep's directory."""
    return [
        Problem(text, f"may run commands, and stands in the file of the sweep; {ADVICE}")
        for text in request.overrides
        if text.lstrip("+~").startswith("hydra") and not HARMLESS.fullmatch(text.lstrip("+"))
    ] + [
        Problem(f"-cd {folder}", f"lies in the sweep's directory, where anybody may have put it; {ADVICE}")
        for folder in request.config_dirs
        if Path(folder).resolve().is_relative_to(sweep_dir.resolve())
    ]


def job_problems(config: DictConfig, sweep_dir: Path) -> list[Problem]:
    """What the composed config of a job must not have, as the config of a stored run; it may write to the sweep's."""
    own = config.copy()
    with open_dict(own):
        own.output_dir = str(sweep_dir)
    return untrusted_problems(resolved_config(own))
