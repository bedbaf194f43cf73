"""The chapters of the book: one package each, found by looking through this folder.

A chapter's package holds its experiments, its facts, the sentences that rest on them, the claims
that it tries and its lab's preset; `CHAPTER` in its `__init__` brings them together.
"""

import importlib
import pkgutil
from typing import Final

from bnbook.chapters.chapter import Chapter, Records
from bnbook.errors import BookError
from bnbook.experiment import Experiment
from bnbook.findings.as_posted import AS_POSTED
from bnbook.findings.claims import Claim
from bnbook.findings.transfer import TRANSFER
from bnbook.lab.bands import PAGE


def _found() -> tuple[Chapter, ...]:
    packages = [one.name for one in pkgutil.iter_modules(__path__) if one.ispkg]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in packages]
    chapters: list[Chapter] = [module.CHAPTER for module in modules]
    return tuple(sorted(chapters, key=lambda chapter: chapter.number))


CHAPTERS: Final = _found()
#: Every experiment by name: the chapters' own, and those that several of them read.
EXPERIMENTS: Final[dict[str, Experiment]] = {
    one.name: one
    for one in (
        *(one for chapter in CHAPTERS for one in chapter.experiments),
        AS_POSTED,
        PAGE,
        *TRANSFER,
    )
}
RECORDS: Final = Records(EXPERIMENTS)
#: Every claim by its id, source by source.
CLAIMS: Final[dict[str, Claim]] = {
    one.id: one
    for one in sorted(
        (one for chapter in CHAPTERS for one in chapter.claims),
        key=lambda claim: (claim.source, int(claim.id[1:])),
    )
}


def find(number: int) -> Chapter:
    """Return the chapter with this number. Raises BookError where the book has none."""
    for chapter in CHAPTERS:
        if chapter.number == number:
            return chapter
    numbers = ", ".join(str(chapter.number) for chapter in CHAPTERS)
    raise BookError(f"the book has no chapter {number}; it has {numbers}")


def experiment(name: str) -> Experiment:
    """Return the experiment called `name`. Raises BookError for an unknown one."""
    if name not in EXPERIMENTS:
        raise BookError(f"unknown experiment {name!r}; known: {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def claim(name: str) -> Claim:
    """Return the claim with this id. Raises BookError for an unknown one."""
    if name not in CLAIMS:
        raise BookError(f"unknown claim {name!r}; known: {', '.join(CLAIMS)}")
    return CLAIMS[name]


__all__ = [
    "CHAPTERS",
    "CLAIMS",
    "EXPERIMENTS",
    "RECORDS",
    "Chapter",
    "Records",
    "claim",
    "experiment",
    "find",
]
