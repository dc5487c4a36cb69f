"""Full-batch methods: SciPy's conjugate gradient and L-BFGS, one iteration an optimizer step."""

import queue
import threading
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Vector = NDArray[np.float64]
Method = Literal["CG", "L-BFGS-B"]
UNLIMITED = 2**31 - 1


class FullBatch(torch.optim.Optimizer):
    """``scipy.optimize.minimize`` over all weights: nonlinear conjugate gradient (Polak-Ribiere) or L-BFGS.

    A step is one iteration: SciPy's loop runs in a thread of its own that waits between two steps, so that validation
    and checkpoints come where they come with any optimizer. Only one of the two threads runs at any time.

    The closure has to give the same loss for the same weights: the minibatch is the whole training set and the model
    draws nothing at random. A group's ``weight_decay`` adds weight_decay / 2 * sum W^2 to it.

    Args:
        params: parameters or parameter groups.
        method: SciPy's name of the method.
        gradient_tolerance: converged once no entry of the gradient is larger; further steps change nothing.

    Source: Nocedal and Wright (2006), Numerical Optimization, sections 5.2 and 7.2.
    """

    requires_full_batch = True  # the checks refuse a model or a minibatch that does not fit

    def __init__(self, params: Any, method: Method = "CG", gradient_tolerance: float = 1e-5) -> None:
        if gradient_tolerance < 0:
            raise ValueError(f"Invalid gradient_tolerance: {gradient_tolerance}")
        super().__init__(params, {"weight_decay": 0.0})
        self.method: Method = method
        self.gradient_tolerance = gradient_tolerance
        self._search: _Search | None = None

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Tensor:  # type: ignore[override]  # SciPy evaluates the loss itself
        """Make one iteration; returns the loss after it, a scalar."""
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        if self._search is None:
            start = torch.cat([parameter.flatten() for parameter in parameters])
            self._search = _Search(start.double().numpy(force=True), self.method, self.gradient_tolerance)

        def evaluate(point: Vector) -> tuple[float, Vector]:
            parts = torch.split(torch.as_tensor(point), [parameter.numel() for parameter in parameters])
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.copy_(part.view_as(parameter))
            with torch.enable_grad():
                loss = closure()
            return float(loss) + self._penalty(), self._gradient()

        arrived = self._search.next(evaluate)
        return torch.tensor(evaluate(arrived)[0])

    def _penalty(self) -> float:
        """What the weight decay is the gradient of."""
        decayed = [(p, float(group["weight_decay"])) for group in self.param_groups for p in group["params"]]
        return sum((decay / 2 * float(p.double().square().sum()) for p, decay in decayed if decay), 0.0)

    def _gradient(self) -> Vector:
        parts = []
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parts.append((gradient + group["weight_decay"] * parameter).flatten())
        return torch.cat(parts).double().numpy(force=True)


class _Search:
    """SciPy's minimisation as something that can be asked for its next iterate."""

    def __init__(self, start: Vector, method: Method, gradient_tolerance: float) -> None:
        self.point = start
        self.requests: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.answers: queue.Queue[Any] = queue.Queue()
        self.finished = self.waiting = False
        thread = threading.Thread(target=self._minimise, args=(start, method, gradient_tolerance), daemon=True)
        thread.start()

    def _minimise(self, start: Vector, method: Method, gradient_tolerance: float) -> None:
        from scipy.optimize import minimize

        options = {"gtol": gradient_tolerance, "maxiter": UNLIMITED}
        if method == "L-BFGS-B":  # it counts evaluations too, and also stops where the loss hardly falls
            options |= {"maxfun": UNLIMITED, "ftol": 0.0}
        try:
            result = minimize(self._evaluate, start, jac=True, method=method, callback=self._iterated, options=options)
            self.requests.put(("finished", result.x))
        except BaseException as error:  # raised in the thread that called
            self.requests.put(("failed", error))

    def _evaluate(self, point: Vector) -> tuple[float, Vector]:
        self.requests.put(("evaluate", point))
        return self.answers.get()  # type: ignore[no-any-return]  # what `next` puts there

    def _iterated(self, point: Vector) -> None:
        self.requests.put(("iterated", point.copy()))
        self.answers.get()

    def next(self, evaluate: Callable[[Vector], tuple[float, Vector]]) -> Vector:
        """The next iterate; once converged, the last one again."""
        if self.finished:
            return self.point
        if self.waiting:
            self.answers.put(None)
            self.waiting = False
        while True:
            kind, content = self.requests.get()
            if kind == "evaluate":
                self.answers.put(evaluate(content))
            elif kind == "failed":
                raise content
            else:
                self.point = content
                self.finished, self.waiting = kind == "finished", kind == "iterated"
                return self.point
