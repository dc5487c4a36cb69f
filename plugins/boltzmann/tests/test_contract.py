"""The plugin keeps the contract: docs/plugin-tutorial.md, "Test it"."""

from dlpipe.testing import contract_tests

# an RBM has no loss to compare epochs by
MONITOR = ["recipe.monitor=val/pseudo_likelihood", "recipe.monitor_mode=max"]

test_contract = contract_tests(
    "dlpipe-boltzmann",
    {
        "rbm": ["model.num_hidden=20", "model.k=2", "model.sampling_steps=2", *MONITOR],
        "dbn": ["model.hidden_sizes=[20,15]", "model.sampling_steps=2"],
    },
)
