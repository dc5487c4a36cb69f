"""Train minibatches by recorded, fused steps wherever that gives the numbers of torch.optim.SGD."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.strategies import SingleDeviceStrategy
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor, fx

from dlpipe.training.speed.fused import Step, fused_step
from dlpipe.training.speed.graphs import graphed
from dlpipe.training.speed.tracing import Logged, NotTraceableError, plain_state, tensors_of, trace_training_step
from dlpipe.training.speed.verify import verify_against_eager

log = logging.getLogger(__name__)
# where a gradient, or the optimizer's own step, is looked at or changed
GRADIENT_HOOKS = (
    "backward",
    "configure_gradient_clipping",
    "on_after_backward",
    "on_before_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
    "optimizer_step",
    "optimizer_zero_grad",
)
# a recording takes about as long as a hundred updates, so there is one for a hundred after the first few
FREE_TRACES, UPDATES_PER_TRACE = 8, 100


class Decay:
    """What the weight decay multiplies by, in float32 such that the rounding of one step is made good by the next.

    1 - 2e-6 is off by 1 % of the 2e-6 in float32, each time to the same side.

    Args:
        owed: of each group of parameters, what the decay so far should have left over what it has left.
    """

    def __init__(self, rounding_error: list[float]) -> None:
        self.rounding_error = rounding_error

    def rates(self, groups: list[dict[str, Any]]) -> Iterator[float]:
        """Of each group minus the learning rate and the factor, for one update."""
        for index, group in enumerate(groups):
            yield -group["lr"]
            yield self._kept(index, group) if group["weight_decay"] else 1.0

    def _kept(self, index: int, group: dict[str, Any]) -> float:
        wanted = self.rounding_error[index] * (1 - group["lr"] * group["weight_decay"])
        given = wanted if group["params"][0].dtype == torch.float64 else float(np.float32(wanted))
        self.rounding_error[index] = wanted / given
        return given


class FusedUpdates(pl.Callback):
    """Replace forward, backward and plain SGD by `fused_step`, where it can be recorded and gives the same.

    `train` does one update; Lightning's loop calls it in place of its own (`dlpipe.training.speed.chunks`).
    """

    def __init__(self) -> None:
        self.applies = False
        self.updates = 0
        self.recordings = 0
        self.gave_up = False
        self._known: set[str] = set()  # forms of minibatches whose step has been recorded
        self._module: Any = None
        self._optimizer: Any = None
        self._state: Any = None
        self._steps: dict[Any, tuple[Step, Logged]] = {}
        self.decay = Decay([])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say once why not, if not."""
        reason = reason_not_fused(trainer, pl_module)
        self.applies = reason is None and not self.gave_up
        if reason and type(trainer.optimizers[0]) is torch.optim.SGD:
            log.info("updates are not fused: %s", reason)
        self._module, self._optimizer, self._steps, self._state = pl_module, trainer.optimizers[0], {}, None
        if len(self.decay.rounding_error) != len(self._optimizer.param_groups):
            self.decay = Decay([1.0] * len(self._optimizer.param_groups))

    @property
    def silent(self) -> bool:
        """Whether the steps are known to log nothing."""
        return self.applies and bool(self._steps) and not any(logged for _, logged in self._steps.values())

    def begin(self) -> None:
        """Before a chunk: let go of recordings that what a step depends on has left behind."""
        if not self.applies:
            return
        if self._optimizer._optimizer_step_pre_hooks or self._optimizer._optimizer_step_post_hooks:
            self._give_up(NotTraceableError("the optimizer has hooks of its step"))
            return
        try:
            state = [plain_state(self._module), [bool(group["weight_decay"]) for group in self._optimizer.param_groups]]
        except NotTraceableError as error:
            self._give_up(error)
            return
        if state != self._state:
            if self._state is not None:  # a run that is gone on with has recorded them before
                self._known.clear()
            self._steps, self._state = {}, state

    def train(self, batch: Any) -> Tensor | None:
        """Update the parameters for a minibatch; its loss, or None where Lightning or autograd has to do it."""
        if not self.applies:
            return None
        tensors = tensors_of(batch)
        if tensors is None:
            self._give_up(NotTraceableError(f"a minibatch is a {type(batch).__name__} that holds more than tensors"))
            return None
        key = type(batch), *((x.shape, x.stride(), x.dtype) for x in tensors)
        found = self._steps.get(key) or self._record(key, batch, tensors)
        if found is None:
            return None
        step, logged = found
        self.updates += 1
        with torch.no_grad():
            loss, *values = step(*tensors, *self.decay.rates(self._optimizer.param_groups))
        if logged:
            self._log(logged, values)
        return loss

    def _log(self, logged: Logged, values: list[Tensor]) -> None:
        """What `self.log` in the step did when it was recorded."""
        left = iter(values)
        module = self._module
        before, module._current_fx_name = module._current_fx_name, "training_step"
        for name, value, args, kwargs in logged:
            module.log(name, next(left) if isinstance(value, fx.Node) else value, *args, **kwargs)
        module._current_fx_name = before

    def _record(self, key: Any, batch: Any, tensors: tuple[Tensor, ...]) -> tuple[Step, Logged] | None:
        if repr(key) not in self._known:
            if self.recordings >= FREE_TRACES + self.updates // UPDATES_PER_TRACE:
                return None  # such a minibatch is not worth it yet
            self.recordings += 1
            self._known.add(repr(key))
        try:
            recording = trace_training_step(self._module, batch, tensors)
            step = fused_step(recording, self._optimizer.param_groups)
            rates = list(Decay([1.0] * len(self.decay.rounding_error)).rates(self._optimizer.param_groups))
            verify_against_eager(lambda: step(*tensors, *rates)[0], recording, self._module, self._optimizer, batch)
        except NotTraceableError as error:
            self._give_up(error)
            return None
        if on_gpu(tensors):
            step = graphed(step, len(tensors))
        return self._steps.setdefault(key, (step, recording.logged))

    def _give_up(self, error: NotTraceableError) -> None:
        log.info("updates are not fused: %s", error)
        self.applies, self.gave_up = False, True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let go of the module."""
        self.applies, self._module, self._optimizer, self._steps, self._state = False, None, None, {}, None

    def state_dict(self) -> dict[str, Any]:
        """What the decay owes, and what decides which minibatches are fused: the others are rounded otherwise."""
        counts = {"updates": self.updates, "recordings": self.recordings, "gave_up": self.gave_up}
        return {"rounding_error": list(self.decay.rounding_error), "known": sorted(self._known), **counts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.decay, self._known = Decay(list(state_dict["rounding_error"])), set(state_dict["known"])
        self.updates, self.recordings, self.gave_up = (state_dict[n] for n in ("updates", "recordings", "gave_up"))


def on_gpu(tensors: tuple[Tensor, ...]) -> bool:
    """Whether a step with these can be a CUDA graph."""
    return all(tensor.is_cuda for tensor in tensors)


def reason_not_fused(trainer: pl.Trainer, module: pl.LightningModule) -> str | None:
    """What has to go through Lightning, autograd or the optimizer; None where a recorded step can replace them.

    A module says by ``can_be_fused = False`` that recording its step gains nothing.
    """
    if not getattr(module, "can_be_fused", True):
        return f"{type(module).__name__} is as fast without"
    for hook in GRADIENT_HOOKS:
        if is_overridden(hook, module, pl.LightningModule):
            return f"{type(module).__name__} overrides {hook}"
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if hook in vars(pl.Callback) and is_overridden(hook, callback, pl.Callback):
                return f"{type(callback).__name__} overrides {hook}"
    optimizers = trainer.optimizers
    if len(optimizers) != 1 or type(optimizers[0]) is not torch.optim.SGD or not module.automatic_optimization:
        return "only torch.optim.SGD is replaced"
    groups = optimizers[0].param_groups
    for option in ("momentum", "maximize", "differentiable"):
        if any(group[option] for group in groups):
            return f"SGD has {option}"
    own = set(module.parameters())
    reasons = {
        "gradients are clipped": trainer.gradient_clip_val is not None,
        "gradients are accumulated": trainer.accumulate_grad_batches != 1,
        "several devices exchange gradients": type(trainer.strategy) is not SingleDeviceStrategy,
        "the precision is mixed": type(trainer.precision_plugin) is not Precision,
        "the learning rate is a tensor": any(isinstance(group["lr"], Tensor) for group in groups),
        "the optimizer has parameters that the module has not": any(
            p not in own for group in groups for p in group["params"]
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
