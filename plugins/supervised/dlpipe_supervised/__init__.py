"""The supervised models of the tutorials: logistic regression, multilayer perceptron, LeNet."""
