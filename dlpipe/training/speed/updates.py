"""Train minibatches by traced steps wherever they give the numbers of autograd and the optimizer."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, fx

from dlpipe.training.lightning_private import set_current_hook
from dlpipe.training.speed.cuda_graphs import capture_on_gpu, graphed
from dlpipe.training.speed.eager import verify_against_eager
from dlpipe.training.speed.fused import fused_step, step_with_gradients
from dlpipe.training.speed.gradient_step import GradientStep, choose_fused_kernel, has_hooks_before_step, is_plain_sgd
from dlpipe.training.speed.shapes import TraceBudget, holds_for, layouts_of
from dlpipe.training.speed.support import reason_not_fused
from dlpipe.training.speed.traceable import NotTraceableError, plain_state
from dlpipe.training.speed.tracing import Logged, Trace, tensors_of, trace_training_step

log = logging.getLogger(__name__)
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


class TracedStep(NamedTuple):
    """A trace, the step made of it, and the parameters whose gradients the step returns unless it updates them."""

    trace: Trace
    step: Callable[..., list[Tensor]]
    parameters: list[torch.nn.Parameter]


class FusedUpdates(pl.Callback):
    """Replace forward and backward by a traced step, where the step can be traced and gives the same numbers.

    With plain SGD the traced step also updates the parameters; another optimizer steps by itself, with torch's fused
    kernel where it has one. `train` trains one minibatch; the loops of `dlpipe.training.speed` call it in place of
    Lightning's optimization.
    """

    def __init__(self) -> None:
        self.updates = 0
        self.disabled = False
        self.budget = TraceBudget()
        self.rounding_error: list[float] = []  # as in `update_rates`
        self._module: Any = None  # None while updates are not fused
        self._gradient_step: Any = None
        self._state: Any = None  # what the traces depend on
        self._steps: dict[Any, tuple[Train, Logged]] = {}  # by the type and shapes of a minibatch
        self._variable: TracedStep | None = None  # of variable sizes
        self._not_variable: set[Any] = set()  # keys for which that one has been tried

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log once why updates are not fused, if they are not."""
        reason = reason_not_fused(trainer, pl_module)
        if reason and pl_module.automatic_optimization and trainer.optimizers[0].param_groups:
            log.info("Fused updates disabled: %s", reason)
        self._module = None if reason or self.disabled else pl_module
        self._steps, self._variable, self._not_variable, self._state = {}, None, set(), None
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
        needs_gradients = own.window > 1 or own.trainer.gradient_clip_val or own.hooks_read_gradients
        return is_plain_sgd(own.optimizer) and not needs_gradients

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
            own: GradientStep = self._gradient_step
            if has_hooks_before_step(own.optimizer):
                raise NotTraceableError("the optimizer has hooks that precede its step")
            in_place = [bool(group["weight_decay"]) for group in self._groups] if self._updates_in_place() else None
            state = [plain_state(self._module), in_place, own.window, bool(own.hooks)]
        except NotTraceableError as error:
            self._disable(error)
            return
        if state != self._state:
            if self._state is not None:  # a run that is resumed has traced these before
                self.budget.forget_shapes()
            self._steps, self._variable, self._not_variable, self._state = {}, None, set(), state

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
        shapes = repr(key)
        if shapes not in self.budget.traced and key not in self._not_variable:
            with contextlib.suppress(NotTraceableError):  # the shapes may have a trace of their own
                if traced := self._of_variable_sizes(batch, tensors):
                    self._not_variable.add(key)  # it is asked once, as that takes longer than an update
                    if holds_for(traced.trace, layouts_of(tensors)):
                        return self._verified(key, traced, batch, tensors)
        if not self.budget.allows(shapes, self.updates):
            return None
        return self._verified(key, self._traced_step(batch, tensors), batch, tensors)

    def _of_variable_sizes(self, batch: Any, tensors: tuple[Tensor, ...]) -> TracedStep | None:
        """The step for minibatches of several shapes; None where there is none."""
        is_new = self._variable is None and not on_gpu(tensors)  # a CUDA graph is of one shape
        if is_new and (layouts := self.budget.layouts_to_vary(layouts_of(tensors), self.updates)):
            like = tuple(layout.empty(tensors[0].device) for layout in layouts)
            self.budget.variable = []  # unless it can be traced
            self._variable = self._traced_step(batch, like, variable_sizes=True)
            self.budget.variable = layouts
        return self._variable

    def _traced_step(self, batch: Any, tensors: tuple[Tensor, ...], variable_sizes: bool = False) -> TracedStep:
        own: GradientStep = self._gradient_step
        trace = trace_training_step(self._module, batch, tensors, own.window, variable_sizes=variable_sizes)
        parameters = [p for group in self._groups for p in group["params"] if p in trace.gradients]
        if not parameters:
            raise NotTraceableError("the loss does not depend on the optimizer's parameters")
        in_place = self._updates_in_place()
        step = fused_step(trace, self._groups) if in_place else step_with_gradients(trace, parameters)
        return TracedStep(trace, step, parameters)

    def _verified(self, key: Any, traced: TracedStep, batch: Any, tensors: tuple[Tensor, ...]) -> tuple[Train, Logged]:
        """Compare a step with autograd's for this minibatch, then keep it for those of this key."""
        trace, step, parameters = traced
        own: GradientStep = self._gradient_step

        def train_by(step: Callable[..., list[Tensor]], rounding_error: list[float]) -> Train:
            if self._updates_in_place():
                return _train_in_place(step, own, rounding_error)
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
        self._module, self._gradient_step, self._state = None, None, None
        self._steps, self._variable = {}, None

    def state_dict(self) -> dict[str, Any]:
        """Rounding errors of the decay, and what decides which minibatches are fused: the others round differently."""
        own = {"updates": self.updates, "disabled": self.disabled, "budget": self.budget.state_dict()}
        return {"rounding_error": list(self.rounding_error), **own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.rounding_error = list(state_dict["rounding_error"])
        self.updates, self.disabled = state_dict["updates"], state_dict["disabled"]
        if "budget" in state_dict:  # checkpoints of older versions have none: the traces are made anew
            self.budget.load_state_dict(state_dict["budget"])


def _train_in_place(step: Callable[..., list[Tensor]], own: GradientStep, rounding_error: list[float]) -> Train:
    """Train by a step from `fused_step`."""
    groups = own.optimizer.param_groups

    def train(tensors: tuple[Tensor, ...], begins: bool, ends: bool) -> list[Tensor]:
        return step(*tensors, *update_rates(groups, rounding_error))

    def train_with_hooks(tensors: tuple[Tensor, ...], begins: bool, ends: bool) -> list[Tensor]:
        results = step(*tensors, *update_rates(groups, rounding_error))
        own.call_hooks()
        return results

    return train_with_hooks if own.hooks else train


def _train_by_gradients(
    step: Callable[..., list[Tensor]], own: GradientStep, parameters: list[torch.nn.Parameter]
) -> Train:
    """Train by a step from `step_with_gradients`, whose last results are the gradients."""
    count = len(parameters)
    finish = torch.enable_grad()(own.finish) if own.hooks else own.finish  # they may use autograd

    def train(tensors: tuple[Tensor, ...], begins: bool, ends: bool) -> list[Tensor]:
        results = step(*tensors)
        own.accumulate(parameters, results[-count:], begins)
        if ends:
            finish()
        return results[:-count]

    return train


def on_gpu(tensors: tuple[Tensor, ...]) -> bool:
    """Whether a step with these can be a CUDA graph."""
    return all(tensor.is_cuda for tensor in tensors)
