"""Every chapter says one thing: its facts, its decisions and all its sentences agree."""

import ast
import html
import json
import re
from pathlib import Path

import pytest
from site_pages import PAGES

from bnbook import chapters, findings
from bnbook.errors import BookError
from bnbook.findings import decisions, sentences
from bnbook.findings.sentences import Sentence

ROOT = Path(__file__).parent.parent
QUESTION = {
    *(decisions.SUPPORTED, decisions.REFUTED, decisions.UNDECIDED, decisions.NOT_RUN),
}
#: Main text of a chapter, Markdown cells and sentences together.
MOST_WORDS = 3_500
#: Numbers that are names: of layers, data sets, people's papers, and of what stands in code.
NAMES = re.compile(
    r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)|\{[^}]*\}|conv\d|fc\d|CIFAR-10|ResNet-\d+|LeNet.5|Exercise \d+|"
    r"[Cc]hapters? \d+(?:(?:,| and| to) \d+)*|[Aa]lgorithm \d|[Ss]ection \d(?:\.\d)*|"
    r"\b(?:19|20)\d\d\b"
)


def cells(chapter):
    notebook = ROOT / "chapters" / chapter.file
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


def said(chapter):
    return [one for name, one in chapter.sentences.items() if name != "predict"]


every = pytest.mark.parametrize("chapter", chapters.CHAPTERS, ids=lambda chapter: chapter.slug)


@every
def test_all_sentences_are_true_now(chapter):
    for one in said(chapter):
        assert one.said(chapter.facts)


@every
def test_the_decision_is_one_of_the_four_and_each_claim_has_its_own(chapter):
    assert chapter.facts.decision in QUESTION
    for name in chapter.judges:
        assert getattr(chapter.facts, name) in decisions.STATUSES
        condition = chapter.sentences[name].condition
        assert name in {node.id for node in ast.walk(ast.parse(condition)) if is_name(node)}, (
            f"the sentence on {name} does not rest on its decision"
        )


def is_name(node):
    return isinstance(node, ast.Name)


@every
def test_what_the_chapter_needs_to_say_is_there(chapter):
    assert {"answer", "predict", "evidence", "claim", *chapter.judges} <= {*chapter.sentences}


@every
def test_the_quiz_has_one_true_choice_or_none_where_the_question_is_open(chapter):
    _, choices, true = chapter.sentences["predict"].choices(chapter.facts)
    assert 2 <= len(choices) <= 4
    open_question = chapter.facts.decision in (decisions.UNDECIDED, decisions.NOT_RUN)
    assert len(true) <= 1
    assert true or open_question, "a decided question has a right choice"


@every
def test_a_number_in_a_sentence_is_a_field(chapter):
    for name, one in chapter.sentences.items():
        left = re.findall(r"\d+(?:\.\d+)?", NAMES.sub("", one.text))
        assert not left, f"{chapter.slug}, {name!r}: {left} stand in the text"


@every
def test_a_sentence_that_states_a_number_rests_on_something(chapter):
    measured = re.compile(r"\{[^}]*:(?:percent|points|size|cost|plain|two|p)\b")
    for one in said(chapter):
        assert one.condition != "True" or not measured.search(one.text), one.name


@every
def test_a_fact_has_one_rounding_in_a_chapters_sentences(chapter):
    texts = [one.text for one in said(chapter) if not one.name.startswith("advice")]
    found = {}
    for field, how in re.findall(r"\{([^}:]+):([^}]+)\}", "\n".join(texts)):
        assert how == "count" or found.setdefault(field, how) == how, field


NUMBER = r"[−+]?\d[\d,]*(?:\.\d+)?"
ESTIMATE = re.compile(rf"({NUMBER})(?:\s*(?:%|points))? \[({NUMBER}),\s({NUMBER})\]")


def estimates(page):
    """Find the numbers with intervals, as a triple of texts, in the main text of a page."""
    main = re.search(r"<main.*?</main>", page, re.DOTALL)[0]
    main = re.sub(r"<(script|style|svg|pre)\b.*?</\1>", "", main, flags=re.DOTALL)
    main = re.sub(r"</(td|th|p|li)>", " ", main)  # else the cells of a row are one number
    text = html.unescape(re.sub(r"<[^>]+>", "", main)).replace("\N{NO-BREAK SPACE}", " ")
    return {found.groups() for found in ESTIMATE.finditer(text)}


def same(coarse, fine):
    """Say whether two estimates are one, rounded twice; a cost is a gain with another sign."""
    (few, *rest), (many, *_) = map(decimals, coarse), map(decimals, fine)
    if few >= many or {*rest} != {few} or coarse[1] == coarse[2]:
        return False
    mean, low, high = map(number, fine)
    step = 0.500001 * 10**-few
    return any(
        all(abs(x - y) <= step for x, y in zip(map(number, coarse), one, strict=True))
        for one in ((mean, low, high), (-mean, -high, -low))
    )


def decimals(text):
    return len(text.partition(".")[2])


def number(text):
    return float(text.replace("−", "-").replace(",", ""))


@pytest.mark.parametrize("page", PAGES)
def test_an_estimate_has_one_rounding_on_a_page(built, page):
    found = estimates((built / page).read_text(encoding="utf-8"))
    assert [(a, b) for a in found for b in found if same(a, b)] == []


def test_an_estimate_that_is_rounded_twice_is_found():
    page = "<main><p>It costs 1.8 points [0.6, 3.0].</p><td>−1.84 points [−3.04, −0.64]</td></main>"
    assert sorted(map(len, estimates(page))) == [3, 3]
    assert same(("1.8", "0.6", "3.0"), ("−1.84", "−3.04", "−0.64"))
    assert not same(("1.8", "0.6", "3.0"), ("−1.84", "−3.06", "−0.64"))


@every
def test_the_notebook_says_every_sentence_and_no_other(chapter):
    code = "\n".join("".join(c["source"]) for c in cells(chapter) if c["cell_type"] == "code")
    shown = set(re.findall(r'"([^"]+)"', " ".join(re.findall(r"book\.say\(([^)]*)\)", code))))
    by_itself = {"answer", "predict", "evidence", *chapter.judges}
    if chapter.preset and chapter.preset.trial:
        by_itself.add(chapter.preset.trial.evidence)
    known = {name for name in chapter.sentences if not name.startswith("advice")}
    assert shown | by_itself == known


@every
def test_a_chapter_can_be_read_in_a_quarter_of_an_hour(chapter):
    text = "\n".join("".join(c["source"]) for c in cells(chapter) if c["cell_type"] == "markdown")
    text += "\n".join(one.text for one in said(chapter))
    text = re.sub(r"\$\$.*?\$\$|<details>.*?</details>", "", text, flags=re.DOTALL)
    assert len(re.findall(r"\w[\w'’-]*", text)) <= MOST_WORDS


@every
def test_code_boxes_are_not_cut(chapter):
    for cell in cells(chapter):
        if cell["cell_type"] == "code" and not cell["metadata"].get("jupyter"):
            for line in "".join(cell["source"]).splitlines():
                assert line.startswith("#|") or len(line) <= 88, (cell["id"], line)


def test_no_interval_beside_a_verdict_contradicts_it():
    for name, experiment in chapters.EXPERIMENTS.items():
        if name not in chapters.RECORDS or experiment.measure or not experiment.contrasts:
            continue
        if not {one.a for one in experiment.contrasts} <= {*experiment.arms}:
            continue  # of nets, each at its own batch size: see findings.equal_time
        frame = chapters.RECORDS[name]
        frame = frame[frame["batch_size"] == frame["batch_size"].mode()[0]]
        for row in findings.contrasts(frame, experiment.contrasts).to_dict("records"):
            apart = row["low"] > 0 or row["high"] < 0
            assert apart == (row["finding"] in (findings.DIFFERENT, findings.SMALL)), (name, row)


# The sentences themselves


class Measured:
    gap, same, seeds = 0.0123, True, 10


def sentence(condition, text="{gap:points}"):
    return Sentence("finding", condition, text, Path("sentences.md"))


def test_a_sentence_that_is_no_longer_true_names_itself_its_file_and_its_facts():
    assert sentence("same and gap > 0").said(Measured()) == "+1.23\N{NO-BREAK SPACE}points"
    with pytest.raises(BookError) as error:
        sentence("not same and gap > 0").said(Measured())
    for part in ("sentences.md", "'finding'", "`not same and gap > 0`", "gap = 0.0123", "same ="):
        assert part in str(error.value)


def test_a_condition_may_go_through_facts_inside_an_expression():
    within = sentence("all(gap < limit * seeds for limit in (0.1, 0.2))")
    assert within.said(Measured())
    with pytest.raises(BookError, match=r"gap = 0\.0123, seeds = 10\. Write"):
        sentence("any(gap > limit * seeds for limit in (0.1, 0.2))").said(Measured())


def test_a_draft_marks_what_is_not_true_instead(monkeypatch):
    monkeypatch.setenv(sentences.DRAFT, "1")
    marked = sentence("not same").said(Measured())
    assert marked.startswith("**Draft: ")
    assert marked.endswith("+1.23\N{NO-BREAK SPACE}points")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{gap}", "needs a format"),
        ("{gap:mils}", "unknown format 'mils'; known: percent"),
        ("{gaps:points}", "no fact 'gaps'"),
    ],
)
def test_a_field_that_cannot_be_written_is_named(text, complaint):
    with pytest.raises(BookError, match=complaint):
        sentence("True", text).said(Measured())


def test_of_the_choices_only_one_may_be_true():
    both = sentence("True", "Which?\n\n- [same] This.\n- [gap > 0] That.")
    with pytest.raises(BookError, match="several true choices"):
        both.choices(Measured())


def test_a_sentence_with_two_conditions_is_refused(tmp_path):
    file = tmp_path / "sentences.md"
    file.write_text("## finding\n> same\n> gap < 0\n\nIt does.\n")
    with pytest.raises(BookError, match="'finding' has two conditions"):
        sentences.read(file)


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ("gap / 0 > 1", "It does."),
        ("min(()) > 1", "It does."),
        ("(lambda: nothing)()", "It does."),
        ("same", r"\frac{1}{2}"),
        ("same", "{gap"),
        ("same", "{gap.mean:points}"),
    ],
)
def test_what_cannot_be_evaluated_names_its_sentence(condition, text):
    with pytest.raises(BookError, match=r"sentences\.md: the sentence 'finding': "):
        sentence(condition, text).said(Measured())


def test_a_sentence_without_a_condition_is_refused(tmp_path):
    file = tmp_path / "sentences.md"
    file.write_text("## finding\n\nIt does.\n")
    with pytest.raises(BookError, match="'finding' states no condition"):
        sentences.read(file)
