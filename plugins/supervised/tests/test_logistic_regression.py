"""Softmax regression against torch's own layer."""

import torch
from dlpipe_supervised.logistic_regression import LogisticRegression


def test_forward_is_the_dense_layer():
    model = LogisticRegression(6, 3, [1, 2, 3]).double()
    torch.nn.init.normal_(model.linear.weight)
    torch.nn.init.normal_(model.linear.bias)
    x = torch.randn(5, 6, dtype=torch.float64)
    torch.testing.assert_close(model(x), model.linear(x), rtol=1e-14, atol=1e-15)
