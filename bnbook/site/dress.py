"""What the renderers leave out of a page or write differently: head, contents, title."""

import html
from collections.abc import Iterable, Iterator, Sequence

from bnbook.lab.element import SCRIPT, STYLE
from bnbook.site.pages import Edit, Tag, by_id, edit, tags, text_of

ICON = "favicon.svg"
# As Quarto writes it with `toc-expand: true`.
_NAVIGATION = '<nav id="TOC" role="doc-toc" class="toc-active" data-toc-expanded="99">'
_SEPARATOR = " – "  # between the page's title and the book's, in both renderers
#: A description as search engines show it.
_LONGEST = 200


def dress(page: str, to_root: str) -> str:
    """Complete a page; `to_root` leads from it to the folder of the site, as "../" does."""
    page = edit(page, _one_title(page, tags(page)))
    page = edit(page, _contents(page, tags(page)))
    return edit(page, _head(page, tags(page), to_root))


def _one_title(page: str, found: Sequence[Tag]) -> Iterator[Edit]:
    """Quarto titles the first page with the book's name, above the page's own title."""
    block = by_id(found, "title-block-header")
    titles = [tag for tag in found if tag.name == "h1" and _in_main(tag, found)]
    if block is None or len(titles) < 2 or not block.holds(titles[0]):
        return
    first, second = titles[:2]
    yield first.stop, first.close, page[second.stop : second.close]
    yield second.start, second.close + len("</h1>"), ""
    for tag in found:
        if tag.name == "div" and "description" in tag.classes and block.holds(tag):
            yield tag.stop, tag.close, ""


def _contents(page: str, found: Sequence[Tag]) -> Iterator[Edit]:
    """List the page's sections anew where computed ones are missing, or a title is too many."""
    beside = by_id(found, "quarto-margin-sidebar")
    headings = list(_headings(page, found))
    listed = [tag.attrs.get("data-scroll-target") for tag in found if "nav-link" in tag.classes]
    wanted = [f"#{anchor}" for _, anchor, _ in headings]
    if beside is None or not wanted or [one for one in listed if one] == wanted:
        return
    title = by_id(found, "toc-title")
    label = text_of(page, title) if title else "On this page"
    heading = f'<h2 id="toc-title">{html.escape(label)}</h2>'
    yield beside.stop, beside.close, f"{_NAVIGATION}{heading}{_nested(headings)}</nav>"
    if "zindex-bottom" in beside.classes:  # as Quarto puts it where nothing is to be clicked
        start = page[beside.start : beside.stop]
        yield beside.start, beside.stop, start.replace(" zindex-bottom", "")


Heading = tuple[int, str, str]  # level, id, text


def _headings(page: str, found: Sequence[Tag]) -> Iterator[Heading]:
    sections = [tag for tag in found if tag.name == "section" and "id" in tag.attrs]
    for tag in found:
        if tag.name not in ("h2", "h3") or not _in_main(tag, found):
            continue
        around = [one for one in sections if one.holds(tag)]
        anchor = tag.attrs.get("id") or (around[-1].attrs["id"] if around else "")
        if anchor and not any(one.name == "details" and one.holds(tag) for one in found):
            yield int(tag.name[1]), anchor, text_of(page, tag)


def _nested(headings: Iterable[Heading]) -> str:
    text, depth = "<ul>", 0
    for level, anchor, label in headings:
        if depth == 0:
            text += "<li>"
        elif level == 3 and depth == 2:
            text += "<ul><li>"
        elif level == 2 and depth == 3:
            text += "</li></ul></li><li>"
        else:
            text += "</li><li>"
        depth = level if depth else 2
        text += (
            f'<a href="#{anchor}" id="toc-{anchor}" class="nav-link"'
            f' data-scroll-target="#{anchor}">{html.escape(label)}</a>'
        )
    return text + ("</li></ul></li></ul>" if depth == 3 else "</li></ul>")


def _head(page: str, found: Sequence[Tag], to_root: str) -> Iterator[Edit]:
    """Yield description, Open Graph, icon and front end; no addresses, which are not known here."""
    title = next((tag for tag in found if tag.name == "title"), None)
    if title is None or title.close < 0:
        return
    described = next((t for t in found if t.attrs.get("name") == "description"), None)
    whole = text_of(page, title)
    own, _, book = whole.rpartition(_SEPARATOR)
    text = _summary(page, found) or (described.attrs.get("content", "") if described else "")
    lines = [
        ("property", "og:title", own or whole),
        ("property", "og:site_name", book or whole),
        ("property", "og:type", "article" if own else "website"),
        *([("name", "description", text), ("property", "og:description", text)] if text else []),
    ]
    if described:
        yield described.start, described.stop, ""
    added = "".join(
        f'<meta {kind}="{name}" content="{html.escape(content)}">' for kind, name, content in lines
    )
    if not any("icon" in tag.attrs.get("rel", "").lower().split() for tag in found):
        added += f'<link rel="icon" href="{to_root}{ICON}" type="image/svg+xml">'
    if any("data-bn" in tag.attrs for tag in found):
        added += f'<link rel="stylesheet" href="{to_root}{STYLE}">'
        added += f'<script defer src="{to_root}{SCRIPT}"></script>'
    end = title.close + len("</title>")
    yield end, end, added


def _summary(page: str, found: Sequence[Tag]) -> str:
    """Return the first sentences of a page: those of the first paragraph that is not computed."""
    for tag in found:
        if tag.name != "p" or not _in_main(tag, found) or tag.close < 0:
            continue
        if any("cell" in one.classes and one.holds(tag) for one in found if one.name == "div"):
            continue
        text = text_of(page, tag)
        if len(text) >= 40 and "<math" not in page[tag.stop : tag.close]:
            return _shortened(text)
    return ""


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    end = text.rfind(". ", 0, _LONGEST)
    return text[: end + 1] if end > 0 else text[: text.rfind(" ", 0, _LONGEST)] + " …"


def _in_main(tag: Tag, found: Sequence[Tag]) -> bool:
    return any(one.name == "main" and one.holds(tag) for one in found)
