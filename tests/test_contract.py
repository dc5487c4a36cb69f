"""Optional methods of modules: a method that the class defines counts, an attribute of the same name does not."""

import pytest
from torch import nn

from dlpipe.contract import METHODS, optional_method

# what Lightning users call their attributes: each once killed a run, or was called
ATTRIBUTES = """
import pytorch_lightning as pl, torch
class Attributes(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.stages = torch.nn.ModuleList([torch.nn.Linear(784, 10)])
        self.penalty = 0.1
        self.sample = None
        self.figures = {}
        self.data_figures = "none"
        self.parameter_groups = 2
        self.check_data = True
        self.predict_text = ""
    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self.stages[0](batch[0]), batch[1])
    def test_step(self, batch, batch_idx):
        self.log("test/loss", self.training_step(batch, batch_idx))
"""


class Parent(nn.Module):
    def figures(self):
        return {"parent": self}

    @staticmethod
    def penalty():
        return 1.0

    @property
    def stages(self):
        return []

    sample = nn.Linear


class Child(Parent):
    def __init__(self):
        super().__init__()
        self.figures = {}
        self.parameter_groups = 3


def test_a_method_of_the_class_or_of_a_base_is_found_and_bound():
    child = Child()
    assert optional_method(child, "figures")() == {"parent": child}
    assert optional_method(child, "penalty")() == 1.0


@pytest.mark.parametrize("name", ["stages", "sample", "parameter_groups", "check_data"])
def test_a_property_a_class_an_attribute_and_nothing_are_not_methods(name):
    assert optional_method(Child(), name) is None


def test_a_name_that_is_not_in_the_contract_is_an_error():
    assert "figures" in METHODS
    with pytest.raises(AssertionError, match="figure"):
        optional_method(Child(), "figure")


def test_a_module_with_attributes_of_these_names_is_trained_tested_and_used(cli, install):
    install("dlpipe-attributes", {"attributes": "attributes:Attributes"}, {"attributes.py": ATTRIBUTES})
    run = cli("model=attributes", "recipe.batch_size=50", "recipe.max_epochs=1", "hydra.run.dir=run")
    assert run.code == 0, run.out + run.err
    assert cli("test", str(run.run_dir)).code == 0
    sampled = cli("sample", str(run.run_dir))
    assert sampled.code == 2
    assert "has no samples to give: it has no method sample(count, data)" in sampled.err
