"""McNemar's test against enumeration, and what it changes for patience."""

import itertools
import json
from math import comb

import pytest
import torch

from dlpipe import PluginError
from dlpipe.training.callbacks.patience import GeometricPatience, Patience
from dlpipe.training.callbacks.significance import McNemarTest, mcnemar_p_value


def right(text):
    return torch.tensor([letter == "1" for letter in text])


def test_p_value_is_the_binomial_tail_enumerated():
    """Under "no better" each of the n differing examples is a gain or a loss by a fair coin: count the coins."""
    for gains, losses in itertools.product(range(6), range(6)):
        before = right("0" * gains + "1" * losses + "1100")
        now = right("1" * gains + "0" * losses + "1100")
        n = gains + losses
        expected = sum(comb(n, k) for k in range(gains, n + 1)) / 2**n
        assert mcnemar_p_value(before, now) == pytest.approx(expected)


def test_examples_that_both_have_right_or_wrong_say_nothing():
    assert mcnemar_p_value(right("00000"), right("11111")) == mcnemar_p_value(right("0000011100"), right("1111111100"))


def test_without_a_difference_nothing_is_better():
    assert mcnemar_p_value(right("1010"), right("1010")) == 1.0


def test_false_alarms_are_as_rare_as_the_level_says():
    generator = torch.Generator().manual_seed(0)
    trials, alarms = 2000, 0
    for _ in range(trials):
        before, now = torch.rand(2, 200, generator=generator) < 0.8
        alarms += mcnemar_p_value(before, now) < 0.05
    # the exact test is conservative: at most the level, up to five standard errors
    assert alarms / trials < 0.05 + 5 * (0.05 * 0.95 / trials) ** 0.5
    assert alarms > 0


def taken(test, answers):
    test.start()
    probabilities = torch.nn.functional.one_hot(torch.tensor(answers), 2).float()
    test.add(probabilities, torch.ones(len(answers), dtype=torch.int64))
    return test.improves()


def test_small_gains_add_up_against_the_last_validation_that_counted():
    test = McNemarTest(level=0.05)
    assert taken(test, [0] * 10)  # the first always counts
    assert not taken(test, [1] * 2 + [0] * 8)
    assert not taken(test, [1] * 4 + [0] * 6)
    assert taken(test, [1] * 5 + [0] * 5)  # 1/32 < 0.05
    assert not taken(test, [1] * 6 + [0] * 4)  # the new reference has five of them


def test_a_resumed_run_compares_with_the_validation_that_counted_before():
    before, after = GeometricPatience(10, significance=0.05), GeometricPatience(10, significance=0.05)
    assert taken(before.mcnemar, [0] * 10)
    after.load_state_dict(before.state_dict())
    assert not taken(after.mcnemar, [1] * 2 + [0] * 8)


def test_probabilities_of_another_shape_are_refused():
    with pytest.raises(PluginError, match=r"needs a classifier.*it gave torch.Size\(\[3\]\)"):
        McNemarTest(0.05).add(torch.zeros(3), torch.zeros(3))


def test_the_tests_word_replaces_the_threshold():
    plain, tested = (Patience(10, 2, 0.995, "min", 0.5) for _ in range(2))
    plain.validated(20, 0.4)
    tested.validated(20, 0.4, significant=False)
    assert (plain.patience, tested.patience) == (40, 10)
    assert plain.best == tested.best == 0.4


def test_a_run_with_significance_stops_no_later_and_keeps_its_best(cli):
    common = ["model=logreg", "recipe.max_epochs=60", "recipe.patience=300"]
    plain, tested = cli(*common), cli(*common, "recipe.significance=0.001", "hydra.run.dir=tested")
    assert tested.code == 0, tested.err
    summaries = {
        path.parent.name == "tested": json.loads(path.read_text()) for path in plain.folder.rglob("summary.json")
    }
    assert summaries[True]["updates"] < summaries[False]["updates"]
    assert summaries[True]["stopped_by"] == "patience"


@pytest.mark.parametrize("level", ["0.0", "1.0", "-0.1"])
def test_a_level_outside_0_to_1_is_refused(level, cli):
    result = cli(f"recipe.significance={level}")
    assert result.code == 2
    assert f"recipe.significance={level}: must be" in result.err


def test_a_module_that_predicts_nothing_is_refused(cli, plain_model):
    result = cli(f"model={plain_model}", "recipe.significance=0.05")
    assert result.code == 2
    assert "recipe.significance=0.05 needs class probabilities, and model 'plain' has no predict_step" in result.err
    assert result.written == []
