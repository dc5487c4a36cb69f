"""Softmax regression against torch's own layer."""

import pytest
import torch

from dlpipe_supervised.logistic_regression import TRANSPOSED_FROM, LogisticRegression


@pytest.mark.parametrize("examples", [5, TRANSPOSED_FROM])
def test_forward_is_the_dense_layer(examples):
    model = LogisticRegression(6, 3, [1, 2, 3]).double()
    torch.nn.init.normal_(model.linear.weight)
    torch.nn.init.normal_(model.linear.bias)
    x = torch.randn(examples, 6, dtype=torch.float64)
    torch.testing.assert_close(model(x), model.linear(x), rtol=1e-14, atol=1e-15)
