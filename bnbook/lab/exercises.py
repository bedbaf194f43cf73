"""Exercises: what is asked, what is right, and what helps; answered on the page and in Jupyter.

An exercise is written once. The page gets its question and hints as they are, its explanation
veiled, and of what is right no more than a hash, so that nobody reads it by accident.
"""

import base64
import hashlib
import html
import inspect
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import nn

from bnbook.lab import check
from bnbook.lab.element import Html, Widget, element, markdown, rendering

#: Exact numbers are compared to so many digits; the rest is rounding.
EXACT: Final = 9

Computed: TypeAlias = float | Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Exercise(ABC):
    """A question with hints, to be read one by one, and an answer that explains.

    `title`, `text`, `hints` and `answer` are Markdown. `id` is unique in the book: names of
    anchors, of what the browser remembers, and of what a notebook checks.
    """

    id: str
    title: str
    text: str
    hints: tuple[str, ...]
    answer: str

    @abstractmethod
    def task(self) -> dict[str, Any]:
        """Say what the page needs to ask and to judge; see `Task` in `web/types.d.ts`."""

    @abstractmethod
    def complaint(self, value: Any) -> str:
        """Say what is wrong with an answer from a notebook, without giving the right one away."""


@dataclass(frozen=True)
class Number:
    """A number that is asked for, to `digits` significant digits; None: it is exact.

    `near` explains wrong numbers that a reader may well arrive at.
    """

    expected: Computed
    digits: int | None = None
    label: str = "Your answer"
    near: Mapping[float, str] = field(default_factory=dict)

    @cached_property
    def value(self) -> float:
        """The right one."""
        return float(self.expected() if callable(self.expected) else self.expected)

    def data(self, salt: str) -> dict[str, Any]:
        """Hide it behind hashes; a second one has a digit less, for who has rounded too soon."""

        def key(value: float, digits: int | None) -> str:
            return fingerprint(salt, rounded(value, digits))

        return {
            "label": self.label,
            "digits": self.digits,
            "key": key(self.value, self.digits),
            "rough": key(self.value, self.digits - 1) if self.digits else "",
            "near": {key(value, self.digits): veil(said) for value, said in self.near.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Numbers(Exercise):
    """Asks for a number, or for a few."""

    numbers: tuple[Number, ...]

    def task(self) -> dict[str, Any]:
        """Give a field for each number."""
        fields = [one.data(f"{self.id}/{i}") for i, one in enumerate(self.numbers)]
        return {"kind": "numbers", "fields": fields}

    def complaint(self, value: Any) -> str:
        """Compare what is left of it at the digits that are asked for, as the page does."""
        wanted = tuple(rounded(one.value, one.digits) for one in self.numbers)
        try:
            given = tuple(map(float, value if len(wanted) > 1 else [value]))
        except (TypeError, ValueError):
            given = ()
        if len(given) != len(wanted):
            return f"expected: {'a number' if len(wanted) == 1 else f'{len(wanted)} numbers'}"
        digits = (one.digits for one in self.numbers)
        return "" if tuple(map(rounded, given, digits)) == wanted else f"{value} is not the answer"


@dataclass(frozen=True, kw_only=True)
class Choice(Exercise):
    """Asks for one of a few; `choices` are Markdown, each with what to say to who picks it."""

    choices: Mapping[str, str]
    right: str | Callable[[], str]

    @cached_property
    def expected(self) -> str:
        """The right one."""
        return self.right() if callable(self.right) else self.right

    def task(self) -> dict[str, Any]:
        """Offer the choices in the order in which they are written."""
        return {
            "kind": "choice",
            "options_html": [_html(one) for one in self.choices],
            **_judged(self.id, list(self.choices), self.expected, self.choices),
        }

    def complaint(self, value: Any) -> str:
        """Compare; True and False may be those of Python."""
        said = str(value)
        return "" if said == self.expected else f"{said} is not the answer"


@dataclass(frozen=True, kw_only=True)
class Line(Exercise):
    """Asks for the code that is missing: on the page one of several, in Jupyter the reader's own.

    `code` has one `...`, and stands in a notebook like that. What is right is found by running it:
    `value` is what a notebook hands over for checking, an expression in its names and `given`.
    It is compared with that of the `right` code, unless `judge` says what is wrong with it.
    `wrong` are other lines, each with a reply. `where` says in Jupyter where to write it.
    """

    code: str
    value: str
    right: str
    wrong: Mapping[str, str]
    given: Callable[[], Mapping[str, Any]] = dict
    judge: Callable[[Any], str] | None = None
    tol: float = 1e-4
    where: str = "Write it in the cell below, in place of `...`, and run the cell."

    @property
    def options(self) -> list[str]:
        """The lines in an order that tells nothing."""
        return sorted([self.right, *self.wrong], key=lambda line: fingerprint(self.id, line))

    def run(self, line: str) -> Any:
        """Put `line` in its place, run the code, and return what would be checked."""
        names = {"torch": torch, "nn": nn, "np": np, "math": math, **self.given()}
        exec(put(self.code, line), names)
        return eval(self.value, names)

    def task(self) -> dict[str, Any]:
        """Offer the lines for the gap in the code."""
        options = self.options
        return {
            "kind": "line",
            "code": self.code,
            "options": options,
            "where_html": _html(self.where),
            **_judged(self.id, options, self.right, self.wrong),
        }

    def complaint(self, value: Any) -> str:
        """Judge what the reader's own code has made."""
        if self.judge:
            return self.judge(value)
        return check.complaint(value, self.run(self.right), self.tol)


def code_html(code: str) -> str:
    """Write code without a blank or indented line, which Markdown would take for its own."""
    lines = html.escape(code).replace("  ", "&nbsp;&nbsp;").split("\n")
    return f"<pre><code>{'<br>'.join(lines)}</code></pre>"


def put(code: str, line: str) -> str:
    """Put `line` in the place of the `...` in `code`; further lines of it are indented alike."""
    before, _, after = code.partition("...")
    indent = re.match(r" *", before.rpartition("\n")[2])
    return before + line.replace("\n", "\n" + (indent[0] if indent else "")) + after


def counted(exercises: Iterable[Exercise]) -> list[str]:
    """Name those whose solution is counted where they are shown: in a notebook, code is not."""
    return [one.id for one in exercises if rendering() or not isinstance(one, Line)]


def shown(exercise: Exercise, chapter: str, siblings: Sequence[Exercise]) -> Html | Widget:
    """Show an exercise of `chapter`; `siblings` are all of them, in order."""
    number = siblings.index(exercise) + 1
    title, text = _html(exercise.title), _html(exercise.text)
    hints = [_html(hint) for hint in exercise.hints]
    folded = "".join(
        f"<details><summary>Hint</summary><div>{hint}</div></details>" for hint in hints
    )
    code = code_html(exercise.code) if isinstance(exercise, Line) else ""
    data = {
        "chapter": chapter,
        "id": exercise.id,
        "number": number,
        "siblings": counted(siblings),
        "title_html": title,
        "text_html": text,
        "hints_html": hints,
        "answer": veil(_html(exercise.answer)),
        "task": exercise.task(),
    }
    fallback = (
        f"<h3>{number}. {title}</h3><div>{text}</div>{code}{folded}"
        "<p><em>To check an answer, switch JavaScript on, or run the notebook.</em></p>"
    )
    return element("exercise", data, fallback)


def checked(exercise: Exercise, value: Any) -> None:
    """Greet a right answer; one that is still `...`, or holds one, is waited for.

    Raises AssertionError for a wrong one, with the first hint.
    """
    if check.unanswered(value):
        if not rendering():  # the page asks in its own way
            print("Not answered yet: replace the ...")
        return
    complaint = exercise.complaint(value)
    if complaint:
        raise AssertionError(f"Not yet: {complaint}. Hint: {exercise.hints[0]}")
    print("✓ Right.")


def rounded(value: float, digits: int | None) -> str:
    """Write a number to significant digits, as the page writes the reader's."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{(digits or EXACT) - 1}e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"


def fingerprint(salt: str, text: str | int) -> str:
    """Hash an answer."""
    return hashlib.sha256(f"{salt}:{text}".encode()).hexdigest()[:12]


def veil(text: str) -> str:
    """Keep `text` out of plain view."""
    return base64.b64encode(text.encode()).decode()


def _judged(salt: str, options: list[str], right: str, said: Mapping[str, str]) -> dict[str, Any]:
    replies = [veil("" if one == right else _html(said[one])) for one in options]
    return {"replies": replies, "key": fingerprint(salt, options.index(right))}


def _html(text: str) -> str:
    """Turn Markdown into HTML; on a page its links lead to pages, as the renderers' own do."""
    found = markdown(inspect.cleandoc(text))
    page = r'(href="[^":]+)\.(?:qmd|ipynb)(?=["#])'
    return re.sub(page, r"\1.html", found) if rendering() else found
