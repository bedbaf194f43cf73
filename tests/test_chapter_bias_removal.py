"""Chapter 1: the decision on the bias, from frames where it must flip."""

import pytest

from bnbook import chapters
from bnbook.chapters.bias_removal.facts import Facts
from bnbook.findings import decisions

NAME = "bias-removal"


@pytest.fixture
def records():
    names = (NAME, "transfer-momentum")
    return {name: chapters.RECORDS[name].copy() for name in names}


def test_equal_pairs_make_the_same_net(records):
    found = Facts(records)
    assert found.decision == decisions.SUPPORTED
    assert found.C1 == decisions.REPRODUCED
    assert found.pairs == 30


def test_one_pair_that_parts_is_enough_against_it(records):
    frame = records[NAME]
    ends = frame[(frame["arm"] == "no biases") & frame["test_correct"].notna()]
    frame.loc[ends.index[0], "test_accuracy"] += 1e-4
    found = Facts(records)
    assert (found.equal, found.decision, found.C1) == (29, decisions.REFUTED, decisions.REFUTED)


def test_only_recorded_settings_are_compared(records):
    assert Facts(records).settings == 1
