"""The chapters of the book: their questions, what each builds on, and how long it takes to read."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from bnbook.errors import BookError
from bnbook.findings import Markdown

#: The notebooks come with the package, like the data.
FOLDER: Final = Path(__file__).resolve().parent.parent / "chapters"

WORDS_A_MINUTE: Final = 200
#: Seconds for a line of shown code, and for a figure, a table or a computed sentence.
SECONDS_A_LINE: Final = 4
SECONDS_AN_OUTPUT: Final = 30
#: Reading times are rounded to this many minutes: they are no more exact than that.
MINUTES: Final = 5


@dataclass(frozen=True)
class Chapter:
    """A chapter: `title` as in its notebook, `question` in a sentence, `needs` chapter numbers."""

    number: int
    part: str
    file: str
    title: str
    question: str
    needs: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """How other pages call it: "Exercise 1"."""
        return self.title.partition(" · ")[0]

    def link(self, text: str = "", anchor: str = "", folder: str = "") -> str:
        """Write a Markdown link to it from a page beside it, or from where `folder` leads to it."""
        return f"[{text or self.name}]({folder}{self.file}{anchor and '#'}{anchor})"


_EXERCISES: Final = "The exercises"
_HOOD: Final = "Under the hood"
_FARTHER: Final = "Farther"

CHAPTERS: Final = (
    Chapter(
        1,
        _EXERCISES,
        "01-bias-removal.ipynb",
        "Exercise 1 · The bias before batch norm",
        "Can we remove the bias before batch normalization, and when would that be wrong?",
    ),
    Chapter(
        2,
        _EXERCISES,
        "02-learning-rates.ipynb",
        "Exercise 2 · Learning rates with and without batch norm",
        "Which learning rates still train, with batch normalization and without?",
    ),
    Chapter(
        3,
        _EXERCISES,
        "03-per-layer.ipynb",
        "Exercise 3 · Batch norm in every layer?",
        "Do we need it in every layer? Which one matters most?",
        needs=(2,),
    ),
    Chapter(
        4,
        _EXERCISES,
        "04-lite-batch-norm.ipynb",
        "Exercise 4 · Batch norm lite",
        "What is left if it only removes the mean, or only the variance?",
        needs=(1, 2),
    ),
    Chapter(
        5,
        _EXERCISES,
        "05-fixed-affine.ipynb",
        "Exercise 5 · Fixed gamma and beta",
        "What do the learned scale and shift contribute?",
        needs=(1, 4),
    ),
    Chapter(
        6,
        _EXERCISES,
        "06-dropout.ipynb",
        "Exercise 6 · Dropout or batch norm?",
        "Does it regularize, does dropout do so better, and do the two get on?",
        needs=(1, 4),
    ),
    Chapter(
        7,
        _EXERCISES,
        "07-other-norms.ipynb",
        "Exercise 7 · Other normalizations",
        "Which other ways to normalize are worth their time?",
        needs=(1, 4),
    ),
    Chapter(
        8,
        _HOOD,
        "08-from-scratch.ipynb",
        "Chapter 8 · Batch norm from scratch",
        "If your own batch normalization were wrong, would the training curve tell you?",
        needs=(1, 4),
    ),
    Chapter(
        9,
        _HOOD,
        "09-inference.ipynb",
        "Chapter 9 · At inference",
        "Why does the test accuracy of a net with batch norm jump from one evaluation to the next?",
        needs=(1, 8),
    ),
    Chapter(
        10,
        _HOOD,
        "10-why.ipynb",
        "Chapter 10 · Why does it work?",
        "Less covariate shift, even gradients, a smoother loss, flatter minima: what can be seen?",
        needs=(2, 4),
    ),
    Chapter(
        11,
        _FARTHER,
        "11-bad-starts.ipynb",
        "Chapter 11 · Bad starts",
        "Does it make up for initial weights of the wrong size?",
        needs=(2, 6),
    ),
    Chapter(
        12,
        _FARTHER,
        "12-cost.ipynb",
        "Chapter 12 · What batch norm costs",
        "How much slower is a step with it, and do we wait longer for an accuracy?",
    ),
    Chapter(
        13,
        _FARTHER,
        "13-only-batch-norm.ipynb",
        "Chapter 13 · Training nothing but batch norm",
        "How far does a net get if all its weights stay as they were drawn?",
        needs=(5,),
    ),
    Chapter(
        14,
        _FARTHER,
        "14-lenet5.ipynb",
        "Chapter 14 · LeNet\N{NON-BREAKING HYPHEN}5, a lab session",
        "Does it make LeNet-5 converge faster and end better, as a lab sheet says?",
        needs=(2, 8),
    ),
)


def find(number: int) -> Chapter:
    """Return the chapter with this number. Raises BookError where the book has none yet."""
    for chapter in CHAPTERS:
        if chapter.number == number:
            return chapter
    raise BookError(f"the book has no chapter {number}; it has {_numbers(CHAPTERS)}")


def _numbers(chapters: Iterable[Chapter]) -> str:
    return ", ".join(str(chapter.number) for chapter in chapters)


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


def preface(number: int) -> Markdown:
    """Say what a chapter builds on and how long it takes to read: its first line.

    Raises BookError for an unknown chapter, or where its notebook is missing.
    """
    chapter = find(number)
    if chapter.needs:
        links = [find(other).link() for other in chapter.needs]
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
        f"### {part}\n\n" + "\n\n".join(_entry(chapter, folder) for chapter in chapters)
        for part, chapters in groupby(CHAPTERS, lambda chapter: chapter.part)
    ]
    return Markdown('<div class="book-map">\n\n' + "\n\n".join(parts) + "\n\n</div>")


def _entry(chapter: Chapter, folder: str) -> str:
    after = " and ".join(find(other).link(folder=folder) for other in chapter.needs)
    facts = [f"builds on {after}"] * bool(after) + [f"about {_minutes(chapter)} minutes"]
    return (
        f"- {chapter.link(chapter.title, folder=folder)}\n\n"
        f"  {chapter.question}\n\n"
        f"  *{', '.join(facts)}*"
    )
