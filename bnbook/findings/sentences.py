"""Sentences that somebody wrote for what the records show, each with what it rests on.

A file of them is Markdown. A heading names a sentence, a quoted line beneath it states its
condition, an expression over the chapter's facts, and fields hold the facts' numbers:

    ## answer
    > same and gap < 0.001

    Remove it: the largest difference in test accuracy is {gap:points}.

A sentence whose condition no longer holds fails the build by name: somebody then writes the one
that is true now. Its fields are written by the functions in `FORMATS`; a number without a format
is refused unless it is whole. A list whose items begin with a condition, `- [same] …`, holds
choices, of which at most one is true.
"""

from __future__ import annotations

import ast
import os
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bnbook.errors import BookError, reason
from bnbook.experiment import MARGIN
from bnbook.findings import decisions, writing

#: Set by `bnbook render --draft`: sentences that do not hold are marked instead of failing.
DRAFT: Final = "BNBOOK_DRAFT"

#: Characters of a text that an error quotes.
WIDTH: Final = 60

#: What a condition or a field may use besides facts.
_WORDS: Final[Mapping[str, Any]] = {
    **{function.__name__: function for function in (abs, all, any, len, max, min, round, set)},
    "supported": decisions.SUPPORTED,
    "refuted": decisions.REFUTED,
    "undecided": decisions.UNDECIDED,
    "not_run": decisions.NOT_RUN,
    "reproduced": decisions.REPRODUCED,
    "refined": decisions.REFINED,
    "margin": MARGIN,
}

Write = Callable[..., str]


def _over_interval(write: Write) -> Callable[[Any, dict[str, int]], str]:
    """Let `write` take an estimate with its interval, or a number alone."""

    def written(value: Any, digits: dict[str, int]) -> str:
        if hasattr(value, "low"):
            return write(value.mean, value.low, value.high, **digits)
        return write(value, **digits)

    return written


def _size(x: float, low: float = np.nan, high: float = np.nan, digits: int = 1) -> str:
    """Write a difference in points that has no sign: "0.8 points"."""
    return writing.points(x, low, high, digits).removeprefix("+")


def _cost(x: float, low: float = np.nan, high: float = np.nan, digits: int = 1) -> str:
    """Write a loss as what it costs: "0.8 points" for −0.008."""
    return _size(-x, -high, -low, digits)


def _plainly(write: Callable[[Any], str]) -> Callable[[Any, dict[str, int]], str]:
    return lambda value, _digits: write(value)


#: How a field is written: `{gap:points}`, `{gap.mean:percent.0}`, `{rates:list}`.
FORMATS: Final[Mapping[str, Callable[[Any, dict[str, int]], str]]] = {
    "percent": _over_interval(writing.percent),
    "points": _over_interval(writing.points),
    "size": _over_interval(_size),
    "cost": _over_interval(_cost),
    "plain": _over_interval(writing.plain),
    "two": _plainly(writing.two_digits),
    "p": _plainly(writing.p_value),
    "rate": _plainly("{:g}".format),
    "list": _plainly(writing.list_of),
    "count": _plainly(lambda some: f"{len(some):,}"),
    "rates": _plainly(writing.rates),
}


class _Facts(dict[str, Any]):
    """What an expression may name: the words above, and a chapter's facts when they are asked for.

    A dictionary, since an expression inside another one, as in `all(…)`, sees only such a scope.
    """

    def __init__(self, facts: object) -> None:
        super().__init__(_WORDS, __builtins__={})
        self._facts = facts

    def __missing__(self, name: str) -> Any:
        try:
            return getattr(self._facts, name)
        except AttributeError:
            raise BookError(f"{type(self._facts).__module__} has no fact {name!r}") from None


class _Formatter(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        name, _, digits = format_spec.partition(".")
        if name in FORMATS:
            return FORMATS[name](value, {"digits": int(digits)} if digits else {})
        if format_spec:
            raise BookError(f"unknown format {format_spec!r}; known: {', '.join(FORMATS)}")
        if isinstance(value, int) and not isinstance(value, bool):
            return f"{value:,}"
        if isinstance(value, str | writing.Markdown):
            return str(value)
        raise BookError(f"{value!r} needs a format, such as {{name:points}}")


def fill(text: str, facts: object) -> str:
    """Put facts into the fields of `text`. Raises BookError for an unknown fact or format."""
    try:
        return _Formatter().vformat(text, (), _Facts(facts))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BookError(f"a field of {text[:WIDTH]!r} cannot be written: {reason(error)}") from None


def holds(condition: str, facts: object) -> bool:
    """Evaluate a condition. Raises BookError where it names no fact or is no expression."""
    try:
        return bool(eval(condition, _Facts(facts)))
    except BookError:
        raise
    except Exception as error:  # whatever an expression can raise
        raise BookError(f"the condition {condition!r} cannot be decided: {reason(error)}") from None


@dataclass(frozen=True)
class Sentence:
    """A sentence or a few, with its condition; `text` has fields."""

    name: str
    condition: str
    text: str
    path: Path

    def said(self, facts: object) -> str:
        """Fill in `facts`. Raises BookError, which names all, where the condition is not true."""
        where = f"{self.path.parent.name}/{self.path.name}: the sentence {self.name!r}"
        try:
            if holds(self.condition, facts):
                return fill(self.text, facts)
        except BookError as error:
            raise BookError(f"{where}: {error}") from None
        used = [n for n in ast.walk(ast.parse(self.condition)) if isinstance(n, ast.Name)]
        own = {name.id for name in used if isinstance(name.ctx, ast.Store)} | {*_WORDS}
        values = ", ".join(
            f"{name} = {getattr(facts, name)!r}"
            for name in sorted({name.id for name in used} - own)
        )
        complaint = (
            f"{where} is no longer true. It rests on `{self.condition}`, and {values}. "
            "Write what is true now, with its condition"
        )
        if os.environ.get(DRAFT):
            return f"**Draft: {complaint}.**\n\n{fill(self.text, facts)}"
        raise BookError(complaint)

    def choices(self, facts: object) -> tuple[str, list[str], list[str]]:
        """Split into a question, its choices, and those of them that are true."""
        found = re.findall(r"^- \[(.+?)\] (.+)$", self.text, re.MULTILINE)
        question = self.text.partition("\n- [")[0].strip()
        texts = [fill(text, facts) for _, text in found]
        true = [fill(text, facts) for condition, text in found if holds(condition, facts)]
        if len(true) > 1:
            raise BookError(f"{self.path}: {self.name!r} has several true choices: {true}")
        return fill(question, facts), texts, true


def read(path: Path) -> dict[str, Sentence]:
    """Read a file of sentences by name. Raises BookError for one without a condition."""
    try:
        written = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BookError(f"{path} is not UTF-8: save it as that") from None
    parts = re.split(r"^## (.+)$", written, flags=re.MULTILINE)[1:]
    found = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        condition, _, text = body.strip().partition("\n")
        if not condition.startswith("> "):
            raise BookError(f"{path}: {name!r} states no condition: begin it with a line `> …`")
        if text.lstrip().startswith(">"):
            raise BookError(f"{path}: {name!r} has two conditions: join them with `and` in a line")
        if name in found:
            raise BookError(f"{path}: two sentences are called {name!r}")
        found[name] = Sentence(name, condition[2:].strip(), text.strip(), path)
    return found
