"""Chapter 7's experiment."""

import pandas as pd
import pytest
from tables import arranged, run_rows

from bnbook import norms
from bnbook.chapters.other_norms.experiments import (
    BATCH_SIZE_ARMS,
    NORMS,
    OTHER_BATCH_SIZES,
    OTHER_NORMS,
    RATES,
    REFERENCE,
)


def tuned(best):
    """Tuning records in which each arm of `best` does best at its rate there."""
    rows = []
    for run in OTHER_NORMS.runs(pd.DataFrame()):
        arm = OTHER_NORMS.arm_of(run)
        if arm in best:
            rows += run_rows(run, arm, [0.1, 0.95 if run.lr == best[arm] else 0.92])
    return arranged(rows, NORMS)


def test_every_norm_of_the_chapter_has_an_arm_and_a_contrast():
    later = set(norms.KINDS) - {"mean", "variance"}  # chapter 4's
    assert set(NORMS.values()) == later
    assert {c.a for c in OTHER_NORMS.contrasts} == set(NORMS) - {REFERENCE}
    assert {(c.b, c.lr) for c in OTHER_NORMS.contrasts} == {(REFERENCE, "best")}


def test_an_arm_has_its_norm_in_every_slot_where_that_can_be():
    held = {arm: run.norms for arm, run in OTHER_NORMS.arms.items()}
    assert held.pop("instance norm") == ("instance", "instance", "none", "none")
    assert held == {arm: (kind,) * 4 for arm, kind in NORMS.items() if arm in held}


def test_first_all_arms_are_tuned_on_one_grid():
    runs = OTHER_NORMS.runs(pd.DataFrame())
    assert len(runs) == len(NORMS) * len(RATES) * 2
    assert {run.seed for run in runs} == {100, 101}


def test_then_fresh_seeds_run_at_the_best_rate_and_some_at_other_batch_sizes():
    frame = tuned({"cone": 0.5, "whitening": 2.0})
    later = [run for run in OTHER_NORMS.runs(frame) if run.seed < 100]
    assert {(OTHER_NORMS.arm_of(r), r.lr) for r in later} == {("cone", 0.5), ("whitening", 2.0)}
    sizes = {arm: {r.batch_size for r in later if OTHER_NORMS.arm_of(r) == arm} for arm in NORMS}
    assert sizes["cone"] == {128}
    assert sizes["whitening"] == {128, *OTHER_BATCH_SIZES}
    assert {run.seed for run in later} == {15, 16, 17, 18, 19}
    assert len(later) == 5 + 5 * (1 + len(OTHER_BATCH_SIZES))


@pytest.mark.parametrize("arm", BATCH_SIZE_ARMS)
def test_arms_of_the_batch_size_series_exist(arm):
    assert arm in NORMS
