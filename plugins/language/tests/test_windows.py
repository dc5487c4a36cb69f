"""Words with their neighbours."""

import pytest
import torch

from dlpipe_language.windows import context_windows


def test_windows_are_those_of_the_tutorial():
    windows = context_windows(torch.arange(5)[None], 3, -1)
    assert windows.tolist() == [[[-1, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, -1]]]
    assert context_windows(torch.tensor([[7, 8]]), 7, 9).shape == (1, 2, 7)
    assert context_windows(torch.tensor([[7, 8]]), 1, 9).tolist() == [[[7], [8]]]


@pytest.mark.parametrize("size", [0, -1, 2, 10])
def test_a_window_has_a_middle(size):
    with pytest.raises(ValueError, match=rf"window={size}: a window has a word in its middle; take an odd number"):
        context_windows(torch.zeros(1, 3), size, 0)
