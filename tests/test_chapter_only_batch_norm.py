"""Chapter 13: what is concluded about nets that train only their batch norm."""

import numpy as np
import pandas as pd
import pytest
from tables import altered

from bnbook.chapters.only_batch_norm import experiments
from bnbook.chapters.only_batch_norm.facts import DEEP, HEAD, NORM, STRAIGHT, WEIGHTS, WIDE, Facts
from bnbook.findings.decisions import NOT_RUN, REFINED, REFUTED, REPRODUCED, SUPPORTED, UNDECIDED

TEST, PROBE = "test_accuracy", "readout_accuracy"
#: Accuracy of each net but those of a test.
USUAL = {"everything": 0.74, "norm and head": 0.45, WEIGHTS: 0.3, HEAD: 0.35}


def rows(experiment, arm, values, first=0, **more):
    """One finished run per value, as the measures of these experiments return it."""
    return [
        {
            "key": f"{experiment.name} {arm} {seed}",
            "run": arm,
            "arm": arm,
            "seed": seed,
            "lr": experiment.arms[arm].lr,
            "epoch": 10,
            "epochs": 10,
            "train_size": 40_000,
            "dataset": "cifar10-jpeg",
            "outcome": "finished",
            "val_accuracy": value,
            TEST: value,
            PROBE: value + 0.02,
            **more,
        }
        for seed, value in enumerate(values, first)
    ]


def near(value, spread=0.002):
    return [value - spread, value, value + 1.1 * spread]


def arranged(found, experiment):
    frame = pd.DataFrame(found)
    return frame.assign(arm=frame["arm"].astype(pd.CategoricalDtype(list(experiment.arms))))


def nets(ends, gamma=(0.001, 0.05, 0.5, 1.0)):
    """Records of "only-norm": `ends` maps arms to accuracies, one per seed."""
    plan = experiments.ONLY_NORM
    ends = {arm: near(USUAL.get(arm, 0.37)) for arm in plan.arms} | ends
    found = [
        row
        for arm, values in ends.items()
        for row in rows(plan, arm, values, gamma=list(gamma), pruned_accuracy=[0.3, 0.2, 0.1])
    ]
    return arranged(found, plan)


def recorded(ends=(), pixels=0.4, lost=(0.01, 0.05, 0.2), **more):
    """Make all records; `lost` is what the smallest gammas cost, `more` goes to `nets`."""
    plan, pruning, deeper = experiments.PIXELS, experiments.PRUNING, experiments.ONLY_NORM_DEEPER
    tuning = rows(plan, "pixels", [pixels] * 2, first=102)
    small = [
        row
        for arm in pruning.arms
        for base in near(0.37)
        for row in rows(pruning, arm, [base], first=int(1e4 * base))
    ]
    for row in small:
        row["weakest"] = [row[TEST] - cost * (1 + row["seed"] % 3 / 10) for cost in lost]
        row["random"] = [0.1, 0.1, 0.1]
    deep = [
        row
        for arm in deeper.arms
        for row in rows(deeper, arm, near(USUAL.get(arm, 0.46)), 10, small_share=0.001)
    ]
    return {
        "only-norm": nets(dict(ends), **more),
        "only-norm-deeper": arranged(deep, deeper),
        "pruning": arranged(small, pruning),
        "softmax-on-pixels": arranged(tuning + rows(plan, "pixels", near(pixels)), plan),
    }


@pytest.mark.parametrize(
    ("norm", "decision", "a5"),
    [
        ([0.369, 0.37, 0.372], REFUTED, REFINED),
        ([0.449, 0.45, 0.452], SUPPORTED, REPRODUCED),
        ([0.35, 0.4, 0.45], UNDECIDED, None),
    ],
)
def test_random_features_carry_far_only_if_they_pass_the_pixels(norm, decision, a5):
    found = Facts(recorded({NORM: norm}))
    assert found.decision == decision
    assert a5 is None or a5 == found.A5


def test_a_lead_over_random_weights_that_seeds_disagree_on_is_undecided():
    found = Facts(recorded({WEIGHTS: [0.3, 0.37, 0.45]}))
    assert found.A5 == UNDECIDED
    assert Facts(recorded({WEIGHTS: near(0.5)})).A5 == REFUTED


def test_depth_beats_width_only_if_both_heads_say_so():
    deeper = recorded({DEEP: near(0.45), WIDE: near(0.4, 0.001)})
    assert Facts(deeper).A7 == REPRODUCED
    frame = deeper["only-norm"]
    turned = frame[PROBE].where(frame["arm"] != WIDE, 0.5 + frame["seed"] / 1000)
    assert Facts(deeper | {"only-norm": frame.assign(**{PROBE: turned})}).A7 == UNDECIDED


def test_shortcuts_are_judged_on_either_side():
    assert Facts(recorded({STRAIGHT: near(0.45, 0.001)})).A9 == REPRODUCED
    assert Facts(recorded({STRAIGHT: near(0.3, 0.001)})).A9 == REFUTED
    assert Facts(recorded({STRAIGHT: [0.3, 0.37, 0.44]})).A9 == UNDECIDED


@pytest.mark.parametrize(
    ("gamma", "verdict"),
    [
        ([0.001] * 3 + [1.0] * 7, REPRODUCED),
        ([0.001] + [1.0] * 19, REFINED),
        ([1.0] * 20, REFUTED),
    ],
)
def test_switched_off_features_are_counted(gamma, verdict):
    assert verdict == Facts(recorded(gamma=gamma)).A2


@pytest.mark.parametrize(
    ("lost", "verdict"),
    [((0.005, 0.1, 0.2), REPRODUCED), ((0.1, 0.2, 0.3), REFUTED), ((0.018, 0.1, 0.2), UNDECIDED)],
)
def test_little_cost_is_below_two_points(lost, verdict):
    assert verdict == Facts(recorded(lost=lost)).A8


def test_the_depth_of_the_source_is_judged_once_it_is_recorded():
    given = recorded()
    found = Facts(given)
    assert found.A1 == NOT_RUN
    assert altered(found, source=(0.66, 0.93)).A1 == REPRODUCED
    assert altered(found, source=(0.5, 0.9)).A1 == REFINED


def test_the_nets_of_depth_20_stand_beside_the_others():
    found = Facts(recorded())
    names = [f"{arm}, depth 20" for arm in experiments.ONLY_NORM_DEEPER.arms]
    assert list(found.nets["arm"])[-3:] == names
    assert found.at_20 == found.nets["own"].iloc[-2].mean == pytest.approx(0.46, abs=0.001)
    assert found.ahead_at_20.mean == pytest.approx(0.11)
    assert found.further.mean == pytest.approx(0.09, abs=0.001)
    assert found.pairs["planned"].iloc[-2:].all()


def test_differences_of_other_seeds_have_welchs_interval():
    gap = -Facts(recorded({NORM: near(0.37)})).above[NORM]
    assert gap.mean == pytest.approx(0.03, abs=1e-3)
    assert gap.low < gap.mean < gap.high
    assert np.isfinite([gap.low, gap.high]).all()
