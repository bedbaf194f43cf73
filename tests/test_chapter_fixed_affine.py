"""Chapter 5: what fixing gamma and beta costs, by facts that the test bends."""

import pytest
from tables import altered

from bnbook import chapters
from bnbook.chapters.fixed_affine.facts import BETA, BOTH, GAMMA
from bnbook.findings import DIFFERENT, EQUIVALENT, Interval, decisions
from bnbook.findings.statistics import UNDECIDED

CHAPTER = chapters.find(5)
ABOVE, ZERO, BELOW = Interval(0.01, 0.005, 0.015), Interval(0, -0.01, 0.01), Interval(-1, -2, -0.5)
NONE = Interval(0, -0.001, 0.001)


def own(**changes):
    """The facts with something else at own rates."""
    return altered(CHAPTER.facts, at_own=altered(CHAPTER.facts.at_own, **changes))


def shared(**changes):
    return altered(CHAPTER.facts, at_shared=altered(CHAPTER.facts.at_shared, **changes))


@pytest.mark.parametrize(
    ("cost", "finding", "decision"),
    [
        (ABOVE, DIFFERENT, decisions.SUPPORTED),
        (BELOW, DIFFERENT, decisions.REFUTED),
        (NONE, EQUIVALENT, decisions.REFUTED),
        (ZERO, UNDECIDED, decisions.UNDECIDED),
    ],
)
def test_fixing_both_costs_accuracy_or_not(cost, finding, decision):
    found = own(cost={**CHAPTER.facts.at_own.cost, BOTH: cost}, finding={BOTH: finding})
    assert found.decision == decision
    assert {decisions.SUPPORTED: decisions.REFINED}.get(decision, decision) == found.A3


def test_a_shared_rate_is_unfair_only_where_a_sign_changes():
    more = altered(CHAPTER.facts, change={**CHAPTER.facts.change, BOTH: ABOVE})
    assert more.C10 == decisions.REFINED
    costs = {GAMMA: ABOVE, BETA: ABOVE, BOTH: ABOVE}
    still = altered(CHAPTER.facts, change={GAMMA: ZERO, BETA: ZERO, BOTH: ZERO})
    assert still.C10 == decisions.UNDECIDED  # equivalent at one rate, undetected at the other
    turned = altered(
        CHAPTER.facts,
        at_shared=altered(CHAPTER.facts.at_shared, cost=costs),
        at_own=altered(CHAPTER.facts.at_own, cost={**costs, BETA: BELOW}),
    )
    assert turned.C10 == decisions.REPRODUCED


@pytest.mark.parametrize(
    ("at_shared", "at_own", "decision"),
    [
        (ABOVE, ABOVE, decisions.REPRODUCED),
        (ABOVE, ZERO, decisions.REFINED),
        (ZERO, ABOVE, decisions.UNDECIDED),
        (BELOW, ABOVE, decisions.REFUTED),
    ],
)
def test_gamma_against_beta(at_shared, at_own, decision):
    found = altered(
        CHAPTER.facts,
        at_shared=altered(CHAPTER.facts.at_shared, gamma_over_beta=at_shared),
        at_own=altered(CHAPTER.facts.at_own, gamma_over_beta=at_own),
    )
    assert decision == found.C7


@pytest.mark.parametrize(
    ("first", "last", "narrowed", "decision"),
    [
        (ABOVE, NONE, ABOVE, decisions.REPRODUCED),
        (ABOVE, ABOVE, ABOVE, decisions.REFINED),
        (ABOVE, ZERO, ABOVE, decisions.UNDECIDED),
        (ZERO, ZERO, ZERO, decisions.UNDECIDED),
        (BELOW, ABOVE, BELOW, decisions.REFUTED),
    ],
)
def test_catching_up(first, last, narrowed, decision):
    assert decision == shared(behind={1: first, 10: last}, narrowed=narrowed).C8


def test_gammas_go_further_everywhere_on_average_or_not():
    assert CHAPTER.facts.C9 == decisions.REPRODUCED
    one = {**CHAPTER.facts.at_own.gamma_further, "fc2": BELOW}
    assert own(gamma_further=one).C9 == decisions.REFINED
    assert shared(further=ZERO).C9 == decisions.UNDECIDED
    assert shared(further=BELOW).C9 == decisions.REFUTED
