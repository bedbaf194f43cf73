"""The static site: notebooks are staged, executed, rendered and made to work offline."""

from bnbook.site.build import check, render
from bnbook.site.executing import execute
from bnbook.site.notebooks import is_executed, stage
from bnbook.site.publish import alone
from bnbook.site.repository import name_in_sources
from bnbook.site.server import serve

__all__ = [
    "alone",
    "check",
    "execute",
    "is_executed",
    "name_in_sources",
    "render",
    "serve",
    "stage",
]
