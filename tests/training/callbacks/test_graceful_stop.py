"""A signal is acted upon at the next safe point, whenever it arrives, and its handlers do not outlive training."""

import signal
from types import SimpleNamespace

import pytest
import torch

from dlpipe.training.callbacks import graceful_stop
from dlpipe.training.callbacks.graceful_stop import SIGNALS, GracefulStop, StoppedBySignal
from dlpipe.training.distributed.rank_info import RankInfo


@pytest.fixture
def stop():
    """Starts training among so many ranks, and ends it; gives the callback and its safe point as a function."""
    started = []

    def start(world_size):
        trainer = SimpleNamespace(
            world_size=world_size, strategy=SimpleNamespace(root_device=torch.device("cpu")), callbacks=[]
        )
        callback = GracefulStop()
        callback.on_train_start(trainer, None)
        started.append(callback)
        return callback, lambda: callback.on_safe_point(trainer, None)

    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    yield start
    for callback in started:
        callback.on_train_end(None, None)
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.fixture
def all_reduce(monkeypatch):
    """Lets all_reduce do, one call after the other, what these functions do with its tensor."""

    def set_to(*functions):
        left = iter(functions)
        monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor, operation: next(left)(tensor))

    return set_to


def signalled(tensor):
    signal.raise_signal(signal.SIGTERM)


def nothing(tensor):
    pass


def test_a_signal_stops_a_single_process_at_the_next_safe_point(stop):
    _, safe_point = stop(1)
    safe_point()
    signal.raise_signal(signal.SIGUSR1)
    with pytest.raises(StoppedBySignal) as stopped:
        safe_point()
    assert stopped.value.code == 128 + signal.SIGUSR1


def test_a_signal_during_the_exchange_with_other_ranks_is_not_lost(stop, all_reduce):
    all_reduce(signalled, nothing)
    callback, safe_point = stop(2)
    safe_point()  # no rank knew of it in time
    assert callback.received == signal.SIGTERM
    with pytest.raises(StoppedBySignal) as stopped:
        safe_point()
    assert stopped.value.code == 128 + signal.SIGTERM


def test_ranks_stop_by_the_signal_that_they_agreed_on(stop, all_reduce):
    def another_rank_received(tensor):
        signal.raise_signal(signal.SIGTERM)
        tensor.fill_(signal.SIGUSR1)

    all_reduce(another_rank_received)
    callback, safe_point = stop(2)
    with pytest.raises(StoppedBySignal) as stopped:
        safe_point()
    assert stopped.value.code == 128 + signal.SIGUSR1
    assert callback.received == signal.SIGUSR1


def test_only_a_second_ctrl_c_stops_at_once(stop):
    callback, _ = stop(1)
    signal.raise_signal(signal.SIGINT)
    assert callback.received == signal.SIGINT
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_while_handlers_are_restored_leaves_no_alarm(stop, monkeypatch):
    callback, _ = stop(2)
    monkeypatch.setattr(graceful_stop, "get_rank_info", lambda: RankInfo(0, 2, "torchrun"))
    set_handler, raised = signal.signal, []

    def interrupted(number, handler):
        if not raised:
            raised.append(signal.SIGUSR1)
            signal.raise_signal(signal.SIGUSR1)  # which has its handler still
        return set_handler(number, handler)

    monkeypatch.setattr(signal, "signal", interrupted)
    callback.on_train_end(None, None)
    assert raised
    assert callback.received == signal.SIGUSR1
    assert signal.alarm(0) == 0
