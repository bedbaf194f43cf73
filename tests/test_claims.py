"""The sources' claims, our verdicts on them, and the page that has them all."""

import re

import pytest
from tables import table

from bnbook import chapters, findings
from bnbook.chapters import overview
from bnbook.errors import BookError
from bnbook.findings.claims import SOURCES
from bnbook.findings.decisions import NOT_RUN, REFINED, Verdict

SOME = 8  # a chapter that is made to judge without records


@pytest.fixture
def nothing_recorded(monkeypatch, tmp_path):
    monkeypatch.setenv("BNBOOK_DATA", str(tmp_path))
    monkeypatch.setattr(chapters.RECORDS, "_read", {})
    for chapter in chapters.CHAPTERS:
        monkeypatch.delitem(vars(chapter), "facts", raising=False)


@pytest.fixture
def some_judged(monkeypatch, nothing_recorded):
    """Make a chapter give verdicts, and the others none."""
    verdicts = chapters.Chapter.verdicts

    def judged(chapter):
        if chapter.number != SOME:
            return verdicts(chapter)
        claims = map(chapters.claim, chapter.judges)
        return [Verdict(claim, REFINED, f"About {claim.id}.") for claim in claims]

    monkeypatch.setattr(chapters.Chapter, "verdicts", judged)


def text(markdown):
    return markdown._repr_markdown_().replace("\N{NO-BREAK SPACE}", " ")


# The claims


def test_the_claims_are_those_of_the_sources():
    sizes = {"A": 9, "B": 5, "C": 12, "D": 8, "E": 3}
    assert list(chapters.CLAIMS) == [
        f"{s}{n + 1}" for s, size in sizes.items() for n in range(size)
    ]


def test_every_claim_has_a_known_source_and_chapter_and_plausible_figures():
    taken_up = {name for chapter in chapters.CHAPTERS for name in chapter.judges}
    assert taken_up == set(chapters.CLAIMS)
    for claim in chapters.CLAIMS.values():
        assert claim.source in SOURCES
        assert re.fullmatch(f"{claim.source}[0-9]+", claim.id)
        assert claim.text.endswith((".", ".)"))
        if claim.unit == "accuracy":
            assert all(0 < x < 1 for x in claim.figures.values())


def test_the_claims_of_the_five_chapters_are_all_there():
    found = {name for chapter in chapters.CHAPTERS[:5] for name in chapter.judges}
    assert found == {"A3", *(f"C{i}" for i in range(1, 11)), "D5"}


@pytest.mark.parametrize("chapter", chapters.CHAPTERS, ids=lambda chapter: chapter.slug)
def test_a_chapter_judges_the_claims_that_it_states(chapter):
    assert {claim.id for claim in chapter.claims} <= set(chapter.judges)


def test_published_figures_stand_beside_the_same_recipe_with_several_seeds():
    posted = table({"no biases": [0.98, 0.982, 0.984], "other": [0.5, 0.5, 0.5]})
    c1, c2 = chapters.claim("C1"), chapters.claim("C2")
    shown = text(findings.published(c1, {"no hidden biases": "no biases"}, posted))
    assert (
        "| no hidden biases | 98.21% | 92.20% [91.70, 92.70] | 92.00% to 92.40% "
        "| 97.20% [96.70, 97.70] | 3 of 3 |"
    ) in shown
    assert "Ours: 3 seeds" in shown
    assert "50.00" not in shown
    with pytest.raises(BookError, match="C1 has no accuracy for all of them"):
        findings.published(c1, {"all of them": "no biases"}, posted)
    with pytest.raises(BookError, match="learning rate"):
        findings.published(c2, {"lowest": "no biases"}, posted)


# Verdicts


def test_a_verdict_on_an_unknown_claim_or_with_an_unknown_status_is_an_error():
    with pytest.raises(BookError, match="unknown claim 'Z9'"):
        chapters.claim("Z9")
    with pytest.raises(ValueError, match="unknown status"):
        Verdict(chapters.claim("C1"), "proven", "")


def test_verdicts_are_listed_as_one_table(monkeypatch):
    given = [Verdict(chapters.claim(name), NOT_RUN, "Later.") for name in ("C1", "C10")]
    monkeypatch.setattr(chapters.Chapter, "verdicts", lambda _: given)
    shown = text(chapters.find(1).verdict_table())
    assert len(shown.splitlines()) == 4
    said = f"[C1](claims.ipynb): {chapters.claim('C1').text}"
    assert f"| {said} | **not run here**. Later. |" in shown


# The page of all claims


def test_every_claim_is_listed_with_each_of_its_chapters(some_judged):
    found = overview.judge()
    assert [(one.claim.id, one.chapter) for one in found] == [
        (name, chapter)
        for name in chapters.CLAIMS
        for chapter in chapters.CHAPTERS
        if name in chapter.judges
    ]
    for one in found:
        assert (one.verdict.status == NOT_RUN) == (one.chapter.number != SOME)


def test_the_page_counts_verdicts_and_shows_them_in_full(some_judged):
    found = overview.judge()
    assert f"{len(chapters.CLAIMS)} claims" in str(overview.tally(found))
    page = str(overview.of_source(found, "B"))
    assert "**refined** in [Chapter 8](08-from-scratch.ipynb#the-verdict)" in page
    assert "About B5." in page
    assert "C1" not in page
