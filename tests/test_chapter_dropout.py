"""Chapter 6 decides by its declared contrasts, and its decisions flip with the records."""

import numpy as np
import pandas as pd
import pytest
from tables import altered

from bnbook import chapters
from bnbook.chapters.dropout import noise
from bnbook.experiment import MARGIN
from bnbook.findings import Interval, decisions, holm_intervals

UP, OPEN, DOWN = (
    Interval(0.01, 0.005, 0.015),
    Interval(0, -0.01, 0.01),
    Interval(-0.01, -0.02, -0.005),
)


@pytest.fixture(scope="module")
def facts():
    return chapters.find(6).facts


@pytest.mark.parametrize(
    ("swap", "decision"),
    [
        (UP, decisions.SUPPORTED),
        (Interval(-0.0005, -0.001, 0.0), decisions.SUPPORTED),  # worse, but within the margin
        (OPEN, decisions.UNDECIDED),
        (DOWN, decisions.REFUTED),
    ],
)
def test_batch_norm_replaces_dropout_where_it_costs_no_more_than_the_margin(facts, swap, decision):
    assert MARGIN == 0.002
    assert altered(facts, timed=altered(facts.timed, swap=swap)).decision == decision


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((UP, UP), decisions.REPRODUCED),
        ((UP, DOWN), decisions.REFINED),
        ((OPEN, DOWN), decisions.REFUTED),
        ((OPEN, OPEN), decisions.UNDECIDED),
    ],
)
def test_a_claim_of_parts_is_undecided_only_where_no_part_is(parts, status):
    assert decisions.of_parts(*map(decisions.sign, parts)) == status


def test_the_order_is_judged_by_both_kinds_of_statistics(facts):
    def judged(order, running):
        few, many = (
            altered(s, order=order, order_running=running) for s in (facts.few, facts.many)
        )
        return altered(facts, few=few, many=many).D4

    assert judged(DOWN, DOWN) == decisions.REPRODUCED
    assert judged(OPEN, DOWN) == decisions.REFINED
    assert judged(OPEN, OPEN) == decisions.UNDECIDED
    assert judged(UP, OPEN) == decisions.REFUTED


def test_a_comparison_that_nobody_planned_decides_nothing(facts):
    assert not chapters.experiment("batch-noise").contrasts
    for found in (UP, DOWN, OPEN):
        judged = altered(facts, small_fit=1.0, more_small=found, more_large=found)
        assert judged.C12 == decisions.UNDECIDED


def test_each_end_is_compared_with_the_mean_between():
    rng = np.random.default_rng(0)
    mean = {8: 0.03, 32: 0.0, 64: 0.02, 256: 0.01}
    leads = pd.DataFrame(
        {"batch_size": size, "seed": seed, "value": value + rng.normal(0, 1e-4)}
        for size, value in mean.items()
        for seed in range(5)
    )
    small, large, middle = noise.ends_and_middle(leads)
    assert small.mean == pytest.approx(0.02, abs=5e-4)
    assert small.low > 0
    assert large.low < 0 < large.high
    assert middle.mean == pytest.approx(0.01, abs=5e-4)


def test_holm_widens_all_intervals_but_the_last():
    rng = np.random.default_rng(1)
    clear, vague = rng.normal(1, 0.1, 10), rng.normal(0, 1, 10)
    alone = holm_intervals({"clear": clear})["clear"]
    both = holm_intervals({"clear": clear, "vague": vague})
    assert both["clear"].high - both["clear"].low > alone.high - alone.low
    assert both["vague"] == pytest.approx(holm_intervals({"vague": vague})["vague"])
    with pytest.raises(ValueError, match="fewer than two values: one"):
        holm_intervals({"one": [1.0]})
