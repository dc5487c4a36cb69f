"""The loss and the score against sums done by hand."""

import math

import pytest
import torch

from dlpipe_supervised.losses import negative_log_likelihood, zero_one_loss


def test_negative_log_likelihood_is_the_mean_of_minus_log_probability():
    # softmax of (0, log 3) is (1/4, 3/4), of (log 4, 0) is (4/5, 1/5)
    logits = torch.tensor([[0, math.log(3)], [math.log(4), 0]], dtype=torch.float64)
    expected = -(math.log(3 / 4) + math.log(1 / 5)) / 2
    assert float(negative_log_likelihood(logits, torch.tensor([1, 1]))) == pytest.approx(expected, rel=1e-14)


def test_negative_log_likelihood_of_equal_logits_is_log_of_the_number_of_classes():
    loss = negative_log_likelihood(torch.zeros(5, 10, dtype=torch.float64), torch.arange(5))
    assert float(loss) == pytest.approx(math.log(10), rel=1e-14)


def test_negative_log_likelihood_of_a_hopeless_example_is_finite():
    assert float(negative_log_likelihood(torch.tensor([[0.0, 1000.0]]), torch.tensor([0]))) == 1000


def test_the_gradient_of_the_loss_is_softmax_minus_label_over_n():
    logits = torch.tensor([[0, math.log(3)], [0, 0]], dtype=torch.float64, requires_grad=True)
    negative_log_likelihood(logits, torch.tensor([0, 1])).backward()
    expected = torch.tensor([[1 / 4 - 1, 3 / 4], [1 / 2, 1 / 2 - 1]], dtype=torch.float64) / 2
    torch.testing.assert_close(logits.grad, expected, rtol=1e-14, atol=1e-16)


def test_zero_one_loss_is_the_share_of_wrong_examples():
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0], [1.0, 0.0]])
    assert float(zero_one_loss(logits, torch.tensor([0, 1, 1, 0]))) == 0.25


def test_of_equal_logits_the_first_counts_as_the_largest():
    logits = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    assert float(zero_one_loss(logits, torch.tensor([0, 1]))) == 0
    assert float(zero_one_loss(logits, torch.tensor([1, 2]))) == 1


def test_zero_one_loss_is_precise_enough_for_the_published_digits():
    logits = torch.zeros(9600, 2)
    labels = (torch.arange(9600) < 719).long()
    assert f"{100 * float(zero_one_loss(logits, labels)):f}" == "7.489583"


@pytest.mark.parametrize("loss", [negative_log_likelihood, zero_one_loss])
def test_a_loss_is_a_scalar(loss):
    assert loss(torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64)).shape == ()


@pytest.mark.parametrize("examples", [1, 7])
def test_logits_with_a_class_to_a_row_of_memory_give_the_same_loss_and_gradient(examples):
    torch.manual_seed(1)
    logits, labels = torch.randn(examples, 10, dtype=torch.float64), torch.randint(0, 10, (examples,))
    found = []
    for own in (logits.clone(), logits.t().contiguous().t()):
        loss = negative_log_likelihood(own.requires_grad_(), labels)
        found.append((loss, *torch.autograd.grad(loss, own)))
    torch.testing.assert_close(*found, rtol=1e-14, atol=1e-16)
