"""Where the share of seeds that train falls to one half."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import shares

from bnbook import findings

GRID = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


def half(trained):
    return findings.half_point(shares(trained), "with BN")


@given(st.integers(1, len(GRID) - 1), st.integers(3, 10))
@settings(max_examples=25, deadline=None)
def test_under_separation_it_is_the_middle_of_the_gap_and_the_interval_is_finite(first_bad, n):
    found = half({lr: (n if i < first_bad else 0, n) for i, lr in enumerate(GRID)})
    last_good, bad = GRID[first_bad - 1], GRID[first_bad]
    assert found.status == "estimated"
    assert found.estimate == pytest.approx(math.sqrt(last_good * bad), rel=0.01)
    assert last_good * 0.5 < found.low < found.estimate < found.high < bad * 2


def test_it_agrees_with_logistic_regression():
    trained = {0.5: (5, 5), 1.0: (4, 5), 2.0: (3, 5), 4.0: (2, 5), 8.0: (1, 5), 15.0: (0, 5)}
    good, n = np.array(list(trained.values())).T
    x = sm.add_constant(np.log10(list(trained)))
    fit = sm.GLM(np.column_stack([good, n - good]), x, family=sm.families.Binomial()).fit()
    expected = 10 ** (-fit.params[0] / fit.params[1])
    found = half(trained)
    assert found.estimate == pytest.approx(expected, rel=0.01)
    assert found.low < expected < found.high


def test_profile_limits_are_where_the_likelihood_ratio_test_turns():
    trained = {0.5: (10, 10), 1.0: (8, 10), 2.0: (5, 10), 4.0: (2, 10), 8.0: (0, 10)}
    good, n = np.array(list(trained.values()), dtype=float).T
    x, found = np.log10(list(trained)), half(trained)

    def fit(midpoint):
        """Best log-likelihood with the half point fixed: a slope alone, no intercept."""
        response = np.column_stack([good, n - good])
        design = x - np.log10(midpoint)
        return sm.GLM(response, design, family=sm.families.Binomial()).fit().llf

    for limit in (found.low, found.high):
        assert 2 * (fit(found.estimate) - fit(limit)) == pytest.approx(3.841, abs=0.1)


def test_seeds_that_are_too_slow_at_low_learning_rates_do_not_count():
    slow = {0.01: (0, 5), 0.05: (2, 5)}
    fall = {0.5: (5, 5), 2.0: (5, 5), 8.0: (0, 5)}
    assert half(slow | fall) == half(fall) == half(fall)
    assert half(slow | fall).runs == 15


def test_censored_where_the_grid_ends():
    found = half(dict.fromkeys(GRID, (5, 5)))
    assert found.status == "above the grid"
    assert math.isinf(found.estimate)
    assert math.isinf(found.high)
    assert found.low == pytest.approx(30)
    assert str(found) == "above 30"


def test_a_late_dip_gives_a_lower_limit_only():
    found = half({0.1: (5, 5), 1.0: (5, 5), 10.0: (5, 5), 30.0: (3, 5)})
    assert math.isinf(found.high)
    assert found.low < 30
    assert "above 30" in str(found)


def test_an_arm_that_never_trains_has_no_half_point():
    found = half({0.1: (0, 5), 1.0: (1, 5), 10.0: (0, 5)})
    assert found.status == "never"
    assert math.isnan(found.estimate)
    assert str(found) == "no learning rate trains half of the seeds"


def test_more_seeds_narrow_the_interval():
    few = half({1.0: (3, 3), 2.0: (2, 3), 4.0: (1, 3), 8.0: (0, 3)})
    many = half({1.0: (30, 30), 2.0: (20, 30), 4.0: (10, 30), 8.0: (0, 30)})
    assert few.low < many.low < many.estimate < many.high < few.high
