"""The verdicts on the sources' claims: their rules, and their one source."""

import re

import nbformat
import pandas as pd
import pytest
from conftest import ROOT
from tables import FIVE, arranged, by_layer, over_rates, run_rows, shares, table, tuned

from bnbook import answers, claims, contents
from bnbook.answers import (
    activations,
    affine,
    bias_removal,
    learning_rate,
    lite,
    overview,
    per_layer,
)
from bnbook.answers.wording import list_of, rates, span
from bnbook.errors import BookError
from bnbook.findings import NOT_REPRODUCED, NOT_RUN, REFINED, REPRODUCED, Verdict
from bnbook.run import Run

BIASES = ("all biases", "no conv biases", "no linear biases", "no biases")


def judged(chapter):
    """Verdicts on the claims of a chapter that trains its nets in the page."""
    names = [claim.id for claim in claims.CLAIMS.values() if chapter in claim.chapters]
    return [Verdict((name,), REFINED, f"About {name}.") for name in names]


@pytest.fixture
def nothing_recorded(monkeypatch, tmp_path):
    monkeypatch.setenv("BNBOOK_DATA", str(tmp_path))


# One source


def test_chapters_with_records_leave_their_verdicts_to_answers():
    for number in answers.ANSWERS:
        cells = nbformat.read(ROOT / "chapters" / contents.find(number).file, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        assert "findings.verdict(" not in code, number
        assert re.search(r"answers\.\w+\.verdicts\(", code), number


def test_every_claim_is_listed_with_each_of_its_chapters(nothing_recorded):
    found = overview.judge({8: judged(8)})
    assert [(j.claim.id, j.chapter) for j in found] == [
        (claim.id, chapter) for claim in claims.CLAIMS.values() for chapter in claim.chapters
    ]
    written = {chapter.number for chapter in contents.CHAPTERS}
    for one in found:
        assert (one.verdict is None) == (one.chapter not in written)
        if one.chapter in answers.ANSWERS:
            assert one.verdict.status == NOT_RUN


def test_the_claims_are_those_of_the_sources():
    sizes = {"A": 9, "B": 5, "C": 12, "D": 8, "E": 3}
    assert list(claims.CLAIMS) == [f"{s}{n + 1}" for s, size in sizes.items() for n in range(size)]


def test_a_chapter_that_is_silent_on_its_own_claim_is_named(nothing_recorded):
    with pytest.raises(BookError, match="chapter 8 gives no verdict on B5"):
        overview.judge({8: []})


def test_a_chapter_that_judges_a_claim_of_others_is_named(nothing_recorded):
    with pytest.raises(BookError, match="chapter 8 judges C1"):
        overview.judge({8: [*judged(8), Verdict(("C1",), REFINED, "Hm.")]})


def test_the_page_counts_verdicts_and_shows_them_in_full(nothing_recorded):
    found = overview.judge({8: judged(8)})
    assert f"{len(claims.CLAIMS)} claims" in str(overview.tally(found))
    page = str(overview.of_source(found, "B"))
    written = {chapter.number for chapter in contents.CHAPTERS}
    for claim in claims.CLAIMS.values():
        if claim.source == "B":
            for number in set(claim.chapters) - written:
                assert f"chapter {number} to come" in page
    assert "**refined** in [Chapter 8](08-from-scratch.ipynb#the-verdict)" in page
    assert "About B5." in page
    assert "C1" not in page


# The rules: each branch is reached by records that call for it.


def status(verdict):
    return verdict.status


@pytest.mark.parametrize(("shift", "expected"), [(0.0, REFINED), (-0.02, NOT_REPRODUCED)])
def test_c1_biases_can_go_if_all_variants_are_equivalent(shift, expected):
    values = {arm: list(FIVE) for arm in BIASES}
    values["no biases"] = [value + shift for value in FIVE]
    (found,) = bias_removal.verdicts(table(values, lr=0.1))
    assert found.status == expected


WIDE = {0.05: (5, 5), 0.5: (5, 5), 4.0: (5, 5)}
MIDDLE = {0.05: (0, 5), 0.5: (5, 5), 4.0: (0, 5)}
NEVER = dict.fromkeys(WIDE, (0, 5))
POSTED = {0.05: (5, 5), 4.0: (3, 5)}


def posted(padded, bare):
    parts = [shares(padded, "without BN, padded"), shares(bare, "without BN")]
    return pd.concat(parts, ignore_index=True).astype({"arm": str})


@pytest.mark.parametrize(
    ("plain", "padded", "expected"),
    [
        (MIDDLE, POSTED, REPRODUCED),
        (WIDE | {8.0: (5, 5)}, POSTED, REFINED),
        (MIDDLE, {0.05: (0, 5), 4.0: (1, 5)}, REFINED),
        (MIDDLE, {0.05: (0, 5), 4.0: (0, 5)}, NOT_REPRODUCED),
    ],
)
def test_c2_the_range_of_rates_is_judged_by_the_sources_recipe(plain, padded, expected):
    normed = dict.fromkeys(plain, (5, 5))
    found = learning_rate.source_range(over_rates(normed, plain), posted(padded, POSTED))
    assert found.status == expected


@pytest.mark.parametrize(
    ("plain", "early", "robust"),
    [(MIDDLE, REFINED, REPRODUCED), (WIDE, NOT_REPRODUCED, NOT_REPRODUCED)],
)
def test_c3_and_d5_batch_norm_is_robust_if_it_trains_over_a_wider_range(plain, early, robust):
    frame = over_rates(WIDE, plain)
    assert learning_rate.early_and_robust(frame).status == early
    assert learning_rate.insensitive(frame).status == robust


def test_c3_is_reproduced_if_batch_norm_leads_everywhere_and_trains_more_widely():
    assert learning_rate.early_and_robust(over_rates(WIDE, NEVER)).status == REPRODUCED


@pytest.mark.parametrize(("plain", "expected"), [(NEVER, REFINED), (WIDE, NOT_REPRODUCED)])
def test_c4_larger_rates_are_permitted_if_the_half_point_is_higher(plain, expected):
    found = learning_rate.main_benefit(over_rates(WIDE, plain))
    assert found.status == expected


FIXED = {"gamma fixed": (0.93, 0.97), "beta fixed": (0.96, 0.97)}


@pytest.mark.parametrize(
    ("gamma", "beta", "expected"),
    [
        ((0.93, 0.95), (0.96, 0.97), REPRODUCED),
        ((0.93, 0.97), (0.96, 0.95), REFINED),
        ((0.96, 0.93), (0.95, 0.95), REFINED),
        ((0.96, 0.97), (0.95, 0.95), NOT_REPRODUCED),
    ],
)
def test_c7_both_chapters_judge_gamma_against_beta_alike(gamma, beta, expected):
    frame = tuned({"both learned": (0.97, 0.98), "gamma fixed": gamma, "beta fixed": beta})
    assert lite.gamma_or_beta(frame).status == expected
    assert affine.gamma_or_beta(frame).status == expected


@pytest.mark.parametrize(
    ("mean_only", "expected"), [((0.3, 0.97), REPRODUCED), ((0.95, 0.96), NOT_REPRODUCED)]
)
def test_c10_a_shared_rate_is_unfair_if_a_conclusion_changes(mean_only, expected):
    frame = tuned(
        {
            "full": (0.97, 0.98),
            "mean-only": mean_only,
            "variance-only": (0.92, 0.93),
            "none": (0.1, 0.1),
        }
    )
    assert lite.own_rates(frame).status == expected
    assert lite.changed(frame) == (["mean-only"] if expected == REPRODUCED else [])


@pytest.mark.parametrize(
    ("both", "expected", "words"),
    [
        ((0.93, 0.95), REFINED, "they matter too"),
        ((0.93, 0.98), REFINED, "depends on the learning rate"),
        ((0.97, 0.98), NOT_REPRODUCED, "hardly matter"),
    ],
)
def test_a3_the_affine_parameters_matter_where_fixing_them_costs(both, expected, words):
    found = affine.importance(
        tuned({"both learned": (0.97, 0.98), **FIXED, "both fixed": both}),
    )
    assert found.status == expected
    assert words in found.sentence


def along(gap, steps=5000):
    """Both fixed is behind by `gap` after each epoch, at both learning rates."""
    rows = []
    for lr in (0.1, 1.0):
        for n, (arm, lost) in enumerate({"both learned": [0, 0, 0], "both fixed": gap}.items()):
            norms = ("batch",) * 4 if n else ("none",) * 4
            for seed, noise in [*enumerate(FIVE), (100, 0.97), (101, 0.97)]:
                run = Run(norms=norms, lr=lr, seed=seed, epochs=3)
                course = [0.1, *(noise - (1 + 0.1 * seed * n) * loss for loss in lost)]
                rows += run_rows(run, arm, course)
    frame = arranged(rows, ["both learned", "both fixed"])
    return frame.assign(step=frame["epoch"] * steps // 3)


@pytest.mark.parametrize(
    ("gap", "steps", "expected"),
    [
        ([0.05, 0.02, 0.0], 5000, REPRODUCED),
        ([0.05, 0.03, 0.02], 5000, REFINED),
        ([0.01, 0.02, 0.03], 500, NOT_RUN),
        ([0.01, 0.02, 0.03], 5000, NOT_REPRODUCED),
    ],
)
def test_c8_the_loss_is_made_up_for_if_the_gap_closes(gap, steps, expected):
    assert affine.catching_up(along(gap, steps)).status == expected


def moved(gamma, beta):
    """Both learned, with every gamma at 1 + `gamma` and every beta at `beta` in the end."""
    frame = tuned({"both learned": (0.97, 0.98)})
    sizes = (6, 16, 120, 84)
    ends = frame["epoch"] == frame["epochs"]
    for column, value in (("gamma", 1 + gamma), ("beta", beta)):
        frame[column] = [
            [[value * (1 + 0.01 * seed)] * n for n in sizes] if last else None
            for seed, last in zip(frame["seed"], ends, strict=True)
        ]
    return frame


@pytest.mark.parametrize(
    ("gamma", "beta", "expected"), [(0.5, 0.1, REPRODUCED), (0.1, 0.5, NOT_REPRODUCED)]
)
def test_c9_gammas_depart_further_if_they_do_in_every_layer(gamma, beta, expected):
    assert affine.departures(moved(gamma, beta)).status == expected


@pytest.mark.parametrize(
    ("worth", "expected", "most"),
    [
        ({0: 0.9, 1: 0.1, 2: 0.1, 3: 0.2}, REPRODUCED, "conv1"),
        ({0: 0.1, 1: 0.1, 2: 0.2, 3: 0.9}, NOT_REPRODUCED, "fc2"),
    ],
)
def test_c5_the_first_norm_is_missed_most_if_leaving_it_out_costs_most(worth, expected, most):
    found = per_layer.first_norm(by_layer(worth))
    assert found.status == expected
    assert f"Missed most at both learning rates: {most} at every budget" in found.sentence


def inside(itself, others):
    """Mean squares of nets that lack one norm, as multiples of the full net's; fading."""
    rows = []
    for arm, lost in {"1234": None, "234": 0, "134": 1, "124": 2, "123": 3}.items():
        norms = tuple("none" if slot == lost else "batch" for slot in range(4))
        for seed in range(4):
            strength = [1.0, 1.0, 0.7, 0.5]  # of the effect, at epochs 0, 2, 4 and 8
            squares = [
                [
                    1.0 if lost is None else (itself if slot == lost else others) ** power
                    for slot in range(4)
                ]
                for power in (s * (1 + 0.02 * seed) for s in strength)
            ]
            columns = ("square_before", "square_normed", "square_activated")
            more = dict.fromkeys(columns, squares)
            run = Run(norms=norms, seed=seed, epochs=8)
            rows += run_rows(run, arm, [0.1, 0.9, 0.95, 0.97], **more)
    frame = arranged(rows, ["1234", "234", "134", "124", "123"])
    return frame.assign(epoch=frame["epoch"].map({0: 0, 1: 2, 2: 4, 3: 8}))


@pytest.mark.parametrize(
    ("itself", "others", "expected"),
    [
        (0.5, 1.5, REPRODUCED),
        (0.5, 1.0, REFINED),
        (1.0, 1.0, NOT_REPRODUCED),
    ],
)
def test_c6_activations_shrink_where_the_norm_is_lost_and_grow_elsewhere(itself, others, expected):
    found = activations.shrinking(inside(itself, others), [2, 4, 8])
    assert found.status == expected


# Words


def test_rates_are_a_range_only_if_none_between_is_missing():
    tried = [0.1, 0.5, 1.0, 2.0]
    assert span([0.5, 1.0, 2.0], tried) == "0.5 to 2"
    assert span([0.1, 1.0, 2.0], tried) == "0.1, 1 and 2"
    assert span([], tried) == rates([]) == "none"
    assert list_of("ab") == "a and b"
    assert list_of("a") == "a"
