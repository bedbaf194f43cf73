"""Chapter 10: its decisions flip with the records, and equal loss means equal loss."""

import pandas as pd
import pytest
from tables import altered

from bnbook import chapters, findings
from bnbook.chapters.why import measures
from bnbook.chapters.why.experiments import AT_EQUAL_LOSS, NOISY_NORM, WITH, WITHOUT
from bnbook.chapters.why.measures import Effect
from bnbook.findings import DIFFERENT, UNDECIDED, decisions
from bnbook.findings.landscape import LARGER, OPEN, SMALLER

CHAPTER = chapters.find(10)


def effect(mean, finding):
    return Effect(mean, mean - 0.1, mean + 0.1, finding)


def noisy(against_with, against_without):
    both = {WITH: against_with, WITHOUT: against_without}
    return altered(CHAPTER.facts, noisy={"ReLU": both, "sigmoid": both})


def quantities(field, **findings_of):
    """Today's facts with other findings for some quantities, alike in both kinds of net."""
    old = getattr(CHAPTER.facts, field)
    changed = {name: effect(1.0, finding) for name, finding in findings_of.items()}
    return altered(CHAPTER.facts, **{field: {kind: old[kind] | changed for kind in old}})


@pytest.mark.parametrize(
    ("against_with", "against_without", "decision", "left"),
    [
        (effect(0.0, UNDECIDED), effect(0.5, DIFFERENT), decisions.REFUTED, "all"),
        (effect(-0.3, DIFFERENT), effect(0.2, DIFFERENT), decisions.SUPPORTED, "part"),
        (effect(-0.5, DIFFERENT), effect(-0.2, DIFFERENT), decisions.SUPPORTED, "nothing"),
        (effect(0.0, UNDECIDED), effect(0.1, UNDECIDED), decisions.UNDECIDED, ""),
    ],
)
def test_what_noise_leaves_decides(against_with, against_without, decision, left):
    facts = noisy(against_with, against_without)
    assert (facts.decision, facts.left) == (decision, left)


def test_noise_that_does_not_move_the_inputs_decides_nothing():
    still = {kind: {WITHOUT: effect(1.0, OPEN)} for kind in CHAPTER.facts.drift}
    assert altered(CHAPTER.facts, drift=still).decision == decisions.UNDECIDED


def test_smooth_and_steady_are_judged_apart():
    rough = {"relative_roughness": LARGER, "relative_sharpness": LARGER}
    assert quantities("equal", **rough, shift=OPEN).D8 == decisions.REFUTED
    open_ = dict.fromkeys(("relative_roughness", "relative_sharpness", "shift"), OPEN)
    assert quantities("equal", **open_).D8 == decisions.UNDECIDED
    whole = quantities("equal", **dict.fromkeys(open_, SMALLER))
    assert whole.D8 == decisions.REFINED, "noise speaks against steady inputs"


@pytest.mark.parametrize(
    ("breadth", "unevenness", "status"),
    [
        (LARGER, SMALLER, decisions.REPRODUCED),
        (SMALLER, SMALLER, decisions.REFINED),
        (SMALLER, OPEN, decisions.REFUTED),
        (OPEN, OPEN, decisions.UNDECIDED),
    ],
)
def test_range_and_evenness_are_two_claims(breadth, unevenness, status):
    assert status == quantities("steps", breadth=breadth, unevenness=unevenness).D7


def test_small_numbers_need_all_three():
    small = dict.fromkeys(("outputs", "gradients", "weights"), SMALLER)
    assert quantities("steps", **small).D6 == decisions.REPRODUCED
    assert quantities("steps", **dict.fromkeys(small, OPEN)).D6 == decisions.UNDECIDED
    assert quantities("steps", **dict.fromkeys(small, LARGER)).D6 == decisions.REFUTED


def test_flatter_is_not_yet_more_general():
    closer = {kind: findings.Interval(-0.01, -0.02, -0.005) for kind in CHAPTER.facts.wider}
    assert altered(CHAPTER.facts, wider=closer).C4 == decisions.REPRODUCED
    flat = {kind: findings.Interval(0.9, 0.7, 1.1) for kind in CHAPTER.facts.flatter}
    assert altered(CHAPTER.facts, flatter=flat).C4 == decisions.UNDECIDED
    sharp = {kind: findings.Interval(1.5, 1.2, 1.8) for kind in CHAPTER.facts.flatter}
    assert altered(CHAPTER.facts, flatter=sharp).C4 == decisions.REFUTED


def caught(arm, seed, level, loss):
    numbers = dict.fromkeys(AT_EQUAL_LOSS, loss)
    lists = {"drift": [0.1] * 4, "drift_before": [0.1] * 4, "shift_distance": [0.1] * 4}
    walked = {"line_loss": [1.0, 2.0], "line_change": [0.1, 0.2], "smoothness": 1.0}
    return {"arm": arm, "seed": seed, "level": level, "loss": loss} | numbers | lists | walked


def test_a_level_counts_only_where_both_nets_are_caught_at_one_loss():
    rows = [
        *(caught(f"ReLU, {WITH}", 0, level, loss) for level, loss in ((2.0, 0.9), (1.0, 0.9))),
        *(caught(f"ReLU, {WITHOUT}", 0, level, loss) for level, loss in ((2.0, 1.9), (1.0, 0.8))),
        caught(f"ReLU, {WITH}", 1, 0.5, 0.5),  # its partner never came so far
    ]
    found = measures.looks(pd.DataFrame(rows))
    assert found["together"].tolist() == [False, True, False, True, False]
    runs = measures.at_equal_loss(found)
    assert runs.set_index("arm")["sharpness"].to_dict() == {
        f"ReLU, {WITH}": pytest.approx(0.9),
        f"ReLU, {WITHOUT}": pytest.approx(0.8),
    }


def test_noise_is_all_that_tells_the_noisy_net_apart():
    for kind in ("ReLU", "sigmoid"):
        quiet = NOISY_NORM.arms[f"{kind}, with BN"]
        assert NOISY_NORM.arms[f"{kind}, noisy BN"] == altered(quiet, norm_noise=True)
