"""The demos of docs/demos.md, run as they stand there."""

import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image

PAGE = (Path(__file__).parents[1] / "docs" / "demos.md").read_text()


def test_the_demos_run_and_print_what_the_page_and_the_tutorial_say(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(block, names)
    assert capsys.readouterr().out.strip() == re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1].strip()
    np.testing.assert_allclose(names["ignored"], [[0.72032449, 0.39676747], [0.6852195, 0.87811744]], atol=1e-8)
    corner = [[0.67883553, 0.58930554, 0.69975836], [0.66379465, 0.94459476, 0.58655504]]
    np.testing.assert_allclose(names["kept"][:2], corner, atol=1e-8)
    assert names["maps"].shape == (2, 419, 632)
    with Image.open("edges.png") as sheet:
        assert sheet.size == (3 * 632, 419)


def test_a_random_filter_answers_more_to_edges_than_to_flat_sky(tmp_path, monkeypatch):
    names = {}
    monkeypatch.chdir(tmp_path)
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], names)
    change = (names["maps"][:, 1:, 1:] - names["maps"][:, :-1, :-1]).abs()
    sky, roofs = change[:, :80, :], change[:, 150:300, :]
    assert (roofs.mean((1, 2)) > 2 * sky.mean((1, 2))).all()
    assert torch.isfinite(names["maps"]).all()
