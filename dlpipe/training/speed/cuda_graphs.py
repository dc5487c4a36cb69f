"""A step on a GPU as a CUDA graph: one launch an update, where each of its operations would be one.

Launching an operation takes longer than a small one takes to run. A graph reads and writes where it did when it was
captured, with the rates of that moment: minibatches are copied to static inputs, and each set of rates has a graph.
"""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dlpipe.training.speed.fused import Step

log = logging.getLogger(__name__)
# runs the captured operations again, into the memory of the captured results
Replay = Callable[[], Any]
Capture = Callable[[Callable[[], list[Tensor]]], tuple[Replay, list[Tensor]]]
# rates that an LR scheduler changes at every update are not worth a graph each
FREE_GRAPHS, UPDATES_PER_GRAPH = 8, 100
MAX_GRAPHS = 8


def graphed(step: Step, count: int, capture: Capture) -> Step:
    """The same step by CUDA graphs. If one cannot be captured, the reason is logged and none is used any more.

    Args:
        step: must have run once on the device, so that libraries have allocated their workspaces.
        count: number of its leading arguments that are tensors; the others are rates.
        capture: captures a function's operations, as `capture_on_gpu` does.
    """
    static_inputs: list[Tensor] = []
    graphs: dict[tuple[float, ...], tuple[Replay, list[Tensor]]] = {}
    updates = captured = 0
    is_possible = True

    def run(*arguments: Any) -> list[Tensor]:
        nonlocal updates, captured, is_possible
        updates += 1
        tensors, rates = arguments[:count], arguments[count:]
        if is_possible and rates not in graphs and captured < FREE_GRAPHS + updates // UPDATES_PER_GRAPH:
            static_inputs.extend(tensor.clone() for tensor in tensors[len(static_inputs) :])
            captured += 1
            try:
                graphs[rates] = capture(lambda: step(*static_inputs, *rates))
            except RuntimeError as error:
                log.info("CUDA graphs disabled: %s", error)
                is_possible = False
                graphs.clear()
            if len(graphs) > MAX_GRAPHS:
                del graphs[next(iter(graphs))]
        if rates not in graphs:
            return step(*arguments)
        for static, tensor in zip(static_inputs, tensors, strict=True):
            static.copy_(tensor)
        replay, results = graphs[rates]
        replay()
        return [result.clone() for result in results]  # the next replay writes there

    return run


def capture_on_gpu() -> Capture:
    """Captures operations as CUDA graphs. They share a memory pool, so none may read what another has left there."""
    pool = torch.cuda.graph_pool_handle()

    def capture(function: Callable[[], list[Tensor]]) -> tuple[Replay, list[Tensor]]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            results = function()
        return graph.replay, results

    return capture
