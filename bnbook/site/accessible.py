"""What assistive technology misses in the renderers' pages: names, roles, a way into wide boxes."""

from collections.abc import Iterator, Sequence

from bnbook.site.pages import Edit, Tag

#: Several `nav` on a page need names to be told apart; each by its id or one of its classes.
_NAMES = {
    "quarto-sidebar": "Chapters",
    "quarto-secondary-nav": "This page",
    "page-navigation": "Previous and next page",
}
_ROLE = ' role="navigation"'

# A box that scrolls must be in reach of the arrow keys. Not every browser sees to it, and a stop
# at each box would be in the way of those who tab through: only what is cut off becomes one.
_SCROLLERS = """<script type="module">
const watch = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
for (const box of document.querySelectorAll("main :is(pre, .math.display, .cell table, .table)")) {
  if (!box.closest("[tabindex]") && getComputedStyle(box).overflowX === "auto") watch.observe(box);
}
</script>
"""


def edits(page: str, found: Sequence[Tag]) -> Iterator[Edit]:
    """Yield what to change in a `page` whose tags are `found`."""
    for tag in found:
        raw = page[tag.start : tag.stop]
        if tag.name == "nav" and "aria-label" not in tag.attrs:
            marks = {tag.attrs.get("id", ""), *tag.attrs.get("class", "").split()}
            for mark in marks & set(_NAMES):
                at = tag.start + len("<nav")
                yield at, at, f' aria-label="{_NAMES[mark]}"'
        elif tag.name == "a" and _ROLE in raw:
            # Said of what folds a list: it hides that the keyboard can do something here, and
            # without an address the keyboard could not.
            target = tag.attrs.get("data-bs-target", "")
            folds = target.startswith("#")  # by a class, it is the mouse's short cut to a button
            href = f' href="{target}"' if folds and "href" not in tag.attrs else ""
            role = ' role="button"' if folds else ""
            yield tag.start, tag.stop, raw.replace(_ROLE, href + role)
    end = page.rfind("</body>")
    if end >= 0 and any(tag.name == "main" for tag in found):
        yield end, end, _SCROLLERS
