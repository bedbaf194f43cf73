"""Chapter 14: when one net counts as faster, and when as better."""

import pandas as pd
import pytest
from tables import arranged, run_rows

from bnbook.chapters.lenet5 import experiments
from bnbook.chapters.lenet5.facts import WITH, WITHOUT, Facts
from bnbook.findings.decisions import NOT_RUN, REFINED, REFUTED, REPRODUCED, SUPPORTED, UNDECIDED

SPREAD = (0.0, 0.002, -0.002, 0.001, -0.001)


def records(early=0.01, late=0.01, spread=SPREAD, plan=experiments.LAB_SESSION_LONG, kept=True):
    """Records in which batch norm is ahead by `early` after an epoch and by `late` at the end.

    `spread` is what each seed adds to the latter, so that seeds disagree about it. Unless `kept`,
    the nets without batch norm fall to chance level in the last epoch at the higher rate.
    """
    found = []
    for run in plan.runs(pd.DataFrame()):
        arm = plan.arm_of(run)
        ahead = arm == WITH
        seed = run.seed % 5
        path = [0.1, 0.95 + early * ahead, *[0.96] * (run.epochs - 2)]
        falls = not kept and not ahead and run.lr == experiments.LONG_STEPS_LR
        path.append(0.1 if falls else 0.97 + seed / 1000 + (late + spread[seed]) * ahead)
        found += run_rows(run, arm, path, train_accuracy=[share + 0.01 for share in path])
    return arranged(found, [WITH, WITHOUT])


def given(**changed):
    return {
        "lab-session": records(plan=experiments.LAB_SESSION),
        "lab-session-long": records(**changed),
    }


@pytest.mark.parametrize(
    ("early", "late", "faster", "better", "decision"),
    [
        (0.01, 0.02, SUPPORTED, SUPPORTED, SUPPORTED),
        (0.01, 0.001, SUPPORTED, UNDECIDED, UNDECIDED),
        (0.01, -0.02, SUPPORTED, REFUTED, REFUTED),
        (-0.01, 0.02, REFUTED, SUPPORTED, REFUTED),
    ],
)
def test_faster_and_better_are_decided_apart(early, late, faster, better, decision):
    found = Facts(given(early=early, late=late))
    assert (found.sheet.faster, found.sheet.better, found.decision) == (faster, better, decision)
    in_part = SUPPORTED in (faster, better) and decision != SUPPORTED
    assert {SUPPORTED: REPRODUCED}.get(decision, REFINED if in_part else decision) == found.E1


def test_a_difference_shown_to_be_within_the_margin_is_no_better():
    narrow = [share / 20 for share in SPREAD]
    assert Facts(given(late=0.0, spread=narrow)).sheet.better == REFUTED


def test_svhn_counts_once_it_is_recorded():
    assert Facts(given()).E2 == NOT_RUN
    svhn = records(plan=experiments.LAB_SESSION_SVHN, late=0.02)
    assert Facts(given() | {"lab-session-svhn": svhn}).E2 == REPRODUCED


def test_what_a_net_learns_and_loses_again_is_counted():
    held, lost = Facts(given()), Facts(given(kept=False))
    assert (held.long_plain_trained, held.long_plain_once) == (5, 5)
    assert (lost.long_plain_trained, lost.long_plain_once, lost.long_trained) == (0, 5, 5)
