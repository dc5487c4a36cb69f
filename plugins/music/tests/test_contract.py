"""The plugin keeps the contract: docs/plugin-tutorial.md, "Test it"."""

from dlpipe.testing import contract_tests

# an RNN-RBM has no loss to compare epochs by
MONITOR = ["recipe.monitor=val/reconstruction", "recipe.monitor_mode=max"]

test_contract = contract_tests("dlpipe-music", {"rnn_rbm": MONITOR})
