"""The limit: derivatives of a multilayer perceptron written by hand, and the fastest kernel of its optimizer."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

import loops
import networks
from cases import Case, NotByHandError

DERIVATIVES: dict[type[nn.Module], Callable[[Tensor, Tensor], Tensor]] = {
    nn.Tanh: lambda above, y: torch.ops.aten.tanh_backward(above, y),
    nn.ReLU: lambda above, y: torch.ops.aten.threshold_backward(above, y, 0),
}


def by_hand(case: Case, threads: int, device: str) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch.

    Raises:
        NotByHandError: the network has other layers than dense ones, tanh and ReLU.
    """
    torch.set_num_threads(threads)
    net = networks.network(case.model, case.stage).to(loops.torch_device(device))
    update = update_of(net, case)
    batches = loops.minibatches(case, device)
    epochs = []
    with torch.no_grad():
        for _ in range(case.epochs):
            started = loops.seconds_when_done(device)
            for x, y in batches():
                update(x, y)
            epochs.append((loops.seconds_when_done(device) - started, case.updates))
    return epochs


def update_of(net: nn.Module, case: Case) -> Callable[[Tensor, Tensor], None]:
    """The update for a minibatch; raises as `by_hand`."""
    layers = list(net) if isinstance(net, nn.Sequential) else []
    if not layers or not all(isinstance(layer, (nn.Linear, *DERIVATIVES)) for layer in layers):
        raise NotByHandError
    return update_in_place(layers, case) if is_plain_sgd(case) else update_by_optimizer(net, layers, case)


def is_plain_sgd(case: Case) -> bool:
    """Whether an update subtracts the gradient and nothing else."""
    return case.optimizer == "SGD" and not case.options and case.clip is None


def update_in_place(layers: list[nn.Module], case: Case) -> Callable[[Tensor, Tensor], None]:
    """Each weight's gradient is added to it by the product that makes it."""

    def update(x: Tensor, y: Tensor) -> None:
        for layer, inner, above in backward(layers, x, y):
            layer.weight.addmm_(above.t(), inner, beta=1 - 2 * case.l2 * case.lr, alpha=-case.lr)
            layer.bias.add_(above.sum(0), alpha=-case.lr)

    return update


def update_by_optimizer(net: nn.Module, layers: list[nn.Module], case: Case) -> Callable[[Tensor, Tensor], None]:
    """Gradients in memory that is kept, for the fused kernel of the optimizer; decay is a part of the kernel."""
    weights = {"params": [layer.weight for layer in layers if isinstance(layer, nn.Linear)]}
    biases = {"params": [layer.bias for layer in layers if isinstance(layer, nn.Linear)]}
    groups = [{**weights, "weight_decay": 2 * case.l2}, biases]
    optimizer = getattr(torch.optim, case.optimizer)(groups, lr=case.lr, fused=True, **case.options)
    parameters = list(net.parameters())
    for parameter in parameters:
        parameter.grad = torch.empty_like(parameter)

    def update(x: Tensor, y: Tensor) -> None:
        for layer, inner, above in backward(layers, x, y):
            torch.mm(above.t(), inner, out=layer.weight.grad)
            torch.sum(above, 0, out=layer.bias.grad)
        if case.clip is not None:
            nn.utils.clip_grad_norm_(parameters, case.clip, foreach=True)
        optimizer.step()

    return update


def backward(layers: list[nn.Module], x: Tensor, y: Tensor) -> list[tuple[nn.Linear, Tensor, Tensor]]:
    """Each dense layer with its input (examples, in) and the derivative by its output (examples, out)."""
    values = [x]
    for layer in layers:
        values.append(layer(values[-1]))
    above = values[-1].softmax(1)
    above[torch.arange(len(y), device=y.device), y] -= 1
    above /= len(y)
    found = []
    for layer, inner, outer in zip(reversed(layers), reversed(values[:-1]), reversed(values), strict=False):
        if isinstance(layer, nn.Linear):
            found.append((layer, inner, above))
            if layer is not layers[0]:
                above = above @ layer.weight
        else:
            above = DERIVATIVES[type(layer)](above, outer)
    return found
