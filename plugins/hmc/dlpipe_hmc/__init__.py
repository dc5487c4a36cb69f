"""Hamiltonian Monte Carlo: many chains at once over any differentiable energy."""
