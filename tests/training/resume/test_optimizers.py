"""Runs whose optimizer has a state, whose gradients are clipped or accumulated: resumed to the bits of a whole run."""

import pytest

import dlpipe
from dlpipe.runs.directory import WEIGHTS

SHORT = ("model=mlp", "model.num_hidden=10", "callbacks.checkpoints.every_n_updates=7")
ADAM = ("optimizer=adam", "optimizer.lr=0.001")
CASES = {
    "momentum": ("optimizer.momentum=0.9", "optimizer.nesterov=true"),
    "adam, clipped": (*ADAM, "trainer.gradient_clip_val=0.5"),
    "adamw, accumulated": ("optimizer=adamw", "optimizer.lr=0.001", "trainer.accumulate_grad_batches=3"),
    "adam, all": (*ADAM, "scheduler=cosine", "trainer.gradient_clip_val=0.5", "trainer.accumulate_grad_batches=2"),
}


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("overrides", CASES.values(), ids=CASES)
def test_a_run_that_stopped_in_mid_epoch_ends_in_the_bits_of_one_that_did_not(overrides, tmp_path, monkeypatch):
    from dlpipe.training.callbacks.checkpoints import BestAndLast

    words = (*SHORT, *overrides, "recipe.max_epochs=3")
    whole = dlpipe.run(*words, f"hydra.run.dir={tmp_path / 'whole'}")
    with monkeypatch.context() as patch:
        save = BestAndLast.save_last

        def save_and_stop(callback, trainer):
            save(callback, trainer)
            if trainer.global_step > 20:
                raise StoppedError

        patch.setattr(BestAndLast, "save_last", save_and_stop)
        with pytest.raises(StoppedError):
            dlpipe.run(*words, f"hydra.run.dir={tmp_path / 'run'}")
    run = dlpipe.Run(tmp_path / "run")
    assert run.status != "finished"
    run.resume()
    assert (run.directory / WEIGHTS).read_bytes() == (whole.directory / WEIGHTS).read_bytes()
    log = (run.directory / "dlpipe.log").read_text()
    assert "disabled" not in log  # chunks and traced steps
