"""The static site: notebooks are staged, executed, rendered and made to work offline."""

from bnbook.site.build import render
from bnbook.site.notebooks import execute, is_executed, stage
from bnbook.site.server import serve

__all__ = ["execute", "is_executed", "render", "serve", "stage"]
