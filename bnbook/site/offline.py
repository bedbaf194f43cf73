"""The last pass over the rendered site: nothing is fetched from elsewhere, and that is checked.

Both renderers assume a network: Quarto adds jquery and require.js to a page with an HTML output,
smalldocs adds KaTeX, and Bootswatch themes import web fonts. These known extras are removed;
any other request to another host is an error, as are broken links and pictures without alt text.
What cannot be seen in advance, browsers are told to refuse.
"""

import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from bnbook import findings
from bnbook.errors import BookError
from bnbook.lab import bands, element
from bnbook.site import accessible, css, disk, dress, figures, mathml, scripts
from bnbook.site.pages import Edit, Tag, by_id, edit, is_elsewhere, line_of, tags

_SCHEME = re.compile(r"\s*[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Not needed: math is MathML, outputs need no module loader, the type faces are the system's. Parts
# of paths: `jquery@3.5.1`, `jquery`, `requirejs@2.3.6`, `require.js`, `polyfill.min.js`.
_EXTRA = re.compile(
    r"(?:jquery|require\.?js|require|katex|mathjax|polyfill)(?:[@.].*)?", re.IGNORECASE
)
# What stands before the address in the content of a refresh.
_DELAY = re.compile(r"^[\s\d.]*[;,]?\s*(?:url\s*=\s*)?['\"]?", re.IGNORECASE)
#: What browsers are told of a page, so that nothing which is not seen here, as an address that a
#: script puts together, reaches another host: Content Security Policy Level 3 (W3C). It also marks
#: a page as mended, to be left alone when its neighbors are rendered again.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'self\' file: data: blob: '
    "'unsafe-inline' 'unsafe-eval'; form-action 'self'\">"
)
_LOADING_RELS = {
    "stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch",
    "manifest", "apple-touch-icon", "mask-icon", "prerender",
}  # fmt: skip
_LOADING_ATTRS = ("src", "poster", "data", "background", "xlink:href", "ping", "manifest")
_LISTS = ("srcset", "imagesrcset")
_LOADING_HREF = ("base", "image", "use", "feimage", "script")
# What may hold a url(): the style, and SVG's attributes that are properties of it.
_STYLE = {
    "style", "fill", "stroke", "filter", "mask", "clip-path", "cursor", "marker-start",
    "marker-mid", "marker-end",
}  # fmt: skip
_NOT_SCRIPT = re.compile(r"json|text/(?:html|template|plain|x-)|speculationrules|math/tex")

# A space in prose, not in tags or code, at which a line must not end: before the dot of
# "Chapter 9 · At inference", before the number of a chapter or exercise, and in an interval.
_UNBREAKABLE = re.compile(
    r"(<(pre|code|script|style)\b.*?</\2>|<[^>]*>)"
    r"|(?<=\d) (?=·)|(?<=Chapter|xercise) (?=\d)|(?<=\d,) (?=−?[\d.]+\])",
    re.DOTALL,
)


def mend(site: Path, whole: bool = True) -> list[str]:
    """Mend all files of a rendered site in place; BookError names what cannot be published.

    Returns warnings. `whole` says that all pages are there, so that their links are checked too.
    """
    pages = {path: _text(path) for path in sorted(site.rglob("*.html"))}
    fresh = {path: page for path, page in pages.items() if _POLICY not in page}
    formulas = mathml.to_mathml(set().union(*(mathml.formulas(t) for t in fresh.values())))
    for path, page in fresh.items():
        to_root = "../" * (len(path.relative_to(site).parts) - 1)
        typeset = _UNBREAKABLE.sub(
            lambda found: found[1] or "\u00a0", mathml.typeset(page, formulas)
        )
        pages[path] = dress.dress(typeset, to_root)
    warnings = _write(pages, set(fresh))
    for path in sorted(site.rglob("*.css")):
        path.write_text(css.without_web_fonts(_text(path)), encoding="utf-8")
    if any('rel="icon"' in page for page in pages.values()):
        shutil.copyfile(Path(__file__).with_name(dress.ICON), site / dress.ICON)
    _add_front_end(site)
    _check(site, pages, whole)
    return warnings


def _add_front_end(site: Path) -> None:
    """Put there what all labs share: the front end, and the recorded runs beside the reader's."""
    (site / bands.ADDRESS).parent.mkdir(exist_ok=True)
    for name, text in _front_end().items():
        (site / name).write_text(text, encoding="utf-8")


@cache
def _front_end() -> dict[str, str]:
    texts = {name: element.built(name) for name in (element.SCRIPT, element.STYLE, element.ENGINE)}
    return {**texts, bands.ADDRESS: bands.script(findings.load(bands.PAGE))}


def _write(pages: dict[Path, str], fresh: set[Path]) -> list[str]:
    """Make the fresh pages work from disk and without a network, and write them."""
    found = {path: tags(pages[path]) for path in fresh}
    files = {file for path in fresh for _, file in disk.modules_of(path, found[path])}
    turned = disk.turn_modules(files)
    for path in sorted(fresh):
        changes = [*_edits(pages[path], path, found[path])]
        changes += disk.edits(pages[path], found[path], path, turned)
        pages[path] = edit(pages[path], changes)
        path.write_text(pages[path], encoding="utf-8")
    return [
        f"{file.name} stays a module: browsers refuse to load it when a page is opened from disk"
        for file in sorted(files - turned)
    ]


def _edits(page: str, path: Path, found: list[Tag]) -> Iterator[Edit]:
    """Yield what has to change in a page: extras out, home links and the download link in."""
    notebook = path.with_suffix(".ipynb")
    block = by_id(found, "title-block-header")
    if notebook.is_file() and block is not None:
        end = block.close + len("</header>")
        yield end, end, _download(notebook.name)
    head = next((tag for tag in found if tag.name == "head"), None)
    if head is not None:
        yield head.stop, head.stop, _POLICY
    yield from accessible.edits(page, found)
    yield from figures.edits(page, found, path)
    for tag in found:
        url = tag.attrs.get("href") or ""
        if _is_extra(tag):
            yield tag.start, tag.stop, ""
        elif tag.name == "a" and re.fullmatch(r"(?:\.{1,2}/)+", url):
            # A folder has no index page when it is opened as a file.
            raw = page[tag.start : tag.stop]
            yield tag.start, tag.stop, raw.replace(f'href="{url}"', f'href="{url}index.html"')


def _is_extra(tag: Tag) -> bool:
    """Say whether a tag fetches, or hands on, what renderers add for pages of another kind."""
    if tag.name not in ("script", "link"):
        return False
    url = tag.attrs.get("src") or tag.attrs.get("href") or ""
    if not is_elsewhere(url):
        return tag.name == "script" and "jquery" in tag.text and scripts.defines_jquery(tag.text)
    parts = url.partition("?")[0].replace("\\", "/").split("/")
    return css.is_font_host(url) or any(_EXTRA.fullmatch(part) for part in parts)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BookError(f"{path} is not UTF-8: save it as that") from None


def _download(name: str) -> str:
    return (
        '\n<p class="notebook-download"><a href="'
        f'{name}" download="{name}">Download this page as a Jupyter notebook</a></p>\n'
    )


def _check(site: Path, pages: dict[Path, str], whole: bool) -> None:
    read = {path: tags(page) for path, page in pages.items()}
    anchors = {
        path.resolve(): {t.attrs.get("id") or t.attrs.get("name", "") for t in found}
        for path, found in read.items()
    }
    for path, found in read.items():
        for tag in found:
            if problem := _problem(tag, path, site, anchors if whole else None):
                where = f"{path.relative_to(site)}, line {line_of(pages[path], tag.start)}"
                raise BookError(f"{where}: {problem}")
    for pattern, find in (("*.css", css.requests), ("*.js", _in_script), ("*.mjs", _in_script)):
        for path in sorted(site.rglob(pattern)):
            for url in find(_text(path)):
                name = path.relative_to(site)
                raise BookError(f"{name}: the site would load {url} from another host")


def _problem(tag: Tag, path: Path, site: Path, anchors: dict[Path, set[str]] | None) -> str | None:
    """Say why a page with this tag cannot be published, if so; links only with `anchors`."""
    if url := next(requests(tag), None):
        return f"the page would load {url} from another host"
    if tag.name == "script" and tag.attrs.get("type", "").strip().lower() == "speculationrules":
        return "speculation rules may fetch any page that it links to"
    if anchors is None:
        return None
    if tag.name == "img" and not tag.attrs.get("alt", "").strip():
        return "a picture has no alt text (set `#| fig-alt`)"
    return _broken(tag.attrs.get("href") or tag.attrs.get("src") or "", path, site, anchors)


def requests(tag: Tag) -> Iterator[str]:
    """Yield the addresses on other hosts that a browser would fetch on account of a tag."""
    urls = [tag.attrs[a] for a in _LOADING_ATTRS if a in tag.attrs]
    urls += [part.strip().split(" ")[0] for a in _LISTS for part in tag.attrs.get(a, "").split(",")]
    rels = set(tag.attrs.get("rel", "").lower().split())
    if tag.name in _LOADING_HREF or (tag.name == "link" and rels & _LOADING_RELS):
        urls.append(tag.attrs.get("href", ""))
    if tag.name == "meta" and tag.attrs.get("http-equiv", "").lower() == "refresh":
        urls.append(_DELAY.sub("", tag.attrs.get("content", "")))
    yield from filter(is_elsewhere, dict.fromkeys(urls))
    for name in _STYLE & tag.attrs.keys():
        yield from css.requests_of_value(tag.attrs[name])
    if tag.name == "style":
        yield from css.requests(tag.text)
    if tag.name == "script" and not _NOT_SCRIPT.search(tag.attrs.get("type", "").lower()):
        yield from _in_script(tag.text)
    for name, value in tag.attrs.items():
        if name.startswith("on"):
            yield from _in_script(value)
    if "srcdoc" in tag.attrs:
        for inner in tags(tag.attrs["srcdoc"]):
            yield from requests(inner)


def _in_script(text: str) -> Iterator[str]:
    yield from scripts.requests(text)
    for markup in scripts.markup(text):
        for tag in tags(markup):
            if tag.name != "script":
                yield from requests(tag)


def _broken(url: str, page: Path, site: Path, anchors: dict[Path, set[str]]) -> str | None:
    """Say what is wrong with an address inside the site, if anything is."""
    if not url or _SCHEME.match(url) or is_elsewhere(url):
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
