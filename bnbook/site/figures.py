"""Figures in a page: a narrow screen is shown the narrow drawing that each brings along."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from bnbook import screens
from bnbook.site.pages import Edit, Tag

#: Below it, Bootstrap takes a window for a phone's.
_NARROW = "(max-width: 575.98px)"
_INLINE = "data:image/svg+xml;base64,"


def edits(page: str, found: Sequence[Tag], path: Path) -> Iterator[Edit]:
    """Yield what to change in the page at `path` whose tags are `found`; pictures are rewritten.

    The narrow drawings are files beside the page, which only those fetch that need them.
    """
    for number, tag in enumerate(found):
        source = tag.attrs.get("src", "")
        if tag.name != "img" or not (drawings := screens.split(_read(source, path))):
            continue
        wide, narrow = drawings
        beside = f"{path.stem}_files/narrow-{number}.svg"
        (path.parent / beside).parent.mkdir(exist_ok=True)
        (path.parent / beside).write_text(narrow, encoding="utf-8")
        image = page[tag.start : tag.stop].replace(source, _put(wide, source, path))
        added = f'<source media="{_NARROW}" srcset="{beside}">'
        yield tag.start, tag.stop, f"<picture>{added}{image}</picture>"


def _read(source: str, path: Path) -> str:
    """Return the SVG that a picture shows; "" for one of another kind, or damaged."""
    if source.startswith(_INLINE):
        with suppress(ValueError):
            return base64.b64decode(source.removeprefix(_INLINE)).decode()
        return ""
    file = path.parent / unquote(source)
    return file.read_text(encoding="utf-8") if source.endswith(".svg") and file.is_file() else ""


def _put(svg: str, source: str, path: Path) -> str:
    """Put an SVG where `source` had one; return its address."""
    if source.startswith(_INLINE):
        return _INLINE + base64.b64encode(svg.encode()).decode()
    (path.parent / unquote(source)).write_text(svg, encoding="utf-8")
    return source
