"""Chapter 3: which norm is missed most, from frames where the decision must flip."""

import pandas as pd
import pytest
from tables import altered

from bnbook import chapters, findings
from bnbook.chapters.per_layer import removals
from bnbook.chapters.per_layer.experiments import PER_LAYER_AGAIN
from bnbook.findings import decisions

FIRST = "234"


@pytest.fixture(scope="module")
def found():
    return chapters.find(3).facts


def firsts(change):
    """Compare the first norm at both rates after `change(seed)` is added to the accuracy without.

    Every other net ends as the full one does.
    """
    frame = findings.final(chapters.RECORDS["per-layer-again"])
    full = frame[frame["arm"] == "1234"].set_index(["lr", "seed"])["test_accuracy"]
    same = full.loc[pd.MultiIndex.from_frame(frame[["lr", "seed"]])].to_numpy()
    first = (frame["arm"] == FIRST) * frame["seed"].map(change)
    frame = frame.assign(test_accuracy=same + first)
    return removals.firsts(findings.contrasts(frame, PER_LAYER_AGAIN.contrasts))


WORSE, BETTER, MIXED = (
    firsts(change)
    for change in (lambda _: -0.01, lambda _: 0.01, lambda seed: 0.02 * (seed % 2) - 0.01)
)


@pytest.mark.parametrize(
    ("rows", "decision"),
    [
        (WORSE, decisions.SUPPORTED),
        (BETTER, decisions.REFUTED),
        (MIXED, decisions.UNDECIDED),
    ],
)
def test_the_first_is_missed_most_if_it_is_against_each_other_one(found, rows, decision):
    assert removals.missed_most(rows[rows["lr"] == "0.1"]) == decision
    assert altered(found, firsts=rows).decision == decision
    assert list(rows["layer"]) == 2 * ["conv2", "fc1", "fc2"]


def test_a_claim_of_one_rate_is_refined(found):
    one = pd.concat([WORSE[WORSE["lr"] == "0.1"], MIXED[MIXED["lr"] == "1"]])
    assert altered(found, firsts=one).C5 == decisions.REFINED
    assert altered(found, firsts=WORSE).C5 == decisions.REPRODUCED
    assert altered(found, firsts=MIXED).C5 == decisions.UNDECIDED


def test_only_a_cost_whose_interval_excludes_zero_is_missed(found):
    costs = found.costs.assign(low=-0.01, high=0.01)
    costs.loc[costs["layer"] == "fc1", ["mean", "low", "high"]] = (-0.02, -0.03, -0.01)
    one = altered(found, costs=costs)
    assert one.missed == one.missed_at_high == ("fc1",)
    assert one.most == "fc1"


def test_activations_that_shrink_everywhere_reproduce_the_claim(found):
    assert found.C6 == decisions.REFINED
    itself = found.ratios["of"] == "the layer itself"
    smaller = found.ratios.copy()
    sound = itself & (smaller["where"] != "after the norm")
    smaller.loc[sound, ["mean", "low", "high"]] = (0.5, 0.4, 0.6)
    assert altered(found, ratios=smaller).C6 == decisions.REPRODUCED
    larger = found.ratios.copy()
    larger.loc[itself, ["mean", "low", "high"]] = (2.0, 1.9, 2.1)
    assert altered(found, ratios=larger).C6 == decisions.REFUTED
