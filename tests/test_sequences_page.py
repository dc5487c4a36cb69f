"""The code of docs/sequences.md, as it stands there."""

import re
from pathlib import Path

import torch
import yaml

PAGE = (Path(__file__).parents[1] / "docs" / "sequences.md").read_text()


def test_the_dataset_of_the_page_gives_minibatches():
    names = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    options = yaml.safe_load(text) | {"batch_size": 10, "shuffle": True, "drop_last": False, "seed": 0}
    assert options.pop("name") == "parity"
    data = names["Parity"](**options)
    data.setup("fit")
    seen = 0
    for batch in data.train_dataloader():
        x, y, lengths = batch
        right = torch.where(y == -100, 0, y)
        assert float(names["error"](right, batch)) == 0
        assert float(names["error"](1 - right, batch)) == 1
        for row, length in enumerate(lengths.tolist()):
            assert y[row, :length].tolist() == (x[row, :length].cumsum(0) % 2).tolist()
            assert (y[row, length:] == -100).all()
        seen += len(x)
    assert seen == 200
