"""Ranks exchange messages, and compare their configs, before any of them trains."""

import hashlib
import json
import os
import socket
from datetime import timedelta
from typing import Any

from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from omegaconf import DictConfig
from torch.distributed import PrefixStore  # type: ignore[attr-defined]  # of torch._C
from torch.distributed.rendezvous import rendezvous

from dlpipe.errors import DlpipeError, format_list
from dlpipe.runs.config_file import config_text
from dlpipe.training.distributed.rank_info import RankInfo

FINISHED = "finished"
WAIT = timedelta(minutes=10)


class RankStore:
    """A key-value store that all ranks of a run share before there is a process group.

    Args:
        rank_info: of this process.

    Raises:
        DlpipeError: the store cannot be reached; from the methods: a rank did not answer in time.
    """

    def __init__(self, rank_info: RankInfo) -> None:
        self.rank_info = rank_info
        self.decided = False
        if rank_info.launcher == "srun":
            environment = SLURMEnvironment()
            _ = environment.main_address, environment.main_port  # reading them sets MASTER_ADDR and MASTER_PORT
        rank, world_size = rank_info.rank, rank_info.world_size
        try:
            store, _, _ = next(rendezvous("env://", rank, world_size, timeout=WAIT))
        except (RuntimeError, ValueError) as error:
            raise DlpipeError(f"rank {rank} of {world_size} cannot reach the others: {error}") from error
        self.store = PrefixStore("dlpipe", store)

    def broadcast(self, key: str, own: str) -> str:
        """Rank 0's value, for which the others wait."""
        if self.rank_info.rank == 0:
            self.store.set(f"shared/{key}", own)
        return self._wait_for(f"shared/{key}", 0)

    def broadcast_decision(self, own: str) -> str:
        """Rank 0's decision, once all ranks know it: empty, `FINISHED` where nothing is left to do, or an error."""
        self.decided = True
        message = self.broadcast("decision", own)
        self._end_last("decided")
        return message

    def check_same_config(self, cfg: DictConfig) -> list[dict[str, Any]]:
        """Compare the resolved configs of all ranks.

        Returns:
            For each rank its host, process id and the sha256 of its config.

        Raises:
            DlpipeError: on every rank, with the keys and values that differ.
        """
        text = config_text(cfg)
        digest, rank = hashlib.sha256(text.encode()).hexdigest(), self.rank_info.rank
        own = {"rank": rank, "host": socket.gethostname(), "pid": os.getpid(), "config_sha256": digest}
        self.store.set(f"config/{rank}", text)
        self.store.set(f"rank/{rank}", json.dumps(own))
        ranks = [json.loads(self._wait_for(f"rank/{rank}", rank)) for rank in range(self.rank_info.world_size)]
        different = [rank["rank"] for rank in ranks if rank["config_sha256"] != ranks[0]["config_sha256"]]
        message = self._difference(different[0]) if different else None
        self._end_last("compared")
        if message:
            raise DlpipeError(message)
        return ranks

    def _end_last(self, step: str) -> None:
        """Let rank 0, which may serve the store, wait until all ranks have done a step."""
        self.store.set(f"{step}/{self.rank_info.rank}", "")
        if self.rank_info.rank == 0:
            for rank in range(self.rank_info.world_size):
                self._wait_for(f"{step}/{rank}", rank)

    def _wait_for(self, key: str, rank: int) -> str:
        """What a rank puts into the store; waits until it does."""
        try:
            return self.store.get(key).decode()
        except (RuntimeError, ValueError) as error:
            message = f"rank {self.rank_info.rank} timed out waiting for rank {rank} ({key}); see that rank's log"
            raise DlpipeError(f"{message}: {str(error).splitlines()[0]}") from error

    def _difference(self, rank: int) -> str:
        first, other = (json.loads(self.store.get(f"config/{number}")) for number in (0, rank))
        keys = sorted(key for key in first.keys() | other.keys() if first.get(key) != other.get(key))
        values = [f"{key} ({first.get(key)} and {other.get(key)})" for key in keys]
        return (
            f"rank 0 and rank {rank} have different configs: {format_list(values)}. Start every rank with the same "
            "command, plugins and config files"
        )
