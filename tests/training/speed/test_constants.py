"""What does not depend on the minibatch is computed once; what is written to, or drawn at random, is not."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from dlpipe.training.speed.constants import fold_constants


def folded(function, *inputs, tracing_mode="fake"):
    """The traced function after folding, and the names of its operations."""
    root = make_fx(function, tracing_mode=tracing_mode)(*inputs)
    fold_constants(root)
    root.graph.eliminate_dead_code()
    root.recompile()
    return root, [str(node.target) for node in root.graph.nodes if node.op == "call_function"]


def seed_of_a_mean(x):
    return x * (-torch.ones_like(x.sum()) / 4).expand(3)


def written_through_a_view(x):
    zeros = torch.zeros_like(x)
    zeros.view(3, 1).t().add_(1)
    return zeros + x


def written_in_a_part(x):
    zeros = torch.zeros(6)
    first, second = zeros.split(3)
    first.add_(x)
    second.unsqueeze(0).unbind()[0].mul_(x).add_(1)
    return zeros


def written_after_a_copy(x):
    zeros = torch.zeros_like(x)
    zeros.clone().add_(x)
    return zeros + x


def filled_with_a_value(x):
    return torch.full((3,), 2.0) * x + torch.full_like(x, 3.0)


def written_directly(x):
    return torch.zeros(3).index_add_(0, torch.arange(3), x)


def draws(x):
    return x * torch.bernoulli(torch.full((3,), 0.5))


def depends_on_a_value(x):
    return x * torch.zeros_like(x).add(x.sum())


def test_the_gradient_that_backward_starts_from_is_computed_once():
    root, operations = folded(seed_of_a_mean, torch.ones(3))
    assert operations[-1] == "aten.mul.Tensor"
    assert not {"aten.ones_like.default", "aten.neg.default", "aten.div.Tensor", "aten.expand.default"} & {*operations}
    x = torch.arange(3.0)
    assert torch.equal(root(x), seed_of_a_mean(x))


CALLED_OFTEN = [written_through_a_view, written_in_a_part, written_after_a_copy, written_directly]
CALLED_OFTEN += [filled_with_a_value, depends_on_a_value]


@pytest.mark.parametrize("function", CALLED_OFTEN)
def test_every_call_gives_what_the_function_gives(function):
    root, _ = folded(function, torch.ones(3))
    for x in (torch.arange(3.0), torch.ones(3), torch.arange(3.0)):
        assert torch.equal(root(x), function(x))


def test_random_numbers_are_drawn_at_every_call():
    root, operations = folded(draws, torch.ones(3))
    assert "aten.bernoulli.default" in operations
    torch.manual_seed(1)
    drawn = [root(torch.ones(3)) for _ in range(4)]
    torch.manual_seed(1)
    assert all(torch.equal(x, draws(torch.ones(3))) for x in drawn)


def test_what_depends_on_a_variable_size_is_computed_for_every_minibatch():
    def mean(x):
        return x * (torch.ones_like(x) / x.shape[0]) + torch.full_like(x.sum(), x.shape[0])

    root, _ = folded(mean, torch.ones(3), tracing_mode="symbolic")
    assert torch.equal(root(torch.ones(5)), torch.full((5,), 5.2))
