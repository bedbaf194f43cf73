"""Chapter 8's facts flip with what the records and the tests say; its tests let right code pass."""

import numpy as np
import pandas as pd
import pytest
from tables import altered

from bnbook import chapters
from bnbook.chapters.from_scratch import checks
from bnbook.chapters.from_scratch.experiments import MISTAKES, SHEET
from bnbook.chapters.from_scratch.facts import (
    CURVES,
    _fewest,
    blank_pixels,
    prepared,
)
from bnbook.chapters.from_scratch.facts import compared as against_correct
from bnbook.findings import decisions
from bnbook.studies import by_hand

CHAPTER = chapters.find(8)


def compared(losses=(), accuracies=None, noise=1e-5):
    """Facts of 20 seeds in which `losses` are so many times the right one, the others equal."""
    draw = np.random.default_rng(0)
    accuracies = accuracies or {}
    rows = [
        {
            "key": f"{code} {seed}",
            "code": code,
            "seed": seed,
            "epochs": 5,
            "dataset": "mnist",
            "losses": [1.0, dict(losses).get(code, 1.0) * 0.1 * np.exp(noise * draw.normal())],
            "val_accuracy": accuracies.get(code, 0.92) + noise * draw.normal(),
        }
        for code in by_hand.CODES
        for seed in range(20)
    ]
    frame = prepared(pd.DataFrame(rows))
    curves = {name: against_correct(frame, outcome) for name, outcome in CURVES.items()}
    return altered(CHAPTER.facts, curves=curves)


def test_mistakes_that_change_nothing_are_alike_and_the_curve_does_not_tell():
    found = compared()
    assert found.alike == MISTAKES
    assert found.control_alike
    assert found.decision == decisions.REFUTED


def test_most_losses_must_be_worse_for_the_curve_to_tell():
    found = compared(dict.fromkeys(MISTAKES[:7], 1.5))
    assert found.worse == MISTAKES[:7]
    assert found.decision == decisions.SUPPORTED


def test_a_lower_loss_looks_better_unless_the_accuracy_falls():
    assert compared({MISTAKES[1]: 0.5}).better == (MISTAKES[1],)
    found = compared({MISTAKES[1]: 0.5}, {MISTAKES[1]: 0.8})
    assert (found.worse, found.better) == ((MISTAKES[1],), ())


def test_seeds_that_scatter_decide_nothing():
    found = compared(noise=0.5)
    assert len(found.open) > len(MISTAKES) / 2
    assert found.decision == decisions.UNDECIDED


def test_the_claims_follow_the_checks():
    assert altered(CHAPTER.facts, first_layer_error=0.0).B5 == decisions.REPRODUCED
    assert altered(CHAPTER.facts, first_layer_error=1.0).B5 == decisions.REFINED
    assert altered(CHAPTER.facts, printed_error=0.1).B5 == decisions.REFUTED
    assert altered(CHAPTER.facts, learned=("momentum", "momentum_var")).D2 == decisions.REPRODUCED
    assert altered(CHAPTER.facts, learned=("weight",)).D2 == decisions.REFUTED
    assert altered(CHAPTER.facts, sheet_fails=()).E3 == decisions.REPRODUCED
    assert (
        altered(CHAPTER.facts, sheet_finding="no detectable difference").E3 == decisions.UNDECIDED
    )
    assert altered(CHAPTER.facts, sheet_finding="different").E3 == decisions.REFUTED


def test_right_code_passes_every_test_and_every_mistake_fails_one():
    caught = checks.caught()
    assert not caught.loc[["correct", "by hand"]].any(axis=None)
    assert caught.loc[[*MISTAKES, SHEET]].any(axis=1).all()


def test_the_posts_formula_is_the_gradient_and_its_first_layer_is_not():
    assert checks.printed_error() < 1e-12
    assert checks.first_layer_error() > 0.1


def test_costs_have_no_sign():
    assert CHAPTER.facts.loading.mean > 0
    assert CHAPTER.facts.loading.low <= CHAPTER.facts.loading.mean <= CHAPTER.facts.loading.high


def test_the_fewest_tests_catch_what_all_of_them_catch():
    caught = pd.DataFrame(
        {"a": [True, False, False], "b": [True, True, False], "c": [False, True, False]},
        index=list("xyz"),
    )
    assert _fewest(caught) == ("b",)


def test_nothing_is_blank_where_pixels_vary(monkeypatch):
    blank, pixels = blank_pixels()
    assert 0 < blank < pixels == 784
    monkeypatch.setitem(by_hand.CODES, SHEET, by_hand.Correct)
    assert blank_pixels()[0] == 0


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_a_code_of_the_study(name):
    assert name in by_hand.CODES
