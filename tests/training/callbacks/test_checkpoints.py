"""When the last checkpoint is due, of a trainer that only counts, by a clock that the test sets."""

from types import SimpleNamespace

from dlpipe.training.callbacks import checkpoints
from dlpipe.training.callbacks.checkpoints import BestAndLast


def test_the_last_checkpoint_is_saved_when_it_is_so_many_minutes_old(tmp_path, monkeypatch):
    now, saved = [1000.0], []
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(monotonic=lambda: now[0]))
    trainer = SimpleNamespace(
        current_epoch=0,
        global_step=0,
        world_size=1,
        is_global_zero=True,
        save_checkpoint=lambda path: saved.append((path.name, now[0] - 1000)),
    )
    callback = BestAndLast(str(tmp_path), every_minutes=1.5)
    callback.on_train_start(trainer, None)
    for second in (2, 89, 91, 100, 180, 182, 200):
        now[0] = 1000.0 + second
        callback.on_safe_point(trainer, None)
    assert saved == [("last.ckpt", 91), ("last.ckpt", 182)]
