"""The chapters as a reader meets them: what each builds on, and how long it takes to read."""

import json
import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from bnbook import chapters
from bnbook.chapters.chapter import Chapter
from bnbook.errors import BookError
from bnbook.findings import Markdown
from bnbook.lab.element import Html, Widget, element

#: The notebooks come with the package, like the data.
FOLDER: Final = Path(__file__).resolve().parents[2] / "chapters"

WORDS_A_MINUTE: Final = 200
#: Seconds for a line of shown code, and for a figure, a table or a computed sentence.
SECONDS_A_LINE: Final = 4
SECONDS_AN_OUTPUT: Final = 30
#: Reading times are rounded to this many minutes: they are no more exact than that.
MINUTES: Final = 5


def reading_minutes(notebook: Mapping[str, Any]) -> int:
    """Estimate how long a notebook's text, shown code and outputs take to read, in minutes.

    `notebook` is its JSON. Counts words outside formulas and links, lines of code that is not
    folded away, and the outputs that will be there: those of folded and hidden cells. Rounded,
    and never 0.
    """
    words, lines, outputs = 0, 0, 0
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            prose = re.sub(r"\$\$.*?\$\$|<[^>]*>|\]\([^)]*\)", "", source, flags=re.DOTALL)
            words += len(re.findall(r"\w[\w'’-]*", prose))
        elif re.search(r"^#\| (echo: false|code-fold: true)", source, re.MULTILINE):
            outputs += 1
        elif not re.search(r"^#\| include: false", source, re.MULTILINE):
            lines += sum(bool(line.strip()) for line in source.splitlines())
    seconds = 60 * words / WORDS_A_MINUTE + SECONDS_A_LINE * lines + SECONDS_AN_OUTPUT * outputs
    return max(1, round(seconds / 60 / MINUTES)) * MINUTES


def preface(chapter: Chapter) -> Markdown:
    """Say what a chapter builds on and how long it takes to read: its first line.

    Raises BookError where its notebook is missing.
    """
    if chapter.needs:
        links = [chapters.find(other).link() for other in chapter.needs]
        before = f"Builds on {' and '.join(links)}"
    else:
        before = "Builds on no other chapter"
    return Markdown(
        f"*{before}. About {_minutes(chapter)} minutes to read; the lab and the exercises take as "
        "long as you like.*"
    )


def _minutes(chapter: Chapter) -> int:
    path = FOLDER / chapter.file
    try:
        # As JSON: every chapter reads itself here, and importing nbformat takes a second.
        return reading_minutes(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BookError(f"{path} is missing: install bnbook from a clone of the book") from None


def book_map(folder: str = "chapters/") -> Markdown:
    """List the chapters by part, each with its question, what it builds on and its reading time.

    `folder` leads from the page with the map to the chapters.
    """
    parts = [
        f"### {part}\n\n" + "\n\n".join(_entry(chapter, folder) for chapter in some)
        for part, some in groupby(chapters.CHAPTERS, lambda chapter: chapter.part)
    ]
    return Markdown('<div class="book-map">\n\n' + "\n\n".join(parts) + "\n\n</div>")


def progress() -> Html | Widget:
    """Count the exercises that the reader has solved, beside each chapter of `book_map`."""
    books = [
        {"page": Path(one.file).stem, "exercises": list(one.exercises)} for one in chapters.CHAPTERS
    ]
    total = sum(len(one.exercises) for one in chapters.CHAPTERS)
    fallback = f"<p>{total} exercises wait at the ends of the chapters.</p>"
    return element("progress", {"chapters": books}, fallback)


def _entry(chapter: Chapter, folder: str) -> str:
    after = " and ".join(chapters.find(other).link(folder=folder) for other in chapter.needs)
    facts = [f"builds on {after}"] * bool(after) + [f"about {_minutes(chapter)} minutes"]
    return (
        f"- {chapter.link(chapter.title, folder=folder)}\n\n"
        f"  {chapter.question}\n\n"
        f"  *{', '.join(facts)}*"
    )
