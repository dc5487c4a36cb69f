"""The plugin keeps the contract: docs/plugin-tutorial.md, "Test it"."""

from dlpipe.testing import contract_tests

test_contract = contract_tests(
    "dlpipe-autoencoders",
    {
        "ca": ["model.num_hidden=20"],
        "da": ["model.num_hidden=20"],
        "sda": ["model.hidden_sizes=[20,10]", "model.corruption=[0.1,0.2]"],
    },
)
