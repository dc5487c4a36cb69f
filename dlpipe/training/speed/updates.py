"""Train minibatches by traced steps wherever they give the numbers of autograd and the optimizer."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, fx
from torch.optim import Optimizer

from dlpipe.training.lightning_private import AutomaticOptimization, is_accumulating, set_current_hook
from dlpipe.training.speed.cuda_graphs import capture_on_gpu, graphed
from dlpipe.training.speed.eager import verify_against_eager
from dlpipe.training.speed.fused import fused_step, step_with_gradients
from dlpipe.training.speed.gradient_step import GradientStep, choose_fused_kernel, is_plain_sgd
from dlpipe.training.speed.support import reason_not_fused
from dlpipe.training.speed.traceable import NotTraceableError, plain_state
from dlpipe.training.speed.tracing import Logged, tensors_of, trace_training_step

log = logging.getLogger(__name__)
# tracing takes about as long as a hundred updates, so after the first few there is one trace for every hundred
FREE_TRACES, UPDATES_PER_TRACE = 8, 100
# trains a minibatch, of which it says whether it begins and ends a window: its loss and the tensors that it logs
Train = Callable[[tuple[Tensor, ...], bool, bool], list[Tensor]]


def update_rates(groups: list[dict[str, Any]], rounding_error: list[float]) -> Iterator[float]:
    """For each group of parameters minus the learning rate and the factor of the weight decay, for one update.

    The factor's rounding is compensated. In float32 the factor 1 - 2e-6 is off by 1 % of the 2e-6, each time to the
    same side. As in Kahan summation, the error is carried along: each factor is rounded after it was multiplied by the
    error so far.

    Args:
        groups: of a `torch.optim.SGD`.
        rounding_error: for each group, the exact product of the factors over the product of the rounded; is updated.
    """
    for index, group in enumerate(groups):
        yield -group["lr"]
        if not group["weight_decay"]:
            yield 1.0
            continue
        exact = rounding_error[index] * (1 - group["lr"] * group["weight_decay"])
        rounded = exact if group["params"][0].dtype == torch.float64 else float(np.float32(exact))
        rounding_error[index] = exact / rounded
        yield rounded


class FusedUpdates(pl.Callback):
    """Replace forward and backward by a traced step, where the step can be traced and gives the same numbers.

    With plain SGD the traced step also updates the parameters; another optimizer steps by itself, with torch's fused
    kernel where it has one. `train` trains one minibatch; the loops of `dlpipe.training.speed` call it in place of
    Lightning's optimization.
    """

    def __init__(self) -> None:
        self.updates = 0
        self.traces = 0
        self.disabled = False
        self.rounding_error: list[float] = []  # as in `update_rates`
        self._traced_keys: set[str] = set()  # types and shapes of minibatches whose step has been traced
        self._module: Any = None  # None while updates are not fused
        self._gradient_step: Any = None
        self._state: Any = None  # what the traces depend on
        self._steps: dict[Any, tuple[Train, Logged]] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log once why updates are not fused, if they are not."""
        reason = reason_not_fused(trainer, pl_module)
        if reason and pl_module.automatic_optimization and trainer.optimizers[0].param_groups:
            log.info("Fused updates disabled: %s", reason)
        self._module = None if reason or self.disabled else pl_module
        self._steps, self._state = {}, None
        for optimizer in trainer.optimizers:
            self._gradient_step = GradientStep(trainer, optimizer)
            if not self._updates_in_place():
                choose_fused_kernel(optimizer)
            if len(self.rounding_error) != len(optimizer.param_groups):
                self.rounding_error = [1.0] * len(optimizer.param_groups)

    @property
    def _groups(self) -> list[dict[str, Any]]:
        return self._gradient_step.optimizer.param_groups  # type: ignore[no-any-return]

    def _updates_in_place(self) -> bool:
        """Whether an update needs nothing but the gradients of its own minibatch."""
        own: GradientStep = self._gradient_step
        return is_plain_sgd(own.optimizer) and own.window == 1 and not own.trainer.gradient_clip_val

    @property
    def silent(self) -> bool:
        """Whether the steps are known to log nothing."""
        logs = [logged for _, logged in self._steps.values()]
        return self._module is not None and bool(logs) and not any(logs)

    def invalidate_stale_traces(self) -> None:
        """Drop the traces if what a step depends on has changed; to be called before a chunk."""
        if self._module is None:
            return
        try:
            optimizer = self._gradient_step.optimizer
            if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
                raise NotTraceableError("the optimizer has hooks of its step")
            in_place = [bool(group["weight_decay"]) for group in self._groups] if self._updates_in_place() else None
            state = [plain_state(self._module), in_place, self._gradient_step.window]
        except NotTraceableError as error:
            self._disable(error)
            return
        if state != self._state:
            if self._state is not None:  # a run that is resumed has traced these before
                self._traced_keys.clear()
            self._steps, self._state = {}, state

    def train(self, batch: Any, begins: bool = True, ends: bool = True) -> Tensor | None:
        """Train a minibatch; returns its loss, or None where autograd has to do it.

        Args:
            batch: the minibatch.
            begins: whether it is the first of those that add up their gradients.
            ends: whether it is the last of them, after which the optimizer steps.
        """
        if self._module is None:
            return None
        try:
            tensors = tensors_of(batch)
            key = type(batch), *((x.shape, x.stride(), x.dtype) for x in tensors)
            found = self._steps.get(key) or self._trace(key, batch, tensors)
        except NotTraceableError as error:
            self._disable(error)
            return None
        if found is None:
            return None
        step, logged = found
        self.updates += 1
        with torch.no_grad():
            loss, *values = step(tensors, begins, ends)
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

    def _trace(self, key: Any, batch: Any, tensors: tuple[Tensor, ...]) -> tuple[Train, Logged] | None:
        """The verified step for minibatches of this key, and what it logs; None where it is not yet worth a trace."""
        if repr(key) not in self._traced_keys:
            if self.traces >= FREE_TRACES + self.updates // UPDATES_PER_TRACE:
                return None
            self.traces += 1
            self._traced_keys.add(repr(key))
        own: GradientStep = self._gradient_step
        trace = trace_training_step(self._module, batch, tensors, own.window)
        in_place = self._updates_in_place()
        parameters = [p for group in self._groups for p in group["params"] if p in trace.gradients]
        if not parameters:
            raise NotTraceableError("the loss does not depend on the optimizer's parameters")
        step = fused_step(trace, self._groups) if in_place else step_with_gradients(trace, parameters)

        def train_by(step: Callable[..., list[Tensor]], rounding_error: list[float]) -> Train:
            if in_place:
                return _train_in_place(step, self._groups, rounding_error)
            return _train_by_gradients(step, own, parameters)

        train_once = train_by(step, [1.0] * len(self._groups))
        verify_against_eager(lambda: train_once(tensors, True, True)[0], trace, self._module, own, batch)
        if on_gpu(tensors):
            step = graphed(step, len(tensors), capture_on_gpu())
        return self._steps.setdefault(key, (train_by(step, self.rounding_error), trace.logged))

    def _disable(self, error: NotTraceableError) -> None:
        log.info("Fused updates disabled: %s", error)
        self._module, self.disabled = None, True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Release the module and the traces."""
        self._module, self._gradient_step, self._steps, self._state = None, None, {}, None

    def state_dict(self) -> dict[str, Any]:
        """Rounding errors of the decay, and what decides which minibatches are fused: the others round differently."""
        counts = {"updates": self.updates, "traces": self.traces, "disabled": self.disabled}
        return {"rounding_error": list(self.rounding_error), "traced_keys": sorted(self._traced_keys), **counts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.rounding_error, self._traced_keys = list(state_dict["rounding_error"]), set(state_dict["traced_keys"])
        self.updates, self.traces, self.disabled = (state_dict[name] for name in ("updates", "traces", "disabled"))


class FusedOptimization(AutomaticOptimization):
    """Lightning's automatic optimization, which trains the last minibatch of a chunk, with a fused update if possible.

    Args:
        trainer: the trainer of the loop.
        fused: makes the update.
    """

    def __init__(self, trainer: pl.Trainer, fused: FusedUpdates) -> None:
        super().__init__(trainer)
        self.fused = fused

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: OrderedDict[str, Any]) -> dict[str, Any]:
        """Train the minibatch in ``kwargs``."""
        window = self.trainer.accumulate_grad_batches
        begins, ends = batch_idx % window == 0, not is_accumulating(self.trainer)
        self.fused.invalidate_stale_traces()
        loss = self.fused.train(kwargs["batch"], begins, ends) if "batch" in kwargs else None
        if loss is None:
            return super().run(optimizer, batch_idx, kwargs)
        progress = self.optim_progress.optimizer
        add_progress(progress.step, int(ends), "ready", "completed")
        add_progress(progress.zero_grad, int(begins), "ready", "started", "completed")
        return {"loss": loss if window == 1 else loss / window}


def _train_in_place(
    step: Callable[..., list[Tensor]], groups: list[dict[str, Any]], rounding_error: list[float]
) -> Train:
    """Train by a step from `fused_step`."""
    return lambda tensors, begins, ends: step(*tensors, *update_rates(groups, rounding_error))


def _train_by_gradients(
    step: Callable[..., list[Tensor]], own: GradientStep, parameters: list[torch.nn.Parameter]
) -> Train:
    """Train by a step from `step_with_gradients`, whose last results are the gradients."""
    count = len(parameters)

    def train(tensors: tuple[Tensor, ...], begins: bool, ends: bool) -> list[Tensor]:
        results = step(*tensors)
        own.accumulate(parameters, results[-count:], begins)
        if ends:
            own.finish()
        return results[:-count]

    return train


def add_progress(progress: Any, count: int, *names: str) -> None:
    """Add to counts of one of Lightning's progress trackers, for this epoch and in total."""
    for counts in (progress.total, progress.current):
        for name in names:
            setattr(counts, name, getattr(counts, name) + count)


def on_gpu(tensors: tuple[Tensor, ...]) -> bool:
    """Whether a step with these can be a CUDA graph."""
    return all(tensor.is_cuda for tensor in tensors)
