"""Which rank this process is, and who made it one."""

import os
from typing import NamedTuple


class Place(NamedTuple):
    """One process among ``world_size``; ``launcher`` is what started them, None where this process stands alone."""

    rank: int
    world_size: int
    launcher: str | None


def place() -> Place:
    """Read the environment that torchrun, srun or `launch` gave this process.

    A batch script of SLURM has its variables without being one of the tasks: only a step of ``srun`` counts.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return Place(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), "torchrun")
    if "SLURM_STEP_ID" in os.environ and int(os.environ.get("SLURM_NTASKS", 1)) > 1:
        return Place(int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"]), "srun")
    return Place(0, 1, None)
