"""Chapter 4: which half of batch norm comes closer to the whole, by records that the test bends."""

import pytest
from tables import altered

from bnbook import chapters, findings
from bnbook.chapters.lite_batch_norm.facts import MEAN, VARIANCE, Ends, Facts
from bnbook.errors import NoRecordsError
from bnbook.findings import Interval, decisions, transfer

CHAPTER = chapters.find(4)


def bent(change):
    """Facts of records whose mean-only nets, at their own rate, score `change(seed)` more."""
    frame = chapters.RECORDS["own-rates"].copy()
    rows = (frame["arm"] == MEAN) & (frame["lr"] == CHAPTER.facts.rates[MEAN])
    rows &= frame.index.isin(findings.fresh(frame).index)
    frame.loc[rows, "test_accuracy"] += frame.loc[rows, "seed"].map(change)
    return Facts({**chapters.RECORDS, "own-rates": frame})


@pytest.mark.parametrize(
    ("change", "decision", "closer"),
    [
        (lambda _: 0.0, decisions.SUPPORTED, MEAN),
        (lambda _: -0.1, decisions.REFUTED, VARIANCE),
        (lambda seed: -0.0123 + 0.05 * (-1) ** seed, decisions.UNDECIDED, ""),
    ],
)
def test_the_decision_follows_the_paired_difference(change, decision, closer):
    found = bent(change)
    assert (found.decision, found.closer) == (decision, closer)


def test_equal_halves_refute_that_one_is_closer():
    found = altered(CHAPTER.facts, halves=Interval(0.0, -0.001, 0.001), halves_equal=True)
    assert found.decision == decisions.REFUTED
    assert CHAPTER.sentences["predict"].choices(found)[2][0].startswith("Neither")


def test_a_net_that_is_still_climbing_at_one_rate_is_no_reason_to_tune():
    late, fine = Ends(10, 0, 10, 0, 0.88), Ends(10, 10, 0, 0, 0.98)
    one = altered(CHAPTER.facts, at_shared={MEAN: late}, at_own={MEAN: fine})
    assert one.C10 == decisions.UNDECIDED
    guesses = Ends(10, 1, 0, 9, 0.98)
    assert altered(one, at_shared={MEAN: guesses}).C10 == decisions.REPRODUCED


def test_runs_are_counted_as_trained_climbing_or_guessing():
    for ends in (*CHAPTER.facts.at_shared.values(), *CHAPTER.facts.at_own.values()):
        assert ends.trained + ends.climbing + ends.guessing == ends.runs


def test_a_setting_that_is_not_recorded_is_named():
    rows = CHAPTER.facts.elsewhere
    with pytest.raises(NoRecordsError, match="run `bnbook sweep transfer-relu`"):
        transfer.there(rows[rows["setting"] != transfer.RELU], transfer.RELU)
