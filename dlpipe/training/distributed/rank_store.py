"""Every rank proves that it runs the same config before any of them trains."""

import hashlib
import json
import os
import socket
from datetime import timedelta
from typing import Any

from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from omegaconf import DictConfig, OmegaConf
from torch.distributed import PrefixStore  # type: ignore[attr-defined]  # of torch._C
from torch.distributed.rendezvous import rendezvous

from dlpipe.errors import DlpipeError, format_list
from dlpipe.flat import flat
from dlpipe.training.distributed.rank_info import RankInfo

FINISHED = "finished"
WAIT = timedelta(minutes=10)


class RankStore:
    """The ranks of this run as they know each other: through a store, before there is any process group.

    Args:
        place: of this process.

    Raises:
        DlpipeError: the store of rank 0 or of the launcher cannot be reached; later, that a rank
            has said nothing in time.
    """

    def __init__(self, place: RankInfo) -> None:
        self.place = place
        self.decided = False
        if place.launcher == "srun":
            environment = SLURMEnvironment()
            _ = environment.main_address, environment.main_port  # reading them sets MASTER_ADDR and MASTER_PORT
        rank, world_size = place.rank, place.world_size
        try:
            store, _, _ = next(rendezvous("env://", rank, world_size, timeout=WAIT))
        except (RuntimeError, ValueError) as error:
            raise DlpipeError(f"rank {rank} of {world_size} cannot reach the others: {error}") from error
        self.store = PrefixStore("dlpipe", store)

    def broadcast(self, key: str, own: str) -> str:
        """What rank 0 has; it gives it and the others wait for it."""
        if self.place.rank == 0:
            self.store.set(f"shared/{key}", own)
        return self._wait_for(f"shared/{key}", 0)

    def broadcast_decision(self, own: str) -> str:
        """Rank 0's decision, when all know it: nothing, `FINISHED` where nothing is left to do, or an error."""
        self.decided = True
        message = self.broadcast("decision", own)
        self.store.set(f"decided/{self.place.rank}", "")
        if self.place.rank == 0:  # which may be the one that serves the store
            for rank in range(self.place.world_size):
                self._wait_for(f"decided/{rank}", rank)
        return message

    def check_same_config(self, cfg: DictConfig) -> list[dict[str, Any]]:
        """Compare the resolved configs of all ranks.

        Returns:
            For each rank its host, process id and the sha256 of its config.

        Raises:
            DlpipeError: on every rank, with the keys and values that differ.
        """
        config = flat(OmegaConf.to_container(cfg, resolve=True))
        text = json.dumps({key: value for key, value in config.items() if key != "resume"}, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        own = {"rank": self.place.rank, "host": socket.gethostname(), "pid": os.getpid(), "config_sha256": digest}
        self.store.set(f"config/{self.place.rank}", text)
        self.store.set(f"rank/{self.place.rank}", json.dumps(own))
        ranks = [json.loads(self._wait_for(f"rank/{rank}", rank)) for rank in range(self.place.world_size)]
        different = [rank["rank"] for rank in ranks if rank["config_sha256"] != ranks[0]["config_sha256"]]
        message = self._difference(different[0]) if different else None
        self.store.set(f"compared/{self.place.rank}", "")
        if self.place.rank == 0:  # which may be the one that serves the store
            for rank in range(self.place.world_size):
                self._wait_for(f"compared/{rank}", rank)
        if message:
            raise DlpipeError(message)
        return ranks

    def _wait_for(self, key: str, rank: int) -> str:
        """What a rank has put into the store, as soon as it has."""
        try:
            return self.store.get(key).decode()
        except (RuntimeError, ValueError) as error:
            message = f"rank {self.place.rank} has heard nothing of rank {rank} ({key}); see what that says"
            raise DlpipeError(f"{message}: {str(error).splitlines()[0]}") from error

    def _difference(self, rank: int) -> str:
        first, other = (json.loads(self.store.get(f"config/{number}")) for number in (0, rank))
        keys = sorted(key for key in first.keys() | other.keys() if first.get(key) != other.get(key))
        values = [f"{key} ({first.get(key)} and {other.get(key)})" for key in keys]
        return (
            f"rank 0 and rank {rank} have different configs: {format_list(values)}. Start every rank with the same "
            "command, plugins and config files"
        )
