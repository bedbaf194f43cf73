"""What chapter 7 concludes from its records and timings, and when it concludes otherwise."""

import functools
from dataclasses import replace

import pandas as pd
import pytest
from tables import arranged, run_rows

from bnbook import norms
from bnbook.answers import other_norms
from bnbook.experiments.other_norms import (
    BATCH_SIZE_ARMS,
    NORMS,
    OTHER_BATCH_SIZES,
    OTHER_NORMS,
    REFERENCE,
)

NOISE = (0.001, -0.001, 0.0, 0.0005, -0.0005)
#: Final validation accuracies of a world in which little differs, but for what never trains.
USUAL = dict.fromkeys(NORMS, 0.95) | {"without a norm": 0.11, "whitening by PCA": 0.11}
CHOICES = ("in full", "compact", "others", "none")


def recorded(finals, at_32=None, gaps=None, unsteady=0.0):
    """Records in which each arm ends at `finals`, best at the second rate.

    `at_32` says what whitening ends at in batches of 32, `gaps` what separates an arm's
    validation from its training loss, `unsteady` what running statistics cost whitening.
    """
    gaps = gaps or {}
    rows = []
    for run in OTHER_NORMS.runs(pd.DataFrame()):
        arm = OTHER_NORMS.arm_of(run)
        rows += end(run, arm, finals[arm] - 0.05 * (run.lr != 2.0), gaps, unsteady)
    for arm, base in OTHER_NORMS.arms.items():
        sizes = (128, *OTHER_BATCH_SIZES) if arm in BATCH_SIZE_ARMS else (128,)
        for size in sizes:
            for seed, noise in zip(range(10, 15), NOISE, strict=True):
                run = replace(base, lr=2.0, seed=seed, batch_size=size)
                final = at_32 if at_32 and (arm, size) == ("whitening", 32) else finals[arm]
                # The noise of one arm is not that of the next.
                rows += end(run, arm, final + noise * (1 + len(arm) % 3), gaps, unsteady)
    return arranged(rows, NORMS)


def end(run, arm, final, gaps, unsteady):
    gap = gaps.get(arm, 0.0) + final / 100
    rows = run_rows(run, arm, [0.1, final], "trained" if final >= 0.9 else "not yet trained")
    for row in rows:
        row["epoch"] *= run.epochs
        row["train_loss"], row["val_loss"] = 0.1, 0.1 + gap
        row["test_accuracy_running"] = row["test_accuracy"] - unsteady * (arm == "whitening")
    return rows


def timed(**seconds):
    """Turns in which every arm's step takes a second, but for `seconds` by kind of norm."""
    steps = pd.DataFrame(
        {"arm": arm, "batch_size": 128, "turn": turn, "seconds": seconds.get(kind, 1.0)}
        for turn in range(9)
        for arm, kind in NORMS.items()
    )
    widths = pd.DataFrame(
        {"kind": kind, "width": width, "turn": turn, "seconds": seconds.get(kind, 1.0)}
        for turn in range(9)
        for width in (16, 512)
        for kind in ("batch", "zca")
    )
    return steps, widths


def compared(finals=None, seconds=None, **changes):
    frame = recorded(USUAL | (finals or {}), **changes)
    return other_norms.compare(frame, *timed(**(seconds or {})))


@functools.cache
def usual():
    return compared()


def test_the_ideas_are_d2ls_five_questions_in_their_order():
    said = other_norms.answers(usual())
    assert [question[0] for question in said] == list("12345")
    words = ("integral", "covariance", "ompact", "sparsification", "projections")
    assert all(word in question for word, question in zip(words, said, strict=True))


def test_every_arm_that_has_a_norm_is_answered_or_usual():
    found = usual()
    text = " ".join([*other_norms.answers(found).values(), other_norms.one_image_at_a_time(found)])
    for arm in set(NORMS) - {REFERENCE, "without a norm", "whitening by PCA"}:
        assert arm.lower() in text.lower(), arm
    assert set(other_norms.ARM_OF) == set(norms.KINDS) - {"mean", "variance"}


@pytest.mark.parametrize(
    ("final", "place"),
    [
        (0.97, other_norms.ABOVE),
        (0.95, other_norms.EQUAL),
        (0.93, other_norms.BELOW),
        (0.11, other_norms.BELOW),
    ],
)
def test_an_arm_stands_where_its_accuracy_puts_it(final, place):
    found = compared({"cone": final})
    assert found.standing("cone") == place
    assert "cone" in found.standing_at(place)
    assert ("at chance" in found.in_a_clause("cone")) == (final < 0.2)


def test_the_line_in_a_hurry_names_what_is_clearly_better_and_its_price():
    found = compared({"block whitening": 0.97}, {"block": 3.0})
    assert found.clear_winners() == ["block whitening"]
    said = other_norms.in_short(found)
    assert said.startswith("Block whitening ends clearly above batch norm, at 3.0 [3.0, 3.0] times")
    assert "As good and quicker" not in said


def test_the_line_in_a_hurry_names_what_is_as_good_and_quicker():
    said = other_norms.in_short(compared(seconds={"layer": 0.9}))
    assert said.startswith("None ends clearly above batch norm.")
    assert said.endswith("As good and quicker: layer norm.")
    assert "None is shown to be both as good and quicker." in other_norms.in_short(usual())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seconds": {"zca": 40.0}}, "512 features it takes 40 [40, 40] times batch norm's time"),
        ({"at_32": 0.80}, "in batches of 32 it ends −15.00\N{NO-BREAK SPACE}points"),
        (
            {"unsteady": 0.1},
            "with its own running statistics it ends −10.00\N{NO-BREAK SPACE}points",
        ),
        ({}, "its PCA form learns nothing"),
    ],
)
def test_reasons_against_the_full_covariance_are_those_in_the_records(changes, reason):
    question = "2. A full covariance, and why probably not?"
    assert reason in other_norms.answers(compared(**changes))[question]
    if changes:
        assert reason not in other_norms.answers(usual())[question]


def test_small_batches_are_a_reason_only_where_they_make_whitening_worse():
    found = compared({"whitening": 0.93}, at_32=0.94)
    said = other_norms.answers(found)["2. A full covariance, and why probably not?"]
    assert "in batches of 32" not in said


def test_without_any_reason_against_the_full_covariance_that_is_said():
    found = other_norms.answers(compared({"whitening by PCA": 0.95}))
    assert "no reason against it" in found["2. A full covariance, and why probably not?"]


@pytest.mark.parametrize(
    ("gap", "final", "answer"),
    [
        (-0.05, 0.97, "It narrows the gap between training and validation loss, and gains"),
        (-0.05, 0.93, "It narrows the gap between training and validation loss, and costs"),
        (-0.05, 0.95, "It narrows the gap between training and validation loss, at no cost"),
        (0.05, 0.95, "No: the gap between training and validation loss is wider"),
        (0.0, 0.95, "No sign of it"),
        (0.0, 0.11, "No: soft threshold stays at chance"),
    ],
)
def test_a_regularizer_narrows_the_gap_between_training_and_validation(gap, final, answer):
    found = compared({"soft threshold": final}, gaps={"soft threshold": gap})
    assert other_norms.answers(found)["4. Does sparsification regularize?"].startswith(answer)


def test_compact_forms_are_set_beside_full_whitening_too():
    found = compared({"whitening": 0.93}, {"zca": 2.0})
    said = other_norms.answers(found)["3. Compact matrices?"]
    assert said.startswith("Yes: with block whitening and Monarch whitening no loss")
    assert "points" in said
    assert "from full whitening in 0.5 [0.5, 0.5] times its time" in said
    better = compared({"block whitening": 0.97, "Monarch whitening": 0.97})
    start = "Yes: block whitening and Monarch whitening end above batch norm."
    assert other_norms.answers(better)["3. Compact matrices?"].startswith(start)
    worse = compared({"block whitening": 0.93, "Monarch whitening": 0.93})
    assert other_norms.answers(worse)["3. Compact matrices?"].startswith("They end below batch")


@pytest.mark.parametrize(
    ("winner", "right"),
    [
        ("whitening", "in full"),
        ("Monarch whitening", "compact"),
        ("cone", "others"),
        (None, "none"),
    ],
)
def test_the_prediction_is_settled_by_the_highest_clear_winner(winner, right):
    found = compared({winner: 0.97, "group norm": 0.96} if winner else {})
    assert other_norms.prediction(found, CHOICES)[0] == right


def test_batch_sizes_are_shown_with_both_ways_of_evaluation():
    table = other_norms.by_size(compared(unsteady=0.1))
    assert len(table) == 2 * len(BATCH_SIZE_ARMS) * (1 + len(OTHER_BATCH_SIZES))
    whitening = table[table["arm"] == "whitening"].groupby("evaluated")["mean"].mean()
    assert whitening.diff().abs().iloc[-1] == pytest.approx(0.1)
