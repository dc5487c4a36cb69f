"""The plugin keeps the contract: docs/plugin-tutorial.md, "Test it"."""

from dlpipe.testing import contract_tests

test_contract = contract_tests(
    "dlpipe-supervised",
    {"mlp": ["model.num_hidden=20"], "lenet": ["model.num_maps=[3,4]", "model.num_hidden=10"]},
)
