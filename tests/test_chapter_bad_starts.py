"""Chapter 11: its decisions flip with the records."""

import pandas as pd
import pytest
from tables import altered

from bnbook import chapters
from bnbook.chapters.bad_starts.facts import GOOD, WITH, WITHOUT, gradient_ratios
from bnbook.findings import Interval, decisions

CHAPTER = chapters.find(11)
LAYERS = ("fc1", "fc2", "out")


def first(*ranges):
    """Today's facts with other gradients at the start, layer by layer."""
    found = (Interval((low + high) / 2, low, high) for low, high in ranges)
    return altered(CHAPTER.facts, first=dict(zip(LAYERS, found, strict=True)))


@pytest.mark.parametrize(
    ("ranges", "status", "gradient"),
    [
        ([(3, 5)] * 3, decisions.REFUTED, "larger"),
        ([(0.1, 0.3)] * 3, decisions.REPRODUCED, "smaller"),
        ([(3, 5), (0.1, 0.3), (3, 5)], decisions.REFINED, "larger"),
        ([(0.7, 1.5)] * 3, decisions.UNDECIDED, "same"),
        ([(0.1, 9)] * 3, decisions.UNDECIDED, ""),
    ],
)
def test_gradients_that_grow_refute_that_they_vanish(ranges, status, gradient):
    facts = first(*ranges)
    assert (facts.B4, facts.gradient) == (status, gradient)


@pytest.mark.parametrize(
    ("plain", "dropped", "status"),
    [
        (0, 0, decisions.REPRODUCED),
        (5, 0, decisions.REFINED),
        (0, 5, decisions.REFINED),
        (5, 5, decisions.REFUTED),
    ],
)
def test_the_post_is_right_in_both_readings_in_one_or_in_none(plain, dropped, status):
    trained = CHAPTER.facts.trained | {"without BN": plain, "without BN, dropout": dropped}
    facts = altered(CHAPTER.facts, trained=trained)
    assert status == facts.B1


def maps(*gains):
    found = {
        name: altered(CHAPTER.facts.maps[name], gain=Interval(sum(gain) / 2, *gain))
        for name, gain in zip(("Adam", "SGD"), gains, strict=True)
    }
    return altered(CHAPTER.facts, maps=found)


@pytest.mark.parametrize(
    ("adam", "sgd", "status", "decision"),
    [
        ((0.1, 0.3), (0.25, 0.25), decisions.REPRODUCED, decisions.SUPPORTED),
        ((0.1, 0.3), (-0.1, 0.2), decisions.REFINED, decisions.UNDECIDED),
        ((-0.1, 0.1), (-0.1, 0.2), decisions.UNDECIDED, decisions.UNDECIDED),
        ((-0.3, -0.1), (0.1, 0.2), decisions.REFUTED, decisions.REFUTED),
    ],
)
def test_the_map_decides_with_both_optimizers(adam, sgd, status, decision):
    facts = maps(adam, sgd)
    assert (facts.D5, facts.decision) == (status, decision)


def test_runs_are_counted_not_averaged():
    starts = chapters.RECORDS["start-map"]
    for optimizer, one in CHAPTER.facts.maps.items():
        mine = starts[starts["arm"] == f"{optimizer}, {WITH}"]
        assert one.runs == mine["key"].nunique()
        assert one.normed == (mine.groupby("key")["outcome"].first() == "trained").sum()


def test_half_a_gradient_is_half_a_gradient():
    posted = chapters.RECORDS["bad-starts"]
    good = posted[posted["arm"] == GOOD]
    halves = good["gradient_norm"].map(lambda norms: [norm / 2 for norm in norms])
    both = pd.concat([good, good.assign(arm=WITHOUT, gradient_norm=halves)])
    found = gradient_ratios(both, WITHOUT, 0)
    assert [ratio.mean for ratio in found.values()] == pytest.approx([0.5] * 3)
