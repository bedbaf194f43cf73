"""Reading HTML by position, so that a page can be mended without being written anew."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import accumulate

_VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
}  # fmt: skip
_WEB = re.compile(r"(?:(?:https?|wss?|ftp):|//)", re.IGNORECASE)


@dataclass
class Tag:
    """A start tag in a page; for script and style it spans the element and holds its text."""

    name: str
    attrs: dict[str, str]
    start: int  # offset of its `<`
    stop: int  # offset after its `>`, or after the end tag of a script or style
    text: str = ""
    close: int = -1  # offset of the `<` of its end tag; -1 without one

    @property
    def classes(self) -> set[str]:
        """The words of its class attribute."""
        return set(self.attrs.get("class", "").split())

    def holds(self, other: "Tag") -> bool:
        """Say whether the other tag is inside this element."""
        return self.start < other.start < self.close


Edit = tuple[int, int, str]  # replace page[start:stop] by the text


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.page = page
        self.tags: list[Tag] = []
        self.open: list[Tag] = []
        self.lines = [0, *accumulate(len(line) + 1 for line in page.split("\n"))]
        self.raw: Tag | None = None
        self.feed(page)
        self.close()
        if self.raw is not None and not self.raw.text:  # never closed: it goes on to the end
            self.raw.text = page[self.raw.stop :]

    def position(self) -> int:
        line, column = self.getpos()
        return self.lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        start = self.position()
        length = len(self.get_starttag_text() or "")
        values = {name: value or "" for name, value in reversed(attrs)}  # the first one counts
        self.tags.append(Tag(tag, values, start, start + length))
        self.raw = self.tags[-1] if tag in ("script", "style") else None
        if tag not in _VOID:
            self.open.append(self.tags[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] is self.tags[-1]:
            self.open.pop()
        self.raw = None

    def handle_data(self, data: str) -> None:
        if self.raw is not None:
            self.raw.text += data

    def handle_endtag(self, tag: str) -> None:
        if self.raw is not None and tag == self.raw.name:
            self.raw.stop = self.page.index(">", self.position()) + 1
        self.raw = None
        # What was left open inside, as a <p> may be, ends here too.
        for depth in range(len(self.open) - 1, -1, -1):
            if self.open[depth].name == tag:
                for left in self.open[depth:]:
                    left.close = self.position()
                del self.open[depth:]
                break


def tags(page: str) -> list[Tag]:
    """List the start tags of an HTML page, in order; names and attribute names in lower case."""
    return _Reader(page).tags


def by_id(found: Iterable[Tag], name: str) -> Tag | None:
    """Return the first tag with this id."""
    return next((tag for tag in found if tag.attrs.get("id") == name), None)


def edit(page: str, edits: Iterable[Edit]) -> str:
    """Apply edits that do not overlap."""
    for start, stop, text in sorted(edits, reverse=True):
        page = page[:start] + text + page[stop:]
    return page


def line_of(page: str, offset: int) -> int:
    """Return the line of an offset, counted from 1."""
    return page.count("\n", 0, offset) + 1


def text_of(page: str, tag: Tag) -> str:
    """Return the text of an element: without tags, white space as single blanks."""
    inner = re.sub(r"<annotation\b.*?</annotation>|<[^>]*>", "", page[tag.stop : tag.close])
    return " ".join(html.unescape(inner).split())


def is_elsewhere(url: str) -> bool:
    """Say whether an address, read as browsers read it, is on another host than the page."""
    return _WEB.match(re.sub(r"[\t\n\r]", "", url).strip().replace("\\", "/")) is not None
