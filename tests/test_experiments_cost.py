"""Chapter 12's experiment."""

from dataclasses import fields
from itertools import pairwise

import pandas as pd
import pytest
from tables import arranged, run_rows

from bnbook.chapters.cost.experiments import NETS, TIME_TO_ACCURACY
from bnbook.findings.reaching import STEPS, TARGETS, arm_name, quickest_lr, steps_to

ARMS = list(TIME_TO_ACCURACY.arms)


def rows(run, arm, accuracies):
    counts = [round(10_000 * accuracy) for accuracy in accuracies]
    return run_rows(run, arm, accuracies, val_correct=counts, val_images=[10_000] * len(counts))


def tuned(arm, curves):
    """Tuning records of `arm`, whose accuracies follow `curves[lr]` in both seeds."""
    found = []
    for run in TIME_TO_ACCURACY.runs(pd.DataFrame()):
        if TIME_TO_ACCURACY.arm_of(run) == arm:
            found += rows(run, arm, curves[run.lr])
    return arranged(found, ARMS)


def test_the_arms_of_a_net_differ_in_their_norms_and_their_budget_alone():
    for net, (plain, normed, _) in NETS.items():
        differ = {
            f.name for f in fields(plain) if getattr(plain, f.name) != getattr(normed, f.name)
        }
        assert differ <= {"norms", "epochs", "eval_epochs"}, net
        assert TIME_TO_ACCURACY.arms[arm_name(net, normed=True)] == normed
        assert not plain.normed
        assert set(normed.norms) == {"batch"}


def test_a_run_reaches_a_target_at_its_first_evaluation_there():
    arm = ARMS[0]
    run = TIME_TO_ACCURACY.arms[arm]
    # 0.97 as a share of float32 would be just below the target.
    frame = arranged(rows(run, arm, [0.1, 0.94, 0.97, 0.96, 0.98]), ARMS)
    step = frame["step"].tolist()
    assert steps_to(frame, 0.95)["reached"].tolist() == [step[2]]
    assert steps_to(frame, 0.97)["reached"].tolist() == [step[2]]
    assert steps_to(frame, 0.98)["reached"].tolist() == [step[4]]
    assert steps_to(frame, 0.99)["reached"].isna().all()


def test_the_quickest_rate_wins_not_the_one_that_ends_higher():
    arm, (low, middle, high) = ARMS[0], NETS["LeNet, sigmoids"][2]
    frame = tuned(arm, {low: [0.1, 0.9, 0.99], middle: [0.1, 0.975, 0.975], high: [0.1, 0.9, 0.96]})
    assert quickest_lr(frame, arm) == middle
    later = [run for run in TIME_TO_ACCURACY.runs(frame) if run.seed < 100]
    assert {(TIME_TO_ACCURACY.arm_of(run), run.lr) for run in later} == {(arm, middle)}
    assert {run.seed for run in later} == {10, 11, 12, 13, 14}


def test_a_rate_that_one_seed_does_not_get_there_with_is_passed_over():
    arm, (low, middle, high) = ARMS[0], NETS["LeNet, sigmoids"][2]
    curves = {low: [0.1, 0.9, 0.98], middle: [0.1, 0.98, 0.98], high: [0.1, 0.9, 0.9]}
    frame = tuned(arm, curves)
    fails = (frame["lr"] == middle) & (frame["seed"] == 101)
    frame.loc[fails, ["val_correct"]] = 9000
    assert quickest_lr(frame, arm) == low


def test_where_no_rate_gets_there_the_highest_end_counts():
    arm, (low, middle, high) = ARMS[0], NETS["LeNet, sigmoids"][2]
    curves = {low: [0.1, 0.2], middle: [0.1, 0.3], high: [0.1, 0.95]}
    assert quickest_lr(tuned(arm, curves), arm) == high


@pytest.mark.parametrize("arm", ARMS)
def test_evaluations_lie_at_most_a_quarter_of_the_way_apart(arm):
    run = TIME_TO_ACCURACY.arms[arm]
    steps = [STEPS * epoch for epoch in (*run.eval_epochs, run.epochs) if epoch >= 4]
    assert all(b / a <= 1.4 for a, b in pairwise(steps))
    assert sorted(TARGETS) == list(TARGETS)
