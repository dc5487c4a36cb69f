"""Train minibatches by traced, fused steps wherever that gives the numbers of torch.optim.SGD."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, fx

from dlpipe.training.lightning_private import set_current_hook
from dlpipe.training.speed.cuda_graphs import graphed
from dlpipe.training.speed.fused import Step, fused_step
from dlpipe.training.speed.fusion_support import reason_not_fused
from dlpipe.training.speed.traceable import NotTraceableError, plain_state
from dlpipe.training.speed.tracing import Logged, tensors_of, trace_training_step
from dlpipe.training.speed.verify import verify_against_eager

log = logging.getLogger(__name__)
# tracing takes about as long as a hundred updates, so after the first few there is one trace for every hundred
FREE_TRACES, UPDATES_PER_TRACE = 8, 100


class Decay:
    """Weight decay's factors, with compensated rounding: the next factor makes up for the rounding of the last.

    In float32 the factor 1 - 2e-6 is off by 1 % of the 2e-6, each time to the same side. As in Kahan summation, the
    error is carried along: each factor is rounded after it was multiplied by the error so far.

    Args:
        rounding_error: for each group of parameters, the exact product of the factors over the product of the rounded.
    """

    def __init__(self, rounding_error: list[float]) -> None:
        self.rounding_error = rounding_error

    def rates(self, groups: list[dict[str, Any]]) -> Iterator[float]:
        """For each group minus the learning rate and the factor, for one update."""
        for index, group in enumerate(groups):
            yield -group["lr"]
            yield self._factor(index, group) if group["weight_decay"] else 1.0

    def _factor(self, index: int, group: dict[str, Any]) -> float:
        exact = self.rounding_error[index] * (1 - group["lr"] * group["weight_decay"])
        rounded = exact if group["params"][0].dtype == torch.float64 else float(np.float32(exact))
        self.rounding_error[index] = exact / rounded
        return rounded


class FusedUpdates(pl.Callback):
    """Replace forward, backward and plain SGD by `fused_step`, where the step can be traced and gives the same numbers.

    `train` makes one update; the loops of `dlpipe.training.speed` call it in place of Lightning's optimization.
    """

    def __init__(self) -> None:
        self.applies = False
        self.updates = 0
        self.traces = 0
        self.disabled = False
        self._traced_keys: set[str] = set()  # types and shapes of minibatches whose step has been traced
        self._module: Any = None
        self._optimizer: Any = None
        self._state: Any = None  # what the traces depend on
        self._steps: dict[Any, tuple[Step, Logged]] = {}
        self.decay = Decay([])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log once why updates are not fused, if they are not."""
        reason = reason_not_fused(trainer, pl_module)
        self.applies = reason is None and not self.disabled
        if reason and type(trainer.optimizers[0]) is torch.optim.SGD:
            log.info("Fused updates disabled: %s", reason)
        self._module, self._optimizer, self._steps, self._state = pl_module, trainer.optimizers[0], {}, None
        if len(self.decay.rounding_error) != len(self._optimizer.param_groups):
            self.decay = Decay([1.0] * len(self._optimizer.param_groups))

    @property
    def silent(self) -> bool:
        """Whether the steps are known to log nothing."""
        return self.applies and bool(self._steps) and not any(logged for _, logged in self._steps.values())

    def invalidate_stale_traces(self) -> None:
        """Drop the traces if what a step depends on has changed; to be called before a chunk."""
        if not self.applies:
            return
        if self._optimizer._optimizer_step_pre_hooks or self._optimizer._optimizer_step_post_hooks:
            self._disable(NotTraceableError("the optimizer has hooks of its step"))
            return
        try:
            state = [plain_state(self._module), [bool(group["weight_decay"]) for group in self._optimizer.param_groups]]
        except NotTraceableError as error:
            self._disable(error)
            return
        if state != self._state:
            if self._state is not None:  # a run that is resumed has traced these before
                self._traced_keys.clear()
            self._steps, self._state = {}, state

    def train(self, batch: Any) -> Tensor | None:
        """Update the parameters for a minibatch; returns its loss, or None where autograd has to do it."""
        if not self.applies:
            return None
        tensors = tensors_of(batch)
        if tensors is None:
            self._disable(NotTraceableError(f"a minibatch is a {type(batch).__name__} that holds more than tensors"))
            return None
        key = type(batch), *((x.shape, x.stride(), x.dtype) for x in tensors)
        found = self._steps.get(key) or self._trace(key, batch, tensors)
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
        """Call ``self.log`` as the traced step did, with this step's values."""
        left = iter(values)
        module = self._module
        before = set_current_hook(module, "training_step")
        for name, value, args, kwargs in logged:
            module.log(name, next(left) if isinstance(value, fx.Node) else value, *args, **kwargs)
        set_current_hook(module, before)

    def _trace(self, key: Any, batch: Any, tensors: tuple[Tensor, ...]) -> tuple[Step, Logged] | None:
        if repr(key) not in self._traced_keys:
            if self.traces >= FREE_TRACES + self.updates // UPDATES_PER_TRACE:
                return None  # not yet worth it
            self.traces += 1
            self._traced_keys.add(repr(key))
        try:
            step, logged = self._verified_step(batch, tensors)
        except NotTraceableError as error:
            self._disable(error)
            return None
        if on_gpu(tensors):
            step = graphed(step, len(tensors))
        return self._steps.setdefault(key, (step, logged))

    def _verified_step(self, batch: Any, tensors: tuple[Tensor, ...]) -> tuple[Step, Logged]:
        trace = trace_training_step(self._module, batch, tensors)
        step = fused_step(trace, self._optimizer.param_groups)
        rates = list(Decay([1.0] * len(self.decay.rounding_error)).rates(self._optimizer.param_groups))
        verify_against_eager(lambda: step(*tensors, *rates)[0], trace, self._module, self._optimizer, batch)
        return step, trace.logged

    def _disable(self, error: NotTraceableError) -> None:
        log.info("Fused updates disabled: %s", error)
        self.applies, self.disabled = False, True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Release the module and the traces."""
        self.applies, self._module, self._optimizer, self._steps, self._state = False, None, None, {}, None

    def state_dict(self) -> dict[str, Any]:
        """Rounding errors of the decay, and what decides which minibatches are fused: the others round differently."""
        counts = {"updates": self.updates, "traces": self.traces, "disabled": self.disabled}
        return {
            "rounding_error": list(self.decay.rounding_error),
            "traced_keys": sorted(self._traced_keys),
            **counts,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.decay, self._traced_keys = Decay(list(state_dict["rounding_error"])), set(state_dict["traced_keys"])
        self.updates, self.traces, self.disabled = (state_dict[name] for name in ("updates", "traces", "disabled"))


def on_gpu(tensors: tuple[Tensor, ...]) -> bool:
    """Whether a step with these can be a CUDA graph."""
    return all(tensor.is_cuda for tensor in tensors)
