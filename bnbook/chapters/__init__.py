"""The chapters of the book: one package each, found by looking through this folder.

A chapter's package holds its experiments, its facts, the sentences that rest on them, the claims
that it tries and its lab's preset; `CHAPTER` in its `__init__` brings them together.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Final

from bnbook.chapters.chapter import Chapter, Library
from bnbook.findings.as_posted import AS_POSTED
from bnbook.findings.transfer import TRANSFER
from bnbook.lab.bands import PAGE


def _found() -> Iterator[Chapter]:
    for one in pkgutil.iter_modules(__path__):
        if one.ispkg:
            yield importlib.import_module(f"{__name__}.{one.name}").CHAPTER


LIBRARY: Final = Library(_found(), (AS_POSTED, PAGE, *TRANSFER))
CHAPTERS: Final = LIBRARY.chapters
#: Every experiment by name.
EXPERIMENTS: Final = LIBRARY.experiments
RECORDS: Final = LIBRARY.records
#: Every claim by its id, source by source.
CLAIMS: Final = LIBRARY.claims

find = LIBRARY.find
experiment = LIBRARY.experiment
claim = LIBRARY.claim

__all__ = [
    "CHAPTERS",
    "CLAIMS",
    "EXPERIMENTS",
    "LIBRARY",
    "RECORDS",
    "Chapter",
    "Library",
    "claim",
    "experiment",
    "find",
]
