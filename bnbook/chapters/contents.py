"""The chapters as the home page lists them."""

from itertools import groupby
from pathlib import Path

from bnbook.chapters import LIBRARY, reading
from bnbook.chapters.chapter import Chapter
from bnbook.findings import Markdown
from bnbook.lab.element import Html, Widget, element
from bnbook.lab.exercises import counted


def book_map(folder: str = "chapters/") -> Markdown:
    """List the chapters by part, each with its question, what it builds on and its reading time.

    `folder` leads from the page with the map to the chapters.
    """
    parts = [
        f"### {part}\n\n" + "\n\n".join(_entry(chapter, folder) for chapter in some)
        for part, some in groupby(LIBRARY.chapters, lambda chapter: chapter.part)
    ]
    return Markdown('<div class="book-map">\n\n' + "\n\n".join(parts) + "\n\n</div>")


def progress() -> Html | Widget:
    """Count the exercises that the reader has solved, beside each chapter of `book_map`."""
    listed = [
        {"page": Path(one.file).stem, "exercises": counted(one.exercises.values())}
        for one in LIBRARY.chapters
    ]
    total = sum(len(one.exercises) for one in LIBRARY.chapters)
    fallback = f"<p>{total} exercises wait at the ends of the chapters.</p>"
    return element("progress", {"chapters": listed}, fallback)


def _entry(chapter: Chapter, folder: str) -> str:
    before = [LIBRARY.find(other).link(folder=folder) for other in chapter.needs]
    facts = [f"builds on {' and '.join(before)}"] if before else []
    facts.append(f"about {reading.minutes(chapter.file)}\N{NO-BREAK SPACE}minutes")
    return (
        f"- {chapter.link(chapter.title, folder=folder)}\n\n"
        f"  {chapter.question}\n\n"
        f"  *{', '.join(facts)}*"
    )
