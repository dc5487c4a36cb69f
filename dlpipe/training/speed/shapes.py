"""Where minibatches have many shapes, as sentences have: one trace for several shapes, and which have their own.

The first two shapes, of most minibatches and of an epoch's last, have a trace each, whose sizes are plain numbers. The
third is traced with sizes that are read at every call, which takes torch three times as long; that trace is taken for
every further shape for which it is the same operations. A step that loops over the words in Python is not: it is
another list of operations for every length.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlpipe.training.speed.tracing import Trace

# the first few traces are made at once
FREE_TRACES = 8
# a trace takes 0.1 to 0.3 s and saves 0.1 to 0.3 ms of each update of its shape: it is made once the shape was seen so
# often, and for every so many updates, as a module that changes is traced again
SEEN_BEFORE_TRACE, UPDATES_PER_TRACE = 500, 100
# shapes traced before the one of variable sizes
OF_FIXED_SIZES = 2


class Layout(NamedTuple):
    """What a trace depends on of a minibatch's tensor."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def empty(self, device: torch.device) -> Tensor:
        """A tensor without values, at the beginning of its memory."""
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=device)


def layouts_of(tensors: tuple[Tensor, ...]) -> list[Layout]:
    """Of each tensor."""
    return [Layout(tuple(x.shape), x.stride(), x.dtype) for x in tensors]


def holds_for(trace: Trace, layouts: list[Layout]) -> bool:
    """Whether a trace of variable sizes is the step of these tensors, too."""
    inputs: Any = trace.inputs
    if [(x.dtype, x.dim()) for x in inputs] != [(x.dtype, len(x.shape)) for x in layouts]:
        return False
    sizes: Any = trace.root.shape_env
    tensors = [layout.empty(torch.device("meta")) for layout in layouts]
    return bool(sizes.evaluate_guards_for_args(inputs, tensors, ignore_static=False))


class TraceBudget:
    """Which shapes of minibatches are traced; the same in a resumed run."""

    def __init__(self) -> None:
        self.traces = 0  # how many have been made
        self.traced: set[str] = set()  # the shapes that have one of their own, as text
        self.seen: dict[str, int] = {}  # how often each shape was seen without one
        self.variable: list[Layout] | None = None  # of what the trace of variable sizes was made; [] if it failed

    def allows(self, shapes: str, updates: int) -> bool:
        """Whether minibatches of these shapes are to be traced now, after so many traced updates."""
        if shapes in self.traced:
            return True
        self.seen[shapes] = self.seen.get(shapes, 0) + 1
        is_frequent = self.seen[shapes] >= SEEN_BEFORE_TRACE
        if self.traces >= FREE_TRACES + is_frequent * (updates // UPDATES_PER_TRACE):
            return False
        self.traces += 1
        self.traced.add(shapes)
        self.seen[shapes] = SEEN_BEFORE_TRACE  # it need not be seen so often again after a change of the module
        return True

    def layouts_to_vary(self, layouts: list[Layout], updates: int) -> list[Layout] | None:
        """Of what the trace of variable sizes was made, perhaps before the run was resumed, or is to be made now."""
        is_due = self.variable is None and len(self.traced) == OF_FIXED_SIZES
        if is_due and self.traces < FREE_TRACES + updates // UPDATES_PER_TRACE:
            self.traces += 1
            self.variable = layouts
        return self.variable

    def forget_shapes(self) -> None:
        """The traces hold no longer."""
        self.traced.clear()
        self.variable = None

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        variable = None if self.variable is None else [tuple(layout) for layout in self.variable]
        return {"traces": self.traces, "traced": sorted(self.traced), "seen": dict(self.seen), "variable": variable}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.traces, self.traced, self.seen = state["traces"], set(state["traced"]), dict(state["seen"])
        self.variable = None if state["variable"] is None else [Layout(*layout) for layout in state["variable"]]
