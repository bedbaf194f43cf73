"""Chapter 9's facts flip with what the records say."""

import numpy as np
import pandas as pd
import pytest
import torch
from tables import altered

from bnbook import chapters
from bnbook.chapters.inference import measured
from bnbook.chapters.inference.facts import MOVING, SORTED, STILL
from bnbook.findings import DIFFERENT, EQUIVALENT, Interval, decisions
from bnbook.findings import UNDECIDED as UNKNOWN
from bnbook.run import Run

CHAPTER = chapters.find(9)


def near(value):
    return Interval(value, 0.9 * value, 1.1 * value)


def off(moving, still, by_label=0.03):
    """Facts in which both nets are off by so much in training, and with weights held fixed."""
    values = {MOVING: near(moving), STILL: near(still), SORTED: near(by_label)}
    return altered(
        CHAPTER.facts,
        off={arm: CHAPTER.facts.off[arm] | values for arm in measured.ACTIVATIONS},
        extra=dict.fromkeys(measured.ACTIVATIONS, near(moving - still)),
    )


def test_age_is_to_blame_where_moving_weights_account_for_most():
    assert off(0.02, 0.001).decision == decisions.SUPPORTED
    assert off(0.02, 0.019).decision == decisions.REFUTED
    assert off(0.02, 0.008).decision == decisions.UNDECIDED


def test_an_interval_across_zero_decides_nothing():
    found = altered(off(0.02, 0.001), extra={"sigmoid": near(0.02), "ReLU": Interval(0, -1, 1)})
    assert found.decision == decisions.UNDECIDED


def test_shuffling_must_help_and_order_must_matter():
    assert off(0.02, 0.001).D1 == decisions.REPRODUCED
    assert off(0.02, 0.001, by_label=0.0015).D1 == decisions.REFINED
    assert off(0.02, 0.01).D1 == decisions.REFUTED
    assert off(0.02, 0.002).D1 == decisions.UNDECIDED


def placed(*rows):
    table = pd.DataFrame(rows, columns=["finding", "mean"]).assign(lr="own best")
    return altered(CHAPTER.facts, placed=table)


@pytest.mark.parametrize(
    ("rows", "decision"),
    [
        ([(DIFFERENT, -0.01), (DIFFERENT, -0.01)], decisions.REPRODUCED),
        ([(DIFFERENT, -0.01), (UNKNOWN, 0.0)], decisions.REFINED),
        ([(DIFFERENT, 0.01), (EQUIVALENT, 0.0)], decisions.REFUTED),
        ([(UNKNOWN, -0.01), (UNKNOWN, 0.01)], decisions.UNDECIDED),
        ([(EQUIVALENT, 0.0), (UNKNOWN, 0.01)], decisions.UNDECIDED),
    ],
)
def test_a_place_that_is_not_shown_to_matter_is_undecided_not_refuted(rows, decision):
    found = placed(*rows)
    assert found.A6 == found.D4 == decision


def test_folding_that_changes_outputs_would_refute_the_claim():
    assert CHAPTER.facts.D3 == decisions.REPRODUCED
    assert altered(CHAPTER.facts, folding_error=1e-3).D3 == decisions.REFUTED


def test_folding_is_exact_and_leaves_no_norm():
    net, folded, error = measured.folding_error(Run(norms=("batch",) * 4))
    assert error < 1e-12
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())
    assert not any("BatchNorm" in type(m).__name__ for m in folded.modules())


def looks(sizes):
    """Rows of a study: per cause and seed one look that is off by `sizes[cause]`."""
    causes = {"last": (1.0, 0.04), "usual": (0.1, sizes)}
    return pd.DataFrame(
        {
            "arm": "ReLU",
            "seed": seed,
            "weights": "moving",
            "order": "trained",
            "rate": rate,
            "correct": 9_000 - round(10_000 * size * (1 + seed / 10)),
            "correct_precise": 9_000,
            "images": 10_000,
        }
        for rate, size in causes.values()
        for seed in range(5)
    )


def test_how_much_averaging_helps_is_a_ratio_by_seed():
    found = measured.averaging(looks(0.02), "ReLU")
    assert found.mean == pytest.approx(2, rel=0.02)
    assert found.low > 1
    assert measured.averaging(looks(0.08), "ReLU").high < 1


def test_the_means_of_the_layers_keep_their_order():
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "series": "fixed images",
            "lr": measured.LR,
            "cosine": np.array([-0.5, -0.4, -0.3, -0.2]) + 0.01 * seed,
            "step_size": np.array([4.0, 3.0, 2.0, 1.0]) * (2 if arm == "sigmoid" else 1),
            "autocorrelation": [[0.1, 0.5 + 0.01 * seed]] * 4,
        }
        for arm in measured.ACTIVATIONS
        for seed in range(3)
    ]
    moved = measured.motion(pd.DataFrame(rows))
    cosine = measured.by_layer(moved, "cosine")
    assert cosine["sigmoid"]["conv1"].mean == pytest.approx(-0.49)
    assert cosine["ReLU"]["fc2"].mean == pytest.approx(-0.19)
    assert measured.step_ratios(moved)["conv2"].mean == pytest.approx(2)
    assert measured.by_layer(moved, "zigzag")["sigmoid"]["fc1"].low > 0
    assert list(measured.autocorrelation(moved)["lag"].unique()) == [1, 2]
