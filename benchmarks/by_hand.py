"""The limit: derivatives written by hand, and the fastest kernel of the optimizer."""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

import loops
import networks
from by_hand_layers import layers_by_hand
from by_hand_sequences import rnn_rbm_by_hand, sentiment_by_hand, slot_filler_by_hand
from by_hand_unsupervised import autoencoder_by_hand, boltzmann_machine_by_hand
from cases import Case
from derivative import Derivative
from language import SentimentByHand, SlotFillerByHand
from polyphony import RnnRbmByHand
from unsupervised import BoltzmannMachine, TiedAutoencoder

BY_HAND: dict[type[nn.Module], Callable[..., list[Derivative]]] = {
    nn.Sequential: layers_by_hand,
    TiedAutoencoder: autoencoder_by_hand,
    BoltzmannMachine: boltzmann_machine_by_hand,
    RnnRbmByHand: rnn_rbm_by_hand,
    SlotFillerByHand: slot_filler_by_hand,
    SentimentByHand: sentiment_by_hand,
}


def by_hand(case: Case, threads: int, device: str) -> list[tuple[float, int]]:
    """Seconds and updates of each epoch."""
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
    """The update for a minibatch."""
    if device_of(net).type == "cpu":
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # typed for modules' dtypes
    return update_in_place(net, case) if is_plain_sgd(case) else update_by_optimizer(net, case)


def device_of(net: nn.Module) -> torch.device:
    """Where its parameters are."""
    return next(net.parameters()).device


def is_plain_sgd(case: Case) -> bool:
    """Whether an update subtracts the gradient and nothing else."""
    return case.optimizer == "SGD" and not case.options and case.clip is None


def update_in_place(net: nn.Module, case: Case) -> Callable[[Tensor, Tensor], None]:
    """A product that is a part of a derivative is added to the parameter as it is formed."""
    derivatives_of, kept = BY_HAND[type(net)], 1 - 2 * case.l2 * case.lr
    after = getattr(net, "to_unit_sphere", lambda: None)

    def update(x: Tensor, y: Tensor) -> None:
        for parameter, product, rest, rows in derivatives_of(net, x, y):
            if product is not None:
                parameter.addmm_(*product, beta=kept, alpha=-case.lr)
            if rows is not None and rest is not None:
                parameter.index_add_(0, rows, rest, alpha=-case.lr)
            elif rest is not None:
                parameter.add_(rest, alpha=-case.lr)
        after()

    return update


def update_by_optimizer(net: nn.Module, case: Case) -> Callable[[Tensor, Tensor], None]:
    """Gradients in memory that is kept, for the fused kernel of the optimizer; decay is a part of the kernel."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    gradients = {id(parameter): torch.zeros_like(parameter) for parameter in parameters}
    weights = [parameter for parameter in parameters if parameter.ndim > 1]
    biases = [parameter for parameter in parameters if parameter.ndim == 1]
    groups = [{"params": weights, "weight_decay": 2 * case.l2}, {"params": biases}]
    optimizer_class = getattr(torch.optim, case.optimizer)
    kernel = "fused" if "fused" in inspect.signature(optimizer_class).parameters else "foreach"
    optimizer = optimizer_class(groups, lr=case.lr, **{kernel: True}, **case.options)
    for parameter in parameters:
        parameter.grad = gradients[id(parameter)]
    derivatives_of = BY_HAND[type(net)]

    def update(x: Tensor, y: Tensor) -> None:
        begun: set[int] = set()
        for parameter, product, rest, rows in derivatives_of(net, x, y):
            gradient, is_first = gradients[id(parameter)], id(parameter) not in begun
            begun.add(id(parameter))
            if product is not None:
                torch.addmm(gradient, *product, beta=int(not is_first), out=gradient)
            if rows is not None and rest is not None:
                gradient.zero_().index_add_(0, rows, rest)
            elif rest is not None and (product is not None or not is_first):
                gradient.add_(rest)
            elif rest is not None:
                gradient.copy_(rest)
        if case.clip is not None:
            nn.utils.clip_grad_norm_(parameters, case.clip, foreach=True)
        optimizer.step()

    return update
