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
const boxes = [...document.querySelectorAll("main :is(pre, .math.display, .cell table, .table)")]
  .filter((one) => !one.closest("[tabindex]") && getComputedStyle(one).overflowX === "auto");
const check = (box) => {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
};
const watch = new ResizeObserver((entries) => entries.forEach(({ target }) => check(target)));
boxes.forEach((box) => watch.observe(box));
document.fonts.addEventListener("loadingdone", () => boxes.forEach(check));
// Late chapters lie below the end of their list.
document.querySelector("#quarto-sidebar .active")?.scrollIntoView({ block: "nearest" });
</script>
"""


def edits(page: str, found: Sequence[Tag]) -> Iterator[Edit]:
    """Yield what to change in a `page` whose tags are `found`."""
    for tag in found:
        raw = page[tag.start : tag.stop]
        if tag.name == "nav" and "aria-label" not in tag.attrs:
            for mark in {tag.attrs.get("id", ""), *tag.classes} & set(_NAMES):
                at = tag.start + len("<nav")
                yield at, at, f' aria-label="{_NAMES[mark]}"'
        elif tag.name == "a" and _ROLE in raw:
            yield tag.start, tag.stop, raw.replace(_ROLE, _role(tag))
    end = page.rfind("</body>")
    if end >= 0 and any(tag.name == "main" for tag in found):
        yield end, end, _SCROLLERS


def _role(tag: Tag) -> str:
    """Say what a link that calls itself a navigation is: a button that folds a list, as a rule."""
    target = tag.attrs.get("data-bs-target", "")
    if target.startswith("#"):  # without an address, the keyboard could not reach it
        return ("" if "href" in tag.attrs else f' href="{target}"') + ' role="button"'
    # By a class, it is the mouse's short cut to a button.
    return ' aria-hidden="true"' if target else ""
