"""A step on a GPU as a CUDA graph: one launch an update, where each of its operations would be one.

Launching an operation takes longer than a small one takes to run. A graph reads and writes where it did when it was
captured, with the numbers of then: minibatches are copied to one place, and each set of rates has a graph of its own.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dlpipe.training.speed.fused import Step

log = logging.getLogger(__name__)
# what runs a function's operations again, into the memory that its results were given
Replay = Callable[[], Any]
Capture = Callable[[Callable[[], list[Tensor]]], tuple[Replay, list[Tensor]]]
# rates of a schedule that changes them at every update are not worth a graph each
FREE_GRAPHS, UPDATES_A_GRAPH = 8, 100
MOST_GRAPHS = 8


def graphed(step: Step, count: int, capture: Capture | None = None) -> Step:
    """The same step, by graphs; where one cannot be captured, a line says why, and it is the step itself from then on.

    Args:
        step: has run at least once on the device, so that libraries have the memory they need.
        count: how many of its arguments, the first ones, are tensors.
        capture: of a function's operations; `capture_on_gpu` if None.
    """
    capture = capture or capture_on_gpu()
    static_inputs: list[Tensor] = []
    graphs: dict[tuple[float, ...], tuple[Replay, list[Tensor]]] = {}
    updates = captured = 0
    possible = True

    def run(*arguments: Any) -> list[Tensor]:
        nonlocal updates, captured, possible
        updates += 1
        tensors, rates = arguments[:count], arguments[count:]
        if possible and rates not in graphs and captured < FREE_GRAPHS + updates // UPDATES_A_GRAPH:
            static_inputs.extend(tensor.clone() for tensor in tensors[len(static_inputs) :])
            captured += 1
            try:
                graphs[rates] = capture(lambda: step(*static_inputs, *rates))
            except RuntimeError as error:
                log.info("updates are launched one operation at a time, not as a CUDA graph: %s", error)
                possible = False
                graphs.clear()
            if len(graphs) > MOST_GRAPHS:
                del graphs[next(iter(graphs))]
        if rates not in graphs:
            return step(*arguments)
        for place, tensor in zip(static_inputs, tensors, strict=True):
            place.copy_(tensor)
        replay, results = graphs[rates]
        replay()
        return [result.clone() for result in results]  # the next replay writes there

    return run


def capture_on_gpu() -> Capture:
    """What captures operations as CUDA graphs; they share memory, so none may need what another left there."""
    pool = torch.cuda.graph_pool_handle()

    def capture(function: Callable[[], list[Tensor]]) -> tuple[Replay, list[Tensor]]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            results = function()
        return graph.replay, results

    return capture
