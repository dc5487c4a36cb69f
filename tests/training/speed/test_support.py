"""Every hook that Lightning calls at each minibatch disables whatever would skip it."""

import warnings

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.core.hooks import CheckpointHooks, DataHooks, ModelHooks

from dlpipe.data import EpochSampler, Split, TensorMinibatches
from dlpipe.training.quiet import quiet_lightning
from dlpipe.training.speed.chunks import take_chunks
from dlpipe.training.speed.updates import FusedUpdates

MINIBATCHES = 6
# where Lightning defines what its users may override
OWNERS = {
    "module": (ModelHooks, DataHooks, CheckpointHooks, pl.LightningModule),
    "callback": (pl.Callback,),
    "datamodule": (DataHooks,),
}
TRANSFERS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
GRADIENTS = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")
# of one minibatch; test_lightning_calls_no_other_hook_at_every_minibatch compares this with Lightning
HOOKS = {
    "module": (
        *("on_train_batch_start", "on_train_batch_end", *GRADIENTS, *TRANSFERS, "backward", "optimizer_step"),
        *("optimizer_zero_grad", "configure_gradient_clipping", "lr_scheduler_step"),
    ),
    "callback": ("on_train_batch_start", "on_train_batch_end", *GRADIENTS),
    "datamodule": TRANSFERS,
}
# the first is run by chunks and fused updates too; the second is only called by configure_gradient_clipping
NO_HOOKS = {"training_step", "clip_gradients"}


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


class Data(pl.LightningDataModule):
    def train_dataloader(self):
        split = Split(torch.ones(4 * MINIBATCHES, 3), torch.ones(4 * MINIBATCHES, dtype=torch.int64))
        return TensorMinibatches(split, 4, EpochSampler(4 * MINIBATCHES, 5, False))


def counting(base, hooks, calls):
    """A subclass of ``base`` that overrides these hooks: each counts its calls and does what it did."""

    def count(hook):
        def counted(self, *args, **kwargs):
            calls[hook] = calls.get(hook, 0) + 1
            return getattr(base, hook)(self, *args, **kwargs)

        return counted

    return type("Counting", (base,), {hook: count(hook) for hook in hooks})


def calls_in_a_fit(owner, hooks, chunk=None, fused=False):
    """How often each of these hooks is called in one epoch."""
    calls = {}
    bases = {"module": Module, "callback": pl.Callback, "datamodule": Data}
    parts = {name: (counting(base, hooks, calls) if name == owner else base)() for name, base in bases.items()}
    with quiet_lightning(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You have overridden")
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            callbacks=[parts["callback"], *([FusedUpdates()] if fused else [])],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        if chunk:
            take_chunks(trainer, chunk)
        trainer.fit(parts["module"], datamodule=parts["datamodule"])
    return calls


@pytest.mark.parametrize("owner", OWNERS)
def test_lightning_calls_no_other_hook_at_every_minibatch(owner):
    found = set()
    for hook in {name for base in OWNERS[owner] for name, value in vars(base).items() if callable(value)}:
        if not hook.startswith("_") and calls_in_a_fit(owner, [hook]).get(hook, 0) >= MINIBATCHES:
            found.add(hook)
    assert found - NO_HOOKS == set(HOOKS[owner])


@pytest.mark.parametrize("how", [{"chunk": 50}, {"chunk": 1, "fused": True}], ids=["chunks", "fused"])
@pytest.mark.parametrize(("owner", "hook"), [(owner, hook) for owner in HOOKS for hook in HOOKS[owner]])
def test_no_hook_misses_a_minibatch(owner, hook, how):
    assert calls_in_a_fit(owner, [hook], **how) == calls_in_a_fit(owner, [hook])
