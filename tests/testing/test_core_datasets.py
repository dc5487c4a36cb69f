"""The datasets of the core keep the contract."""

from dlpipe.testing import contract_tests

test_contract = contract_tests("dlpipe")
