"""The table of contents agrees with the book, and reading times with the texts."""

import re

import nbformat
import pytest
import yaml
from conftest import ROOT

from bnbook import chapters
from bnbook.errors import BookError

NUMBERED = sorted(ROOT.glob("chapters/[0-9]*.ipynb"))


def cells(chapter):
    return nbformat.read(ROOT / "chapters" / chapter.file, as_version=4).cells


def test_the_chapters_are_those_of_the_book_in_its_parts():
    book = yaml.safe_load((ROOT / "_quarto.yml").read_text())["book"]["chapters"]
    parts = {part["part"]: part["chapters"] for part in book if isinstance(part, dict)}
    for part in {chapter.part for chapter in contents.CHAPTERS}:
        mine = [f"chapters/{c.file}" for c in contents.CHAPTERS if c.part == part]
        assert parts[part] == mine
    assert [chapter.file for chapter in contents.CHAPTERS] == [path.name for path in NUMBERED]


@pytest.mark.parametrize("chapter", contents.CHAPTERS, ids=lambda chapter: chapter.file)
def test_a_chapter_has_its_title_and_says_first_what_it_builds_on(chapter):
    first, _setup, second = cells(chapter)[:3]
    assert first.source == f"# {chapter.title}"
    assert f"contents.preface({chapter.number})" in second.source
    assert re.match(r"\d+", chapter.file)[0] == f"{chapter.number:02d}"
    earlier = [other.number for other in contents.CHAPTERS if other.number < chapter.number]
    assert set(chapter.needs) <= set(earlier)


def test_every_experiment_belongs_to_a_chapter():
    for experiment in chapters.EXPERIMENTS.values():
        contents.find(experiment.chapter)


def test_a_preface_links_to_what_comes_before():
    said = str(contents.preface(5))
    for other in contents.find(5).needs:
        assert contents.find(other).link() in said
    assert re.search(r"About \d+ minutes", said)
    assert "no other chapter" in str(contents.preface(1))


def test_the_map_has_every_chapter_with_its_question():
    said = str(contents.book_map())
    for chapter in contents.CHAPTERS:
        assert f"[{chapter.title}](chapters/{chapter.file})\n\n  {chapter.question}" in said
    assert said.count("### ") == len({chapter.part for chapter in contents.CHAPTERS})


def notebook(words=0, lines=0, outputs=0):
    new = nbformat.v4
    made = [new.new_markdown_cell("# T\n\n" + "word " * words + "\n\n$$\n" + "x + " * 500 + "\n$$")]
    made += [new.new_code_cell("x = 1\n" * lines)]
    made += [new.new_code_cell("#| echo: false\n" + "x = 1\n" * 500)] * outputs
    return new.new_notebook(cells=made)


def test_reading_takes_longer_with_more_words_code_and_outputs_but_not_with_hidden_code():
    assert contents.reading_minutes(notebook(words=2000)) == 10
    assert contents.reading_minutes(notebook(lines=150)) == 10
    assert contents.reading_minutes(notebook(outputs=20)) == 10
    assert contents.reading_minutes(notebook(words=1)) == 5


def test_a_chapter_that_is_not_there_is_named():
    with pytest.raises(BookError, match=r"no chapter 99; it has 1, 2"):
        contents.find(99)
