"""The accept rule against numbers worked out by hand."""

import math

import torch

from dlpipe_hmc.metropolis import hamiltonian, kinetic_energy, metropolis_accept

VELOCITIES = torch.tensor([[3.0, 4.0], [0.0, -2.0]])


def test_kinetic_energy_is_half_the_square_of_the_speed():
    assert kinetic_energy(VELOCITIES).tolist() == [12.5, 2.0]


def test_the_hamiltonian_is_the_sum_of_both_energies():
    energies = torch.tensor([-1.0, 5.0])
    assert hamiltonian(energies, VELOCITIES).tolist() == [11.5, 7.0]
    assert energies.tolist() == [-1.0, 5.0]


def test_each_chain_is_accepted_where_the_ratio_of_densities_reaches_its_uniform_number():
    # H grows by log 2: accepted with probability 1/2; falls: always; grows by 1000: never
    before = torch.tensor([0.0, 0.0, 1.0, 0.0])
    after = torch.tensor([math.log(2), math.log(2), 0.0, 1000.0])
    uniform = torch.tensor([0.499, 0.501, 0.999999, 1e-30])
    assert metropolis_accept(before, after, uniform).tolist() == [True, False, True, False]


def test_the_same_hamiltonian_is_always_accepted():
    uniform = torch.rand(1000, generator=torch.Generator().manual_seed(0))
    assert metropolis_accept(torch.ones(1000), torch.ones(1000), uniform).all()


def test_what_is_no_finite_energy_is_never_accepted():
    after = torch.tensor([math.nan, math.inf, -math.inf])
    for uniform in (0.0, 1e-30, 0.5):
        assert metropolis_accept(torch.zeros(3), after, torch.full((3,), uniform)).tolist() == [False] * 3
