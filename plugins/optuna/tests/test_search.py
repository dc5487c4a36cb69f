"""Searches of jobs that take no time: their order, their end, and how they continue."""

import math
from itertools import count

import pytest
from hydra.core.utils import JobStatus
from optuna.storages import JournalStorage
from optuna.trial import TrialState

from dlpipe_optuna.journal import JOURNAL, PRUNED, open_storage
from dlpipe_optuna.search import PRUNING, SearchError

from .conftest import Jobs, Killed, bowl

SPACE = ("x=tag(log,interval(1e-3,1))", "n=range(1,6)")
GRID = ("x=0.01,0.1,1", "n=1,3")
SAMPLERS = ("tpe", "random", "cmaes", "nsgaii", "grid")


def space_of(sampler):
    return GRID if sampler == "grid" else SPACE


def states(trials):
    return [trial.state for trial in trials]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_is_a_function_of_its_seed(run_search, sampler):
    first, again, other = (
        run_search("model=mlp", *space_of(sampler), sampler=sampler, folder=str(seed), n_trials=14, seed=seed % 2)
        for seed in (0, 2, 1)
    )
    assert first.seen == again.seen
    assert first.seen != other.seen
    assert all(texts[0] == "model=mlp" for texts in first.seen.values())


@pytest.mark.parametrize("n_jobs", [1, 4])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_is_killed_continues_as_if_it_had_not_been(run_search, read_trials, sampler, n_jobs):
    options = {"sampler": sampler, "n_jobs": n_jobs, "n_trials": 6 if sampler == "grid" else 14}
    undisturbed = run_search(*space_of(sampler), **options, folder="undisturbed")
    for killed_at in (0, 2, 5):
        with pytest.raises(Killed):
            run_search(*space_of(sampler), **options, killed_at=killed_at)
    seen = run_search(*space_of(sampler), **options).seen
    assert sorted(seen)[-1] == options["n_trials"] - 1
    assert 0 not in seen  # it had finished
    assert all(undisturbed.seen[number] == texts for number, texts in seen.items())
    one, other = read_trials("undisturbed"), read_trials()
    assert [(trial.params, trial.value) for trial in one] == [(trial.params, trial.value) for trial in other]
    assert states(other) == [TrialState.COMPLETE] * options["n_trials"]


@pytest.mark.parametrize("method", ["create_new_trial", "set_trial_param", "set_trial_state_values"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_is_killed_while_it_writes_has_every_trial_once(
    run_search, read_trials, monkeypatch, sampler, method
):
    options = {"sampler": sampler, "n_jobs": 3, "n_trials": 6}
    run_search(*space_of(sampler), **options, folder="undisturbed")
    calls, original = count(), getattr(JournalStorage, method)

    def write(self, *arguments, **named):
        if next(calls) == 5:
            raise Killed
        return original(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(JournalStorage, method, write)
        with pytest.raises(Killed):
            run_search(*space_of(sampler), **options)
    before = [(trial.params, trial.value) for trial in read_trials() if trial.state == TrialState.COMPLETE]
    run_search(*space_of(sampler), **options)
    one, other = ([(trial.params, trial.value) for trial in read_trials(name)] for name in ("undisturbed", "sweep"))
    assert other[: len(before)] == before
    assert len(other) == 6
    assert all(params.keys() == {"x", "n"} and math.isfinite(value) for params, value in other)
    if method != "set_trial_param":  # which leaves a trial with some of its values; the others are drawn anew
        assert one == other


def test_a_finished_search_launches_nothing_and_grows_with_n_trials(run_search):
    first = run_search(*SPACE, n_trials=4)
    assert run_search(*SPACE, n_trials=4).seen == {}
    more = run_search(*SPACE, n_trials=7).seen
    assert sorted(more) == [4, 5, 6]
    assert {**first.seen, **more} == run_search(*SPACE, n_trials=7, folder="at once").seen


def test_a_grid_ends_when_every_point_was_tried(run_search, read_trials):
    seen = run_search(*GRID, sampler="grid", n_trials=20, n_jobs=4).seen
    assert sorted(seen.values()) == sorted([f"x={x}", f"n={n}"] for x in ("0.01", "0.1", "1") for n in ("1", "3"))
    assert states(read_trials()) == [TrialState.COMPLETE] * 6
    assert run_search(*GRID, sampler="grid", n_trials=20, n_jobs=4).seen == {}


def test_tpe_finds_the_bottom_of_a_bowl(run_search, read_trials):
    run_search(*SPACE, n_trials=60)
    assert min(trial.value for trial in read_trials()) < 0.05


def test_monitor_mode_max_looks_for_the_greatest_value(run_search, read_trials):
    run_search(*SPACE, n_trials=60, mode="max", value=lambda values: -bowl(values))
    assert max(trial.value for trial in read_trials()) > -0.05


def test_jobs_are_launched_in_batches(run_search, monkeypatch):
    sizes = []
    original = Jobs.launch

    def launch(self, jobs, initial_job_idx):
        sizes.append(len(jobs))
        return original(self, jobs, initial_job_idx)

    monkeypatch.setattr(Jobs, "launch", launch)
    run_search(*SPACE, n_trials=7, n_jobs=3)
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_job_without_a_finite_value_is_a_failed_trial_and_the_study_goes_on(run_search, read_trials, bad):
    values = iter([1.0, bad, 2.0])
    run_search(*SPACE, n_trials=3, value=lambda _: next(values))
    assert states(read_trials()) == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]


def test_a_failed_trial_that_has_a_value_later_is_a_trial_once_more(run_search, read_trials):
    values = iter([1.0, math.inf, 2.0])
    run_search(*SPACE, n_trials=3, value=lambda _: next(values))
    assert list(run_search(*SPACE, n_trials=3, value=lambda _: math.inf).seen) == [1]  # it has failed again
    assert list(run_search(*SPACE, n_trials=3, value=lambda _: 3.0).seen) == [1]
    assert run_search(*SPACE, n_trials=3).seen == {}
    trials = read_trials()
    assert [trial.value for trial in trials] == [1.0, None, 2.0, 3.0]
    assert trials[3].params == trials[1].params
    assert list(run_search(*SPACE, n_trials=4).seen) == [4]  # four that were proposed


def test_a_failed_job_is_a_failed_trial_and_its_error_is_raised_at_the_end(run_search, read_trials, monkeypatch):
    original = Jobs.launch

    def launch(self, texts, initial_job_idx):
        results = original(self, texts, initial_job_idx)
        if initial_job_idx == 1:
            results[0].status, results[0].return_value = JobStatus.FAILED, RuntimeError("no luck")
        return results

    monkeypatch.setattr(Jobs, "launch", launch)
    with pytest.raises(RuntimeError, match="no luck"):
        run_search(*SPACE, n_trials=3)
    assert states(read_trials()) == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]


def test_a_job_that_monitors_nothing_ends_the_search(run_search, read_trials):
    with pytest.raises(SearchError, match=r"trial 0 monitors nothing, .* choose a metric with recipe.monitor=METRIC"):
        run_search(*SPACE, value=lambda _: None)
    assert states(read_trials()) == [TrialState.FAIL]


def test_a_pruned_job_is_a_pruned_trial(run_search, read_trials, tmp_path):
    def value(values):
        (running,) = [trial for trial in read_trials() if trial.state == TrialState.RUNNING]
        if running.number == 1:
            open_storage(tmp_path / "sweep").set_trial_user_attr(running._trial_id, PRUNED, 1)
        return bowl(values)

    seen = run_search(*SPACE, n_trials=3, pruner="median", value=value).seen
    assert states(read_trials()) == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    assert [texts[-1] for texts in seen.values()] == [PRUNING] * 3


def test_a_line_of_the_journal_that_was_cut_is_left_out(run_search, read_trials, tmp_path):
    run_search(*SPACE, n_trials=3)
    journal = tmp_path / "sweep" / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole.splitlines()[-1][:20])
    run_search(*SPACE, n_trials=5)
    assert states(read_trials()) == [TrialState.COMPLETE] * 5
