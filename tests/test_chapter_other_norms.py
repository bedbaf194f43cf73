"""Chapter 7 decides by contrasts with batch norm, and by equal time only once that is recorded."""

import pytest
from tables import altered

from bnbook import chapters, findings
from bnbook.chapters.other_norms.experiments import NORMS
from bnbook.findings import Interval, decisions

UP, OPEN, DOWN = (
    Interval(0.01, 0.005, 0.015),
    Interval(0, -0.01, 0.01),
    Interval(-0.01, -0.02, -0.005),
)


@pytest.fixture(scope="module")
def facts():
    return chapters.find(7).facts


def with_differences(facts, effect, **kinds):
    """Give all norms one difference from batch norm, and some another."""
    against = dict.fromkeys(facts.against, effect) | kinds
    finding = {
        kind: findings.UNDECIDED if x.low <= 0 <= x.high else findings.DIFFERENT
        for kind, x in against.items()
    }
    return altered(facts, against=against, finding=finding)


def test_one_norm_ahead_supports_its_idea_and_the_question(facts):
    found = with_differences(facts, DOWN, monarch=UP)
    assert found.leaders == ["Monarch whitening"]
    assert found.leading_ideas == ["compact covariance"]
    assert found.winner == with_differences(facts, DOWN, newton=UP, block=UP).winner == "whitening"
    assert with_differences(facts, DOWN, newton=UP, cone=UP).winner == "several kinds"
    assert with_differences(facts, DOWN).winner == "none"
    assert found.decision == found.compact == decisions.SUPPORTED
    assert found.full == found.integral == found.projections == decisions.REFUTED
    assert found.counts == (1, len(NORMS) - 2, 0)


def test_an_interval_around_zero_decides_nothing(facts):
    found = with_differences(facts, DOWN, sphere=OPEN)
    assert found.decision == found.projections == decisions.UNDECIDED


def test_equivalence_refutes(facts):
    found = with_differences(facts, DOWN, integral=OPEN)
    same = altered(found, finding=dict(found.finding, integral=findings.EQUIVALENT))
    assert same.integral == decisions.REFUTED


@pytest.mark.parametrize(
    ("gap", "decision"),
    [(DOWN, decisions.SUPPORTED), (OPEN, decisions.UNDECIDED), (UP, decisions.REFUTED)],
)
def test_a_regularizer_narrows_the_gap_between_the_losses(facts, gap, decision):
    assert altered(facts, loss_gap=gap).sparse == decision


@pytest.mark.parametrize(
    ("timed", "decision"),
    [
        ({"a": UP, "b": OPEN}, decisions.SUPPORTED),
        ({"a": DOWN, "b": OPEN}, decisions.UNDECIDED),
        ({"a": DOWN, "b": DOWN}, decisions.REFUTED),
    ],
)
def test_in_equal_time_one_ahead_suffices_and_all_within_the_margin_refute(facts, timed, decision):
    assert altered(facts, timed=timed).in_equal_time == decision


def test_leaders_differ_where_any_two_do(facts):
    assert altered(facts, between_leaders={"a - b": OPEN, "a - c": UP}).leaders_differ
    assert not altered(facts, between_leaders={"a - b": OPEN}).leaders_differ
