"""Chapter 2: the limits of the learning rate, from frames where they must move."""

import numpy as np
import pytest
from tables import altered, shares

from bnbook import chapters, findings
from bnbook.chapters.learning_rates.facts import Facts
from bnbook.chapters.learning_rates.limits import by_rate, every_rate, limits
from bnbook.findings import Interval, decisions


@pytest.fixture(scope="module")
def found():
    return Facts(chapters.RECORDS)


def test_limits_are_neighbors_of_the_grid():
    table = findings.share_trained(shares({0.1: (0, 5), 0.5: (5, 5), 2.0: (3, 5), 8.0: (2, 5)}))
    found = limits(table)
    assert (found.below, found.first, found.last, found.above) == (0.1, 0.5, 2.0, 8.0)


def test_a_grid_that_is_too_short_leaves_a_limit_open():
    found = limits(findings.share_trained(shares({0.1: (5, 5), 2.0: (5, 5)})))
    assert (found.below, found.above) == (0, np.inf)
    with pytest.raises(ValueError, match="no learning rate"):
        limits(findings.share_trained(shares({0.1: (1, 5)})))


def test_a_median_is_that_of_runs_that_trained():
    first, further = shares({0.1: (2, 4)}), shares({8.0: (0, 4)})
    first["test_accuracy"] = first["val_accuracy"]
    table = by_rate(every_rate(first, further)).set_index("lr")
    assert table.loc[0.1, "trained"] == 2
    assert table.loc[0.1, "median"] == pytest.approx(0.97)
    assert np.isnan(table.loc[8.0, "median"])


@pytest.mark.parametrize(
    ("last", "above", "decision", "lower"),
    [
        (30.0, 60.0, decisions.SUPPORTED, False),
        (8.0, 16.0, decisions.UNDECIDED, False),  # 1.3 to 3.2 times as high
        (5.0, 6.0, decisions.REFUTED, False),
        (1.0, 2.0, decisions.REFUTED, True),
    ],
)
def test_twice_as_high_must_hold_for_the_whole_bracket(found, last, above, decision, lower):
    plain = altered(found.plain, last=5.0, above=6.0)
    now = altered(found, plain=plain, normed=altered(found.normed, last=last, above=above))
    assert (now.decision, now.lower) == (decision, lower)
    assert (now.C4 == decisions.REFINED) == (decision == decisions.SUPPORTED)


def test_larger_rates_are_the_main_benefit_if_going_on_gains_more(found):
    gain = Interval(0.03, 0.025, 0.035)
    assert altered(found, own_rate=gain).C4 == decisions.REPRODUCED
    assert altered(found, own_rate=Interval(0.01, 0.0, 0.02)).C4 == decisions.UNDECIDED


def test_one_end_of_the_sources_range_is_half_a_claim(found):
    assert found.C2 == decisions.REFINED
    assert altered(found, high_trained=0).C2 == decisions.REFUTED
    exact = altered(found.plain, first=found.low, last=found.high)
    assert altered(found, low_trained=5, plain=exact).C2 == decisions.REPRODUCED


def test_help_that_is_not_early_everywhere_refines(found):
    assert altered(found, ahead=found.runs - 1).C3 == decisions.REFINED
    narrow = altered(found.normed, first=1.0, last=2.0)
    assert altered(found, normed=narrow).D5 == decisions.REFUTED
