"""Statistics of findings against hand calculations, laws, and scipy and statsmodels themselves."""

import math
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired
from tables import arranged, run_rows, shares, table

from bnbook import findings
from bnbook.errors import BookError
from bnbook.experiment import TUNING_SEEDS
from bnbook.findings import adjusted
from bnbook.run import Run

accuracies = st.integers(9_000, 10_000).map(lambda correct: correct / 10_000)


def test_interval_of_three_values_by_hand():
    # mean 2, standard deviation 1, t(0.975, 2) = 4.302653
    mean, low, high = findings.interval([1, 2, 3])
    assert mean == 2
    assert high - mean == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert mean - low == pytest.approx(high - mean)


def test_one_value_has_a_mean_but_no_interval():
    mean, low, high = findings.interval([0.5])
    assert mean == 0.5
    assert math.isnan(low)
    assert math.isnan(high)


def test_interval_covers_the_true_mean_in_95_of_100_cases():
    rng = np.random.default_rng(0)
    draws = rng.normal(3.0, 2.0, size=(4_000, 5))
    found = [findings.interval(row) for row in draws]
    covered = np.mean([low <= 3.0 <= high for _, low, high in found])
    assert 0.94 < covered < 0.96


@given(st.lists(accuracies, min_size=2, max_size=8))
def test_interval_contains_its_mean_and_widens_with_confidence(values):
    narrow, wide = findings.interval(values, 0.8), findings.interval(values, 0.95)
    slack = 1e-12
    assert wide.low - slack <= narrow.low <= narrow.mean <= narrow.high <= wide.high + slack


def test_summary_gives_one_row_per_arm_in_the_experiments_order():
    found = findings.summary(table({"z": [0.95, 0.97], "a": [0.91, 0.89]}))
    assert found["arm"].tolist() == ["z", "a"]
    assert found["mean"].tolist() == pytest.approx([0.96, 0.90])
    assert found["n"].tolist() == [2, 2]
    assert found["trained"].tolist() == [2, 1]


def test_summary_refuses_to_average_over_learning_rates():
    frame = pd.concat([table({"a": [0.95]}, lr=0.1), table({"a": [0.96]}, lr=1.0)])
    with pytest.raises(BookError, match="lr"):
        findings.summary(frame)
    assert len(findings.summary(frame, ["arm", "lr"])) == 2


def test_an_empty_selection_is_named():
    frame = table({"a": [0.95]})
    with pytest.raises(BookError, match="the selection is empty"):
        findings.summary(frame[frame["lr"] == 7])


def test_limits_of_an_accuracy_stay_within_0_and_1():
    found = findings.summary(table({"a": [0.1, 0.99]})).iloc[0]
    assert (found["low"], found["high"]) == (0, 1)


def non_finite_run(**fields):
    """Fails in epoch 1 of 3, at an accuracy that its last finite weights still had."""
    return arranged(run_rows(Run(epochs=3, **fields), "a", [0.1, 0.4], "non-finite"), ["a"])


def test_non_finite_run_counts_at_chance_and_as_not_trained():
    last = findings.final(non_finite_run()).iloc[0]
    assert last["epoch"] == 3
    assert last["val_accuracy"] == last["test_accuracy"] == 0.1
    assert last["test_accuracy_running"] == 0.1
    assert not last["trained"]


def test_mean_of_later_epochs_does_not_forget_the_run_that_failed():
    good = arranged(run_rows(Run(epochs=3, seed=1), "a", [0.1, 0.9, 0.9, 0.9]), ["a"])
    frame = pd.concat([non_finite_run(seed=0), good], ignore_index=True)
    found = findings.summary(frame, ["arm", "epoch"])
    assert found["n"].tolist() == [2, 2, 2, 2]
    assert found["mean"].tolist() == pytest.approx([0.1, 0.5, 0.5, 0.5])


def test_filling_leaves_finite_runs_alone_and_happens_once():
    frame = table({"a": [0.95, 0.2]})
    pd.testing.assert_frame_equal(findings.filled(frame), frame)
    good = arranged(run_rows(Run(epochs=3, seed=1), "a", [0.1, 0.9, 0.9, 0.9]), ["a"])
    once = findings.filled(pd.concat([good, non_finite_run()]))
    pd.testing.assert_frame_equal(findings.filled(once), once)
    failed = once[once["outcome"] == "non-finite"]
    assert failed["epoch"].tolist() == [0, 1, 2, 3]
    assert failed["val_accuracy"].tolist() == [0.1] * 4
    assert failed["test_accuracy"].isna().tolist() == [True, True, True, False]


def test_filling_keeps_to_the_epochs_that_were_recorded():
    frame = non_finite_run()
    assert findings.filled(frame)["epoch"].tolist() == [0, 1, 3]  # 3 is the last, 2 unknown


def test_a_failure_between_evaluations_does_not_make_a_mean_of_its_own():
    good = arranged(run_rows(Run(epochs=3, seed=1), "a", [0.1, 0.9, 0.9, 0.9]), ["a"])
    seldom = good[good["epoch"] != 1]
    frame = pd.concat([non_finite_run(seed=0), seldom])
    found = findings.summary(frame, ["arm", "epoch"])
    assert found["epoch"].tolist() == [0, 2, 3]
    assert found["n"].tolist() == [2, 2, 2]
    assert findings.final(frame)["val_accuracy"].tolist() == [0.9, 0.1]


def test_tuning_seeds_are_not_averaged_with_fresh_ones():
    frame = table({"a": [0.95, 0.96]}).replace({"seed": {1: TUNING_SEEDS[0]}})
    with pytest.raises(BookError, match="mixes tuning seeds"):
        findings.summary(frame)
    assert findings.summary(findings.fresh(frame))["mean"].item() == 0.95
    assert findings.summary(findings.tuning(frame))["mean"].item() == 0.96


def test_a_missing_value_shows_as_fewer_values_than_runs():
    good = arranged(run_rows(Run(epochs=3, seed=1), "a", [0.1, 0.9, 0.9, 0.9]), ["a"])
    frame = pd.concat([non_finite_run(seed=0), good], ignore_index=True)
    found = findings.summary(frame, "arm", "train_loss").iloc[0]
    assert (found["n"], found["runs"]) == (1, 2)


def test_outcomes_are_counted_per_arm():
    found = findings.outcomes(table({"a": [0.95, 0.2, 0.1], "b": [0.95, 0.95, 0.95]}))
    assert found.set_index("arm").loc["a"].to_dict() == {"collapsed": 2, "trained": 1}


def test_geometric_mean_of_1_and_100_is_10():
    values = pd.DataFrame({"arm": "a", "seed": [0, 1], "value": [1.0, 100.0]})
    assert findings.estimates(values, "arm", "value", geometric=True)["mean"].item() == (
        pytest.approx(10)
    )


def test_paired_difference_by_hand():
    frame = table({"a": [0.95, 0.96, 0.97], "b": [0.94, 0.94, 0.94]})
    found = findings.paired(frame, "a", "b", "val_accuracy")
    assert found.mean == pytest.approx(0.02)
    assert found.high - found.mean == pytest.approx(4.302653 * 0.01 / math.sqrt(3), rel=1e-6)
    # t = 0.02 / (0.01 / sqrt 3) = 3.4641 with 2 degrees of freedom
    assert found.p_difference == pytest.approx(0.0741799, rel=1e-5)
    assert found.n == 3


@given(st.lists(st.tuples(accuracies, accuracies), min_size=2, max_size=6))
@settings(max_examples=40, deadline=None)
def test_paired_agrees_with_scipy_and_statsmodels_and_is_antisymmetric(pairs):
    x, y = (np.array(side) - 0.01 for side in zip(*pairs, strict=True))
    frame = table({"a": [p[0] for p in pairs], "b": [p[1] for p in pairs]})
    there, back = findings.paired(frame, "a", "b"), findings.paired(frame, "b", "a")
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert there.p_difference == pytest.approx(back.p_difference)
    assert there.p_equivalence == pytest.approx(back.p_equivalence)
    if np.ptp(x - y) > 1e-9:
        assert there.p_difference == pytest.approx(stats.ttest_rel(x, y).pvalue)
        assert there.p_equivalence == pytest.approx(ttost_paired(x, y, -0.002, 0.002)[0])
        # The interval and the test say the same.
        excluded = there.low > 1e-9 or there.high < -1e-9
        assert excluded == (there.p_difference < 0.05)


def test_equal_results_in_all_seeds_are_equivalent_not_undefined():
    found = findings.paired(table({"a": [0.95, 0.96], "b": [0.95, 0.96]}), "a", "b")
    assert (found.p_difference, found.p_equivalence) == (1, 0)


def test_the_same_large_difference_in_all_seeds_is_a_difference():
    found = findings.paired(table({"a": [0.95, 0.96], "b": [0.93, 0.94]}), "a", "b")
    assert (found.p_difference, found.p_equivalence) == (0, 1)


def test_pairing_matches_seeds_and_leaves_others_out():
    frame = table({"a": [0.95, 0.96, 0.99], "b": [0.94, 0.95]})
    shuffled = frame.sample(frac=1, random_state=0)
    found = findings.paired(shuffled, "a", "b", "val_accuracy")
    assert found.mean == pytest.approx(0.01)
    assert found.n == 2


def test_failed_runs_stay_in_the_difference_and_are_counted():
    found = findings.paired(table({"a": [0.95, 0.1], "b": [0.95, 0.96]}), "a", "b", "val_accuracy")
    assert found.mean == pytest.approx((0 - 0.86) / 2)
    assert (found.failed_a, found.failed_b, found.failed) == (1, 0, 1)


def test_unknown_arm_is_named_with_the_known_ones():
    with pytest.raises(BookError, match=r"no runs of 'c'; there are: a, b"):
        findings.paired(table({"a": [0.9], "b": [0.9]}), "a", "c")


def test_arms_without_a_common_seed_cannot_be_paired():
    frame = table({"a": [0.95, 0.96], "b": [0.94, 0.95]})
    apart = frame[(frame["arm"] == "a") ^ (frame["seed"] == 1)]
    with pytest.raises(BookError, match="share no seed"):
        findings.paired(apart, "a", "b")


def test_where_one_arm_never_trains_and_the_other_always_the_finding_says_so():
    frame = table({"a": [0.95, 0.96, 0.97], "b": [0.1, 0.89, 0.1], "c": [0.1, 0.95, 0.1]})
    found = findings.compared([findings.paired(frame, "a", other) for other in "bc"])
    assert (found["holm_difference"] > 0.05).all()
    assert found["finding"].tolist() == [findings.ONE_TRAINS, findings.UNDECIDED]


def test_one_pair_decides_nothing():
    found = findings.compared([findings.paired(table({"a": [0.9], "b": [0.95]}), "a", "b")])
    assert found["finding"].item() == findings.UNDECIDED


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.04 times 3, 2, 1: 0.03, 0.04, 0.04.
    assert adjusted.holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
@settings(max_examples=50, deadline=None)
def test_holm_agrees_with_statsmodels(p):
    with patch("gc.collect"):  # which it calls each time
        theirs = multipletests(p, method="holm")[1]
    assert adjusted.holm(p) == pytest.approx(theirs, abs=1e-15)


def test_a_missing_p_value_counts_as_one():
    assert adjusted.holm([math.nan, 0.01]) == pytest.approx([1, 0.02])


@pytest.mark.parametrize(
    ("p_difference", "p_equivalence", "finding"),
    [
        (0.01, 0.50, findings.DIFFERENT),
        (0.50, 0.01, findings.EQUIVALENT),
        (0.01, 0.01, findings.SMALL),
        (0.50, 0.50, findings.UNDECIDED),
    ],
)
def test_the_two_tests_name_four_findings(p_difference, p_equivalence, finding):
    assert findings.classify(p_difference, p_equivalence) == finding


def test_a_comparison_may_lose_its_significance_among_many():
    frame = table({"a": [0.95, 0.96, 0.97], "b": [0.935, 0.94, 0.945], "c": [0.9, 0.99, 0.92]})
    alone = [findings.paired(frame, "a", "b")]
    assert findings.compared(alone)["finding"].item() == findings.DIFFERENT
    many = alone + [findings.paired(frame, "a", "c")] * 4
    assert findings.compared(many)["finding"].iloc[0] == findings.UNDECIDED


def test_evaluation_noise_is_running_minus_reestimated_without_the_start():
    found = findings.evaluation_noise(table({"a": [0.95, 0.96]})).iloc[0]
    assert found["typical"] == pytest.approx(0.05)
    assert found["largest"] == pytest.approx(0.05)
    assert found["n"] == 4  # two runs, two epochs each


def test_share_trained_has_wilson_limits():
    found = findings.share_trained(shares({0.1: (5, 5), 1.0: (2, 4)}))
    assert found["share"].tolist() == [1.0, 0.5]
    # Wilson: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    z2 = stats.norm.ppf(0.975) ** 2
    assert found["low"].iloc[0] == pytest.approx(1 / (1 + z2 / 5))
    assert found["low"].iloc[1] == pytest.approx(
        0.5 - math.sqrt(z2 / 16 + z2**2 / 64) / (1 + z2 / 4)
    )


def test_the_gap_is_taken_seed_by_seed_and_no_limit_passes_one():
    frame = table({"a": [0.95, 0.96, 0.97]}).assign(train_accuracy=[0.99, 1.0, 1.0] * 3)
    fit = findings.fit(frame).set_index("of")
    ends = findings.final(frame)
    expected = findings.interval(ends["train_accuracy"] - ends["test_accuracy"])
    assert tuple(fit.loc["gap", ["mean", "low", "high"]]) == pytest.approx(tuple(expected))
    assert fit.loc["training images", "high"] <= 1
    assert fit.loc["test images", "mean"] == pytest.approx(ends["test_accuracy"].mean())
