"""The last pass over the rendered site: nothing is fetched from elsewhere, and that is checked.

Both renderers assume a network: Quarto adds jquery and require.js to a page with an HTML output,
smalldocs adds KaTeX, and Bootswatch themes import web fonts. These known extras are removed;
any other request to another host is an error, as are broken links and pictures without alt text.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from bnbook.errors import BookError
from bnbook.site import accessible, mathml
from bnbook.site.pages import Edit, Tag, edit, line_of, tags

_HOST = re.compile(r"\s*(?:https?:|wss?:|ftp:)?//", re.IGNORECASE)
_SCHEME = re.compile(r"\s*[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Not needed: math is MathML, outputs need no module loader, the type faces are the system's.
_EXTRA = re.compile(r"/(?:jquery|require\.js|katex)[@/]|//fonts\.(?:googleapis|gstatic)\.com")
_EXTRA_CODE = re.compile(r"\s*define\('jquery'")
_FONT_IMPORT = re.compile(
    r"""@import\s+(?:url\(\s*)?["']?(?:https?:)?//fonts\.[^)"']*["']?\s*\)?[^;{}]*;"""
)
_CSS_URL = re.compile(
    r"""url\(\s*["']?([^"')\s]+)|@import\s+["']([^"']+)|image-set\(\s*["']([^"']+)"""
)
_SCRIPT_URL = re.compile(
    r"""(?:\bfrom|\bimport|\bimport\s*\(|\bimportScripts\s*\(|\bfetch\s*\(|\bsendBeacon\s*\(
    |\bnew\s+(?:Worker|SharedWorker|WebSocket|EventSource|Request)\s*\(
    |\.open\s*\(\s*["'`]\w+["'`]\s*,|\.src\s*=|["'`]src["'`]\s*,)
    \s*["'`]((?:https?:|wss?:)?//[^"'`\s]+)""",
    re.VERBOSE,
)
_LOADING_RELS = {
    "stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch",
    "manifest", "apple-touch-icon", "prerender",
}  # fmt: skip
_LOADING_ATTRS = ("src", "srcset", "poster", "data", "background", "xlink:href")
_LOADING_HREF = ("base", "image", "use", "feimage")


# A space in prose, not in tags or code, at which a line must not end: before a percent sign, and
# before the dot of "Chapter 9 · At inference".
_UNBREAKABLE = re.compile(
    r"(<(pre|code|script|style)\b.*?</\2>|<[^>]*>)|(?<=\d) (?=[%·])", re.DOTALL
)


def mend(site: Path) -> None:
    """Mend all files of a rendered site in place; BookError names what cannot be published."""
    pages = {p: p.read_text(encoding="utf-8") for p in sorted(site.rglob("*.html"))}
    formulas = mathml.to_mathml(set().union(*(mathml.formulas(t) for t in pages.values())))
    for path, page in pages.items():
        typeset = _UNBREAKABLE.sub(_unbroken, mathml.typeset(page, formulas))
        pages[path] = edit(typeset, _edits(typeset, path))
        path.write_text(pages[path], encoding="utf-8")
    for path in sorted(site.rglob("*.css")):
        path.write_text(_FONT_IMPORT.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")
    _check(site, pages)


def _unbroken(found: re.Match[str]) -> str:
    return found[1] or "\u00a0"


def _edits(page: str, path: Path) -> Iterator[Edit]:
    """Yield what has to change in a page: extras out, home links and the download link in."""
    notebook = path.with_suffix(".ipynb")
    title = page.find('id="title-block-header"')
    if notebook.is_file() and title >= 0:
        end = page.index("</header>", title) + len("</header>")
        yield end, end, _download(notebook.name)
    found = tags(page)
    yield from accessible.edits(page, found)
    for tag in found:
        url = tag.attrs.get("src") or tag.attrs.get("href") or ""
        is_extra = tag.name in ("script", "link") and _HOST.match(url) and _EXTRA.search(url)
        if is_extra or (tag.name == "script" and _EXTRA_CODE.match(tag.text)):
            yield tag.start, tag.stop, ""
        elif tag.name == "a" and re.fullmatch(r"(?:\.{1,2}/)+", url):
            # A folder has no index page when it is opened as a file.
            raw = page[tag.start : tag.stop]
            yield tag.start, tag.stop, raw.replace(f'href="{url}"', f'href="{url}index.html"')


def _download(name: str) -> str:
    return (
        '\n<p class="notebook-download"><a href="'
        f'{name}" download="{name}">Download this page as a Jupyter notebook</a></p>\n'
    )


def _check(site: Path, pages: dict[Path, str]) -> None:
    read = {path: tags(page) for path, page in pages.items()}
    anchors = {
        path.resolve(): {t.attrs.get("id") or t.attrs.get("name", "") for t in found}
        for path, found in read.items()
    }
    for path, found in read.items():
        name = path.relative_to(site)
        for tag in found:
            where = f"{name}, line {line_of(pages[path], tag.start)}"
            for url in requests(tag):
                raise BookError(f"{where}: the page would load {url} from another host")
            if tag.name == "img" and not tag.attrs.get("alt", "").strip():
                raise BookError(f"{where}: a picture has no alt text (set `#| fig-alt`)")
            url = tag.attrs.get("href") or tag.attrs.get("src") or ""
            if problem := _broken(url, path, site, anchors):
                raise BookError(f"{where}: {problem}")
    for pattern, find in (("*.css", _in_css), ("*.js", _in_script)):
        for path in sorted(site.rglob(pattern)):
            for url in find(path.read_text(encoding="utf-8")):
                name = path.relative_to(site)
                raise BookError(f"{name}: the site would load {url} from another host")


def requests(tag: Tag) -> Iterator[str]:
    """Yield the addresses on other hosts that a browser would fetch on account of a tag."""
    urls = [tag.attrs[a] for a in _LOADING_ATTRS if a in tag.attrs]
    rels = set(tag.attrs.get("rel", "").lower().split())
    if tag.name in _LOADING_HREF or (tag.name == "link" and rels & _LOADING_RELS):
        urls.append(tag.attrs.get("href", ""))
    candidates = [part.strip() for url in urls for part in (url, *url.split(","))]
    yield from (u for u in dict.fromkeys(candidates) if _HOST.match(u))
    yield from _in_css(tag.attrs.get("style", ""))
    if tag.name == "style":
        yield from _in_css(tag.text)
    if tag.name == "script":
        yield from _in_script(tag.text)


def _in_css(text: str) -> Iterator[str]:
    found = (next(filter(None, m.groups())) for m in _CSS_URL.finditer(text))
    return (url for url in found if _HOST.match(url))


def _in_script(text: str) -> Iterator[str]:
    return (m[1] for m in _SCRIPT_URL.finditer(text))


def _broken(url: str, page: Path, site: Path, anchors: dict[Path, set[str]]) -> str | None:
    """Say what is wrong with an address inside the site, if anything is."""
    if not url or _SCHEME.match(url) or _HOST.match(url):
        return None
    if url.startswith("/"):
        return f"{url} starts at the root of a server; it must be relative to the page"
    location, _, anchor = url.partition("#")
    location = unquote(location.partition("?")[0])
    target = (page.parent / PurePosixPath(location)).resolve() if location else page.resolve()
    if not target.is_relative_to(site.resolve()) or not target.exists():
        return f"the link {url} leads nowhere"
    if anchor and unquote(anchor) not in anchors.get(target, {unquote(anchor)}):
        return f"the link {url} leads to no such place in the page"
    return None
