"""Densities to sample from, each by its energy: minus its logarithm, up to a constant."""
