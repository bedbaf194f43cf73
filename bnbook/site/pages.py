"""Reading HTML by position, so that a page can be mended without being written anew."""

from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import accumulate


@dataclass
class Tag:
    """A start tag in a page; for script and style it spans the element and holds its text."""

    name: str
    attrs: dict[str, str]
    start: int  # offset of its `<`
    stop: int  # offset after its `>`, or after the end tag of a script or style
    text: str = ""


Edit = tuple[int, int, str]  # replace page[start:stop] by the text


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.page = page
        self.tags: list[Tag] = []
        self.lines = [0, *accumulate(len(line) + 1 for line in page.split("\n"))]
        self.raw: Tag | None = None
        self.feed(page)
        self.close()

    def position(self) -> int:
        line, column = self.getpos()
        return self.lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        start = self.position()
        length = len(self.get_starttag_text() or "")
        values = {name: value or "" for name, value in attrs}
        self.tags.append(Tag(tag, values, start, start + length))
        self.raw = self.tags[-1] if tag in ("script", "style") else None

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.raw = None

    def handle_data(self, data: str) -> None:
        if self.raw is not None:
            self.raw.text += data

    def handle_endtag(self, tag: str) -> None:
        if self.raw is not None and tag == self.raw.name:
            self.raw.stop = self.page.index(">", self.position()) + 1
        self.raw = None


def tags(page: str) -> list[Tag]:
    """List the start tags of an HTML page, in order; names and attribute names in lower case."""
    return _Reader(page).tags


def edit(page: str, edits: Iterable[Edit]) -> str:
    """Apply edits that do not overlap."""
    for start, stop, text in sorted(edits, reverse=True):
        page = page[:start] + text + page[stop:]
    return page


def line_of(page: str, offset: int) -> int:
    """Return the line, from 1, of an offset."""
    return page.count("\n", 0, offset) + 1
