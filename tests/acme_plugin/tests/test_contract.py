from dlpipe.testing import contract_tests

test_contract = contract_tests("dlpipe-acme", {"softmax": ["model.l2=0.001"]})
