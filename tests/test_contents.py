"""The table of contents agrees with the book, and reading times with the texts."""

import importlib
import re

import nbformat
import pytest
import yaml
from conftest import ROOT

from bnbook import chapters
from bnbook.chapters import CHAPTERS, contents, reading
from bnbook.errors import BookError

NUMBERED = sorted(ROOT.glob("chapters/[0-9]*.ipynb"))
each = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.file)


def cells(chapter):
    return nbformat.read(ROOT / "chapters" / chapter.file, as_version=4).cells


def book_parts():
    """Map each part of `_quarto.yml` to its pages."""
    book = yaml.safe_load((ROOT / "_quarto.yml").read_text())["book"]["chapters"]
    return {part["part"]: part["chapters"] for part in book if isinstance(part, dict)}


def test_the_chapters_are_those_of_the_book_in_its_parts():
    parts = book_parts()
    assert [chapter.part for chapter in CHAPTERS] == [
        part for part, pages in parts.items() for page in pages if "/0" in page or "/1" in page
    ]
    for part in {chapter.part for chapter in CHAPTERS}:
        assert parts[part] == [f"chapters/{c.file}" for c in CHAPTERS if c.part == part]
    assert [chapter.file for chapter in CHAPTERS] == [path.name for path in NUMBERED]
    assert [chapter.number for chapter in CHAPTERS] == list(range(1, len(CHAPTERS) + 1))


def test_every_package_beside_the_chapters_describes_one():
    folders = {path.parent for path in (ROOT / "bnbook/chapters").glob("*/__init__.py")}
    assert {folder.name for folder in folders} == {chapter.slug for chapter in CHAPTERS}
    for folder in folders:
        module = importlib.import_module(f"bnbook.chapters.{folder.name}")
        assert isinstance(module.CHAPTER, chapters.Chapter)
        assert module.CHAPTER in CHAPTERS
        assert module.CHAPTER.package == module.__name__


@each
def test_number_title_file_and_line_in_the_book_agree(chapter):
    assert re.fullmatch(rf"(Exercise|Chapter) {chapter.number} · \S.*", chapter.title)
    assert chapter.file == f"{chapter.number:02d}-{chapter.id}.ipynb"
    assert chapter.id == chapter.package.rpartition(".")[2].replace("_", "-")
    assert f"chapters/{chapter.file}" in book_parts()[chapter.part]


@each
def test_a_chapter_has_its_title_and_says_first_what_it_builds_on(chapter):
    first, _setup, second = cells(chapter)[:3]
    assert first.source == f"# {chapter.title}"
    assert f"book = chapters.find({chapter.number})\nbook.preface()" in second.source
    earlier = [other.number for other in CHAPTERS if other.number < chapter.number]
    assert set(chapter.needs) <= set(earlier)


def test_no_name_is_given_twice():
    experiments = [one.name for chapter in CHAPTERS for one in chapter.experiments]
    assert len(set(experiments)) == len(experiments)
    claims = [one.id for chapter in CHAPTERS for one in chapter.claims]
    assert len(set(claims)) == len(claims)


def test_a_preface_links_to_what_comes_before():
    said = str(chapters.find(5).preface())
    for other in chapters.find(5).needs:
        assert chapters.find(other).link() in said
    assert re.search(r"About \d+ minutes", said)
    assert "no other chapter" in str(chapters.find(1).preface())


def test_the_map_has_every_chapter_with_its_question():
    said = str(contents.book_map())
    for chapter in CHAPTERS:
        assert f"[{chapter.title}](chapters/{chapter.file})\n\n  {chapter.question}" in said
    assert said.count("### ") == len({chapter.part for chapter in CHAPTERS})


def notebook(words=0, lines=0, outputs=0):
    new = nbformat.v4
    made = [new.new_markdown_cell("# T\n\n" + "word " * words + "\n\n$$\n" + "x + " * 500 + "\n$$")]
    made += [new.new_code_cell("x = 1\n" * lines)]
    made += [new.new_code_cell("#| echo: false\n" + "x = 1\n" * 500)] * outputs
    return new.new_notebook(cells=made)


def test_reading_takes_longer_with_more_words_code_and_outputs_but_not_with_hidden_code():
    assert reading.reading_minutes(notebook(words=2000)) == 10
    assert reading.reading_minutes(notebook(lines=150)) == 10
    assert reading.reading_minutes(notebook(outputs=20)) == 10
    assert reading.reading_minutes(notebook(words=1)) == 5


def test_a_chapter_that_is_not_there_is_named():
    with pytest.raises(BookError, match=r"no chapter 99; it has 1, 2"):
        chapters.find(99)
