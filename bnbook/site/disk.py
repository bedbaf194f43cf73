"""What pages need so that they work when they are opened from disk, without a server."""

import html
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from bnbook.site import modules
from bnbook.site.pages import Edit, Tag, is_elsewhere

# Quarto keeps the choice of light or dark only for pages that a server sends.
_SCHEME = """<script>
if (location.protocol === "file:" && window.quartoToggleColorScheme) {
  const name = "quarto-color-scheme", toggle = window.quartoToggleColorScheme;
  const isDark = () => document.body.classList.contains("quarto-dark");
  try {
    const kept = localStorage.getItem(name);
    if (kept && (kept === "alternate") !== isDark()) toggle();
  } catch {}
  window.quartoToggleColorScheme = () => {
    toggle();
    try { localStorage.setItem(name, isDark() ? "alternate" : "default"); } catch {}
  };
}
</script>"""

# Browsers let no page from disk read the index of the search. Before the renderers' scripts look
# for the box, it gives way to a line that says so.
_SEARCH = """<script>
if (location.protocol === "file:") {
  for (const box of document.querySelectorAll("#quarto-search")) {
    const note = document.createElement("p");
    note.className = "search-note";
    note.innerHTML = "Search needs a server: <code>make serve</code>";
    box.replaceWith(note);
  }
  for (const button of document.querySelectorAll(".quarto-search-button")) button.remove();
}
</script>"""


def turn_modules(addresses: Iterable[Path]) -> set[Path]:
    """Turn module scripts at these places into classic ones; return those that could be."""
    # First all, then write: they import each other.
    texts = {path: text for path in addresses if (text := modules.classic(path)) is not None}
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    return set(texts)


def modules_of(path: Path, found: Sequence[Tag]) -> Iterator[tuple[Tag, Path]]:
    """Yield the scripts of a page at `path` that are modules in files of the site."""
    for tag in found:
        address = tag.attrs.get("src", "")
        if _is_module(tag) and address and not is_elsewhere(address):
            yield tag, (path.parent / PurePosixPath(unquote(address.partition("?")[0]))).resolve()


def _is_module(tag: Tag) -> bool:
    return tag.name == "script" and tag.attrs.get("type", "").lower() == "module"


def edits(page: str, found: Sequence[Tag], path: Path, turned: set[Path]) -> Iterator[Edit]:
    """Yield what to change in a page at `path`, where the scripts in `turned` are no modules."""
    for tag, file in modules_of(path, found):
        if file in turned:
            yield tag.start, tag.stop, _as_script(tag)
    for tag in found:
        if tag.name == "link" and "modulepreload" in tag.attrs.get("rel", "").lower().split():
            yield tag.start, tag.stop, ""
        elif tag.name == "script" and tag.attrs.get("id") == "quarto-html-before-body":
            yield tag.stop, tag.stop, _SCHEME
        elif tag.name == "html" and "xmlns" in tag.attrs:
            # From disk, WebKitGTK takes a page with it for XML, and shows nothing.
            kept = {name: value for name, value in tag.attrs.items() if ":" not in name}
            del kept["xmlns"]
            yield tag.start, tag.stop, _written("html", kept)
        elif (
            _is_module(tag) and "src" not in tag.attrs and (text := modules.inline(path, tag.text))
        ):
            yield tag.start, tag.stop, f'<script type="module">{text}</script>'
    end = page.rfind("</body>")
    if end >= 0 and any(tag.attrs.get("id") == "quarto-search" for tag in found):
        yield end, end, _SEARCH


def _as_script(tag: Tag) -> str:
    """Write the tag of a module anew: like a module, it waits for the whole page."""
    kept = {name: value for name, value in tag.attrs.items() if name not in ("type", "defer")}
    return _written("script", kept | {"defer": ""}) + "</script>"


def _written(name: str, attrs: dict[str, str]) -> str:
    attributes = (f' {key}="{html.escape(value)}"' for key, value in attrs.items())
    return f"<{name}{''.join(attributes)}>"
