"""Every rank compares its config with the others' before it trains."""

import threading
from datetime import timedelta

import pytest
import torch.distributed
from omegaconf import OmegaConf

from dlpipe.errors import DlpipeError
from dlpipe.training.distributed import rank_store
from dlpipe.training.distributed.rank_info import RankInfo


@pytest.fixture
def together(monkeypatch):
    """Let each config be the one of a rank; gives what each rank returned or raised."""

    def run(*configs):
        store = torch.distributed.HashStore()
        store.set_timeout(timedelta(seconds=20))
        monkeypatch.setattr(rank_store, "rendezvous", lambda *_, **__: iter([(store, 0, 0)]))
        results = [None] * len(configs)

        def rank(number):
            try:
                ranks = rank_store.RankStore(RankInfo(number, len(configs), "torchrun"))
                results[number] = ranks.check_same_config(OmegaConf.create(configs[number]))
            except DlpipeError as error:
                results[number] = error

        threads = [threading.Thread(target=rank, args=(number,)) for number in range(len(configs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    return run


def test_equal_configs_give_every_rank_the_same_list(together):
    cfg = {"seed": 1, "again": "${seed}", "model": {"name": "mlp", "sizes": [1, 2]}}
    resolved = {**cfg, "again": 1}
    first, second, third = together(cfg, resolved, cfg)
    assert first == second == third
    assert [rank["rank"] for rank in first] == [0, 1, 2]
    assert len({rank["config_sha256"] for rank in first}) == 1


def test_a_config_that_differs_ends_every_rank_with_the_keys_and_values(together):
    one = {"optimizer": {"lr": 0.1}, "seed": 1}
    other = {"optimizer": {"lr": 0.3}, "seed": 1, "extra": None}
    for error in together(one, one, other):
        assert isinstance(error, DlpipeError)
        assert "rank 0 and rank 2 have different configs" in str(error)
        assert "optimizer.lr (0.1 and 0.3)" in str(error)
        assert "seed" not in str(error)
        assert "same command" in str(error)


def test_a_rank_that_does_not_answer_is_named(monkeypatch):
    store = torch.distributed.HashStore()
    store.set_timeout(timedelta(seconds=0.2))
    monkeypatch.setattr(rank_store, "rendezvous", lambda *_, **__: iter([(store, 0, 0)]))
    ranks = rank_store.RankStore(RankInfo(0, 2, "torchrun"))
    with pytest.raises(DlpipeError, match=r"rank 0 timed out waiting for rank 1 \(decided/1\); see that rank's log"):
        ranks.broadcast_decision("")
