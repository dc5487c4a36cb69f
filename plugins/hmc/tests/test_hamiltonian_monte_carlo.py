"""The module: its chains, its draws, its pictures, and a run through the pipeline."""

import json
import logging
import statistics

import numpy as np
import pytest
import torch

from dlpipe import DlpipeError
from dlpipe.cli.main import main
from dlpipe.testing import check_model
from dlpipe_hmc.hamiltonian_monte_carlo import HamiltonianMonteCarlo
from dlpipe_hmc.moves import Moves
from dlpipe_hmc.pictures import pair_picture, trace_picture

DATA = Moves(num_burn_in=1, num_draws=1, num_epochs=1, batch_size=None)  # of which samples need nothing


def seeded(seed=0, **options):
    torch.manual_seed(seed)
    return HamiltonianMonteCarlo(**options)


def same(one, other):
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("chains", [1, 3, 100])
@pytest.mark.parametrize("energy", ["gaussian", "banana", "funnel", "gaussian_rbm"])
def test_moves_do_not_depend_on_how_many_are_made_at_once(energy, chains):
    runs = []
    for batches in ([40], [1] * 40, [7, 20, 13]):
        model = seeded(energy=energy, num_chains=chains, num_burn_in=15, num_draws=25, initial_step_size=0.3)
        for moves in batches:
            model.advance(moves)
        runs.append(model)
    assert same(runs[0], runs[1])
    assert same(runs[0], runs[2])


def test_a_module_goes_on_where_its_state_was_saved():
    options = {"num_burn_in": 15, "num_draws": 25, "initial_step_size": 0.3}
    whole = seeded(**options)
    whole.advance(30)
    state, generator = {name: value.clone() for name, value in whole.state_dict().items()}, torch.get_rng_state()
    whole.advance(10)
    resumed = seeded(seed=1, **options)
    resumed.load_state_dict(state)
    torch.set_rng_state(generator)
    resumed.advance(10)
    assert same(whole, resumed)


def test_draws_are_the_positions_after_the_burn_in():
    model = seeded(num_burn_in=5, num_draws=8, initial_step_size=0.3)
    assert model.drawn.shape == (0, 3, 5)
    model.advance(5)
    assert len(model.drawn) == 0
    ends = []
    for _ in range(8):
        model.advance(1)
        ends.append(model.positions.clone())
    assert torch.equal(model.drawn, torch.stack(ends))


def test_the_history_is_the_adaptations():
    model = seeded(num_burn_in=0, num_draws=30, initial_step_size=0.4)
    model.advance(30)
    step_size, average = 0.4, 0.9
    for used, acceptance in zip(model.step_sizes.tolist(), model.acceptances.tolist(), strict=True):
        assert used == pytest.approx(step_size, rel=1e-5)
        assert 3 * acceptance == pytest.approx(round(3 * acceptance), abs=1e-6)  # of three chains
        step_size = min(max(step_size * (1.02 if average > 0.9 + 1e-9 else 0.98), 0.001), 0.5)
        average = 0.9 * average + 0.1 * acceptance
    assert float(model.step_size) == pytest.approx(step_size, rel=1e-5)
    assert float(model.average_acceptance) == pytest.approx(average, rel=1e-5)


def test_the_mean_energy_is_that_of_the_draws():
    model = seeded(num_burn_in=0, num_draws=20, initial_step_size=0.3)
    energy = model.advance(20)
    torch.testing.assert_close(energy, model.energy(model.drawn.flatten(0, 1)).mean())


def test_more_moves_than_there_is_room_for_are_refused():
    model = seeded(num_burn_in=5, num_draws=5)
    model.advance(10)
    with pytest.raises(
        ValueError, match=r"after 10 moves 1 more were asked for, .* 5 of burn-in and 5 draws; .* set mod"
    ):
        model.advance(1)


@pytest.mark.parametrize("initial", [0.0005, 0.6])
def test_an_initial_step_size_out_of_bounds_is_refused(initial):
    message = f"initial_step_size={initial} is not between step_size_min=0.001 and step_size_max=0.5"
    with pytest.raises(ValueError, match=message):
        HamiltonianMonteCarlo(initial_step_size=initial)


def test_a_density_that_is_none_is_refused():
    with pytest.raises(ValueError, match="not positive definite"):
        HamiltonianMonteCarlo(energy_options={"dim": 10})


def made(**options):
    model = seeded(initial_step_size=0.3, num_burn_in=20, num_draws=30, **options)
    model.advance(50)
    return model


def test_figures_are_pictures_and_leave_no_window():
    figures = made().figures()
    assert sorted(figures) == ["adaptation", "pairs", "paths", "trace"]
    for picture in figures.values():
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.shape[2] == 3
        assert picture.std() > 5  # something is drawn
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


def test_figures_of_one_coordinate_and_of_many(monkeypatch):
    import dlpipe_hmc.build_energy as names
    from dlpipe_hmc.energies.gaussian import Gaussian

    registered = names._registered
    line = {"line": lambda: Gaussian([0.0], [[1.0]])}
    monkeypatch.setattr(names, "_registered", lambda name: line.get(name) or registered(name))
    assert sorted(made(energy="line").figures()) == ["adaptation", "pairs", "trace"]
    funnel = made(energy="funnel").figures()
    assert funnel["trace"].shape == (960, 900, 3)  # of its first six coordinates
    assert funnel["pairs"].shape == (1060, 1060, 3)


def test_figures_are_the_same_again_and_draw_no_random_numbers_of_the_run():
    model = made()
    before = torch.get_rng_state()
    first, again = model.figures(), model.figures()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(np.array_equal(picture, again[name]) for name, picture in first.items())


def test_a_single_draw_has_its_path():
    model = seeded(num_chains=1, num_burn_in=1, num_draws=1, energy="banana")
    model.advance(2)
    assert model.figures()["paths"].std() > 5  # something is drawn


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_draws_that_are_no_numbers_are_drawn_without_their_densities(wrong):
    draws = np.random.default_rng(0).normal(size=(50, 3, 2))
    draws[7, 1, 0] = wrong
    for picture in (trace_picture(draws), pair_picture(draws.reshape(-1, 2))):
        assert picture.std() > 5  # something is drawn


def test_before_the_first_draw_there_is_the_adaptation_to_see():
    model = seeded(num_burn_in=20, num_draws=30)
    assert model.figures() == {}
    model.advance(10)
    assert sorted(model.figures()) == ["adaptation"]


def test_samples_are_draws_of_every_chain():
    model = made()
    samples = model.sample(15, DATA)
    assert sorted(samples) == ["samples.npy", "samples.png"]
    assert samples["samples.npy"].shape == (15, 5)
    chains = [{tuple(row) for row in chain.tolist()} for chain in model.drawn.unbind(1)]
    assert [sum(tuple(row) in chain for row in samples["samples.npy"].tolist()) for chain in chains] == [5, 5, 5]
    assert samples["samples.png"].dtype == np.uint8


def test_more_samples_than_draws_are_refused():
    with pytest.raises(DlpipeError, match="91 samples were asked for, and 3 chains of 30 draws have 90; ask for"):
        made().sample(91, DATA)


def test_the_command_line_asks_for_fewer_and_does_not_blame_the_model(tmp_path, capsys):
    run = str(tmp_path / "run")
    assert main(["model=hmc", "model.num_burn_in=10", "model.num_draws=10", f"hydra.run.dir={run}"]) == 0
    for asked in (["-n", "5000"], []):  # 100 by default
        capsys.readouterr()
        assert main(["sample", run, *asked]) == 2
        message = (
            f"dlpipe: {(asked or ['', '100'])[1]} samples were asked for, and 3 chains of 10 draws have 30; ask for at"
        )
        assert capsys.readouterr().err.startswith(message)
    assert main(["sample", run, "-n", "30"]) == 0


def logged_by_test(model):
    logged = {}
    model.log_dict = lambda values, **_: logged.update(values)
    model.test_step((torch.empty(1, 0), torch.empty(1)), 0)
    return logged


def test_a_test_tells_how_good_the_draws_are():
    logged = logged_by_test(made())
    assert list(logged) == [
        f"test/{name}" for name in ("acceptance", "step_size", "mean_error", "covariance_error", "ess", "rhat")
    ]
    assert logged["test/step_size"] == pytest.approx(float(made().step_sizes[20:].mean()))
    assert logged["test/acceptance"] == pytest.approx(float(made().acceptances[20:].mean()))


def test_too_few_draws_are_not_tested(caplog):
    model = seeded(num_burn_in=20, num_draws=30)
    model.advance(23)
    with caplog.at_level(logging.WARNING):
        assert logged_by_test(model) == {}
    assert caplog.messages == ["23 moves made, 3 of them draws: too few to test"]


def tutorials_numbers(seed):
    """Its numbers: final and mean step size, acceptance over the draws and final average, errors of the moments."""
    model = seeded(seed)
    model.advance(2000)
    logged = logged_by_test(model)
    return (
        float(model.step_size),
        logged["test/step_size"],
        logged["test/acceptance"],
        float(model.average_acceptance),
        logged["test/mean_error"],
        logged["test/covariance_error"],
    )


# mean and standard deviation over 20 seeds of the tutorial's code in NumPy
PUBLISHED = [(0.44, 0.06), (0.439, 0.009), (0.908, 0.003), (0.90, 0.04), (0.046, 0.016), (0.070, 0.020)]


def test_the_tutorials_own_assertions_hold():
    step_size, _, _, average, mean_error, covariance_error = tutorials_numbers(123)
    assert 0.001 <= step_size <= 0.5
    assert abs(average - 0.9) < 0.1
    assert mean_error < 0.046 + 5 * 0.016
    assert covariance_error < 0.070 + 5 * 0.020


@pytest.mark.slow
def test_twenty_runs_are_as_the_published_ones():
    runs = [tutorials_numbers(seed) for seed in range(20)]
    for found, (mean, deviation) in zip(zip(*runs, strict=True), PUBLISHED, strict=True):
        assert statistics.mean(found) == pytest.approx(mean, abs=5 * deviation * (2 / 20) ** 0.5)
        assert statistics.stdev(found) < 3 * deviation


def test_no_energy_is_judged_by_a_number_of_another(tmp_path):
    run = tmp_path / "run"
    assert (
        main(["model=hmc", "model.energy=banana", "model.num_burn_in=10", "model.num_draws=10", f"hydra.run.dir={run}"])
        == 0
    )
    assert json.loads((run / "summary.json").read_text())["targets"] == []


@pytest.mark.parametrize("energy", ["banana", "funnel", "gaussian_rbm"])
def test_with_another_energy_it_keeps_the_plugin_contract(energy):
    check_model("hmc", f"model.energy={energy}", "model.num_burn_in=50", "model.num_draws=50")
