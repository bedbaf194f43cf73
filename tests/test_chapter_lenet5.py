"""Chapter 14: when one net counts as faster, and when as better."""

import pandas as pd
import pytest
from tables import arranged, run_rows

from bnbook.chapters.lenet5 import experiments
from bnbook.chapters.lenet5.facts import WITH, WITHOUT, Facts, facts
from bnbook.findings.decisions import NOT_RUN, REFINED, REFUTED, REPRODUCED, SUPPORTED, UNDECIDED

SPREAD = (0.0, 0.002, -0.002, 0.001, -0.001)


def records(early=0.01, late=0.01, spread=SPREAD, plan=experiments.LAB_SESSION):
    """Records in which batch norm is ahead by `early` after an epoch and by `late` at the end.

    `spread` is what each seed adds to the latter, so that seeds disagree about it.
    """
    found = []
    for run in plan.runs(pd.DataFrame()):
        arm = plan.arm_of(run)
        ahead = arm == WITH
        seed = run.seed % 5
        path = [0.1, 0.95 + early * ahead, *[0.96] * (run.epochs - 2)]
        path.append(0.97 + seed / 1000 + (late + spread[seed]) * ahead)
        found += run_rows(run, arm, path, train_accuracy=[share + 0.01 for share in path])
    return arranged(found, [WITH, WITHOUT])


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
    found = facts({"lab-session": records(early, late)})
    assert (found.sheet.faster, found.sheet.better, found.decision) == (faster, better, decision)
    in_part = SUPPORTED in (faster, better) and decision != SUPPORTED
    assert {SUPPORTED: REPRODUCED}.get(decision, REFINED if in_part else decision) == found.E1


def test_a_difference_shown_to_be_within_the_margin_is_no_better():
    narrow = [share / 20 for share in SPREAD]
    assert facts({"lab-session": records(late=0.0, spread=narrow)}).sheet.better == REFUTED


def test_smaller_differences_need_more_seeds():
    small, large = (
        facts({"lab-session": records(late=late)}).seeds_needed for late in (0.001, 0.002)
    )
    assert small > large > 1


def test_svhn_and_the_sheets_epochs_count_once_they_are_recorded():
    given = {"lab-session": records(late=0.001)}
    assert facts(given).E2 == NOT_RUN
    svhn = records(plan=experiments.LAB_SESSION_SVHN, late=0.02)
    assert facts(given | {"lab-session-svhn": svhn}).E2 == REPRODUCED
    long = facts(given | {"lab-session-long": longer(records(late=0.02))})
    assert long.epochs == Facts.sheet_epochs
    assert long.decision == SUPPORTED


def longer(frame):
    """Let the last epoch of `frame` be the sheet's last one."""
    last = frame["epoch"] == frame["epochs"]
    return frame.assign(
        epoch=frame["epoch"].mask(last, Facts.sheet_epochs), epochs=Facts.sheet_epochs
    )
