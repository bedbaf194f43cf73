"""Chapter 3: which norm is missed most, from frames where the decision must flip."""

from dataclasses import replace

import pandas as pd
import pytest

from bnbook import chapters
from bnbook.chapters.per_layer import removals
from bnbook.chapters.per_layer.experiments import PER_LAYER, PER_LAYER_AGAIN
from bnbook.chapters.per_layer.facts import facts
from bnbook.findings import decisions

FIRST = "234"


@pytest.fixture(scope="module")
def found():
    names = ("per-layer", "as-posted", "transfer-relu", "transfer-momentum")
    return facts({name: chapters.RECORDS[name] for name in names})


def decided(change=None, experiment=PER_LAYER):
    """Decide at 0.1, where `change` is added to the test accuracy of the net without the first."""
    frame = chapters.RECORDS["per-layer"].copy()
    if change is not None:
        rows = frame["arm"] == FIRST
        frame.loc[rows, "test_accuracy"] += frame.loc[rows, "seed"].map(change)
    rows = removals.firsts(frame, experiment)
    return removals.missed_most(rows[rows["lr"] == "0.1"])


def test_the_first_is_missed_most_if_it_is_against_each_other_one():
    assert decided() == decisions.SUPPORTED
    assert decided(lambda seed: -0.01) == decisions.SUPPORTED


def test_a_first_norm_that_nobody_misses_refutes_it():
    assert decided(lambda seed: 0.01) == decisions.REFUTED


def test_seeds_that_disagree_leave_it_open():
    assert decided(lambda seed: 0.02 * (seed % 2) - 0.01) == decisions.UNDECIDED


def test_comparisons_that_are_declared_are_adjusted_with_all_declared():
    frame = chapters.RECORDS["per-layer"]
    few, many = (removals.firsts(frame, one) for one in (PER_LAYER, PER_LAYER_AGAIN))
    assert list(few["layer"]) == list(many["layer"]) == 2 * ["conv2", "fc1", "fc2"]
    assert (few["holm_difference"].to_numpy() <= many["holm_difference"].to_numpy()).all()


def test_a_claim_of_one_rate_is_refined(found):
    assert (found.decision, found.at_high) == (decisions.SUPPORTED, decisions.UNDECIDED)
    assert found.C5 == decisions.REFINED
    low = found.firsts[found.firsts["lr"] == "0.1"]
    both = replace(found, firsts=pd.concat([low, low.assign(lr="1")]))
    assert both.C5 == decisions.REPRODUCED
    high = found.firsts[found.firsts["lr"] == "1"]
    assert replace(found, firsts=pd.concat([high, high.assign(lr="0.1")])).C5 == decisions.UNDECIDED


def test_only_a_cost_whose_interval_excludes_zero_is_missed(found):
    assert found.missed == ("conv1",)
    assert found.missed_at_high == ()
    assert found.most == "conv1"
    assert 0 < found.first_cost.low < found.first_cost.high


def test_activations_that_shrink_everywhere_reproduce_the_claim(found):
    assert found.C6 == decisions.REFINED
    itself = found.ratios["of"] == "the layer itself"
    smaller = found.ratios.copy()
    sound = itself & (smaller["where"] != "after the norm")
    smaller.loc[sound, ["mean", "low", "high"]] = (0.5, 0.4, 0.6)
    assert replace(found, ratios=smaller).C6 == decisions.REPRODUCED
    larger = found.ratios.copy()
    larger.loc[itself, ["mean", "low", "high"]] = (2.0, 1.9, 2.1)
    assert replace(found, ratios=larger).C6 == decisions.REFUTED
