"""Which rank this process is, and what launched it."""

import os
from typing import NamedTuple


class RankInfo(NamedTuple):
    """One process among ``world_size``; ``launcher`` is what started them, None in a single process."""

    rank: int
    world_size: int
    launcher: str | None
    local_rank: int = 0


def get_rank_info() -> RankInfo:
    """Read the environment that torchrun, srun or `launch` gave this process.

    A SLURM batch script has SLURM's variables too, but is not one of the tasks: only a step of ``srun`` is.
    """
    number = {name: int(value) for name, value in os.environ.items() if value.isdecimal()}
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return RankInfo(number["RANK"], number["WORLD_SIZE"], "torchrun", number["LOCAL_RANK"])
    if "SLURM_STEP_ID" in os.environ and number.get("SLURM_NTASKS", 1) > 1:
        return RankInfo(number["SLURM_PROCID"], number["SLURM_NTASKS"], "srun", number["SLURM_LOCALID"])
    return RankInfo(0, 1, None)
