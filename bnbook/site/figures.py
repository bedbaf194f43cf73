"""Figures in a page: a narrow screen is shown the narrow drawing that each brings along."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from bnbook import screens
from bnbook.site.pages import Edit, Tag

#: Below it, Bootstrap takes a window for a phone's.
_NARROW = "(max-width: 575.98px)"
_INLINE = "data:image/svg+xml;base64,"


def edits(page: str, found: Sequence[Tag], path: Path) -> Iterator[Edit]:
    """Yield what to change in the page at `path` whose tags are `found`; pictures are rewritten."""
    for tag in found:
        source = tag.attrs.get("src", "")
        if tag.name != "img" or not (drawings := screens.split(_read(source, path))):
            continue
        wide, narrow = (
            _inline(drawings) if source.startswith(_INLINE) else _files(source, path, drawings)
        )
        image = page[tag.start : tag.stop].replace(source, wide)
        added = f'<source media="{_NARROW}" srcset="{narrow}">'
        yield tag.start, tag.stop, f"<picture>{added}{image}</picture>"


def _read(source: str, path: Path) -> str:
    """Return the SVG that a picture shows; "" for one of another kind."""
    if source.startswith(_INLINE):
        return base64.b64decode(source.removeprefix(_INLINE)).decode()
    file = path.parent / unquote(source)
    return file.read_text(encoding="utf-8") if source.endswith(".svg") and file.is_file() else ""


def _inline(drawings: tuple[str, str]) -> tuple[str, ...]:
    return tuple(_INLINE + base64.b64encode(one.encode()).decode() for one in drawings)


def _files(source: str, path: Path, drawings: tuple[str, str]) -> tuple[str, ...]:
    """Put each drawing into a file of its own; return the addresses."""
    addresses = source, f"{source.removesuffix('.svg')}-narrow.svg"
    for address, drawing in zip(addresses, drawings, strict=True):
        (path.parent / unquote(address)).write_text(drawing, encoding="utf-8")
    return addresses
