"""The plugin keeps the contract: docs/plugin-tutorial.md, "Test it"."""

from dlpipe.testing import contract_tests

SMALL = ["model.embedding_size=6", "model.num_hidden=6"]

test_contract = contract_tests("dlpipe-language", {"lstm": SMALL, "rnn_slu": SMALL})
