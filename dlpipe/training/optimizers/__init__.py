"""The optimizer that Hydra composed, and what torch.optim lacks: full-batch methods, the tutorials' decay."""
