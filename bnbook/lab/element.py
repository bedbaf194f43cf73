"""An interactive element: the front end in `web/`, on a page of the site and in Jupyter."""

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import resources
from typing import Any

import anywidget
import pypandoc
import traitlets
from IPython.core.getipython import get_ipython

from bnbook.formulas import mend

#: The front end as `make front` bundles it. A page with an element loads the first two; the third
#: is read when a reader first trains.
SCRIPT, STYLE, ENGINE = "lab.js", "lab.css", "engine.js"


def rendering() -> bool:
    """Whether the code runs to make a static page, where no kernel will answer.

    Our own build sets BNBOOK_RENDER. Quarto (1.5 and later) sets QUARTO_DOCUMENT_PATH for the
    engine that it starts, and QUARTO_EXECUTE_INFO since 1.8.
    """
    names = ("BNBOOK_RENDER", "QUARTO_DOCUMENT_PATH", "QUARTO_EXECUTE_INFO")
    return any(os.environ.get(name) for name in names)


def running_cell() -> tuple[str, str] | None:
    """Name the notebook's cell that is being run, and this execution of it; None elsewhere.

    Not every front end names its cells: then the first name is empty.
    """
    parent: Any = getattr(get_ipython(), "get_parent", dict)()
    execution = parent.get("header", {}).get("msg_id")
    return (parent.get("metadata", {}).get("cellId", ""), execution) if execution else None


@cache
def built(name: str) -> str:
    """Read a file of the bundled front end: `SCRIPT`, `STYLE`, `ENGINE` or "widget.js"."""
    return resources.files("bnbook.lab").joinpath("built", name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Html:
    """An element of a page: its data as JSON, and what is seen where no script runs."""

    kind: str
    data: dict[str, Any]
    fallback: str

    def _repr_html_(self) -> str:
        # No blank and no indented line: Markdown would end the HTML there.
        lines = (line.strip() for line in self.fallback.splitlines())
        fallback = "\n".join(line for line in lines if line)
        return (
            f'<div class="bn bn-{self.kind}" data-bn="{self.kind}">\n'
            f'<script type="application/json">{_embedded(self.data)}</script>\n'
            f'<div class="fallback">{fallback}</div>\n</div>'
        )


class Widget(anywidget.AnyWidget):
    """The same element in Jupyter; a saved notebook keeps `fallback` where it was."""

    _esm = built("widget.js")
    _css = built(STYLE)
    kind = traitlets.Unicode().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)

    def __init__(self, kind: str, data: dict[str, Any], fallback: str, **traits: Any) -> None:
        super().__init__(kind=kind, data=data, **traits)
        self.fallback = fallback

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        found = super()._repr_mimebundle_(**kwargs)
        if found is None:
            return None
        bundle, metadata = found
        return {**bundle, "text/html": self.fallback}, metadata


def element(kind: str, data: dict[str, Any], fallback: str) -> Html | Widget:
    """Make what a cell displays: an element of `kind` (one of `web/src/mount.js`).

    `data` is JSON-able; `fallback` is HTML that is readable without scripts.
    """
    return Html(kind, data, fallback) if rendering() else Widget(kind, data, fallback)


def markdown(text: str) -> str:
    """Turn Markdown into HTML with MathML; a single paragraph loses its `<p>`."""
    if not re.search(r"[$*_`<&\[\\\n'\"]", text):
        return escape(text)
    converted = pypandoc.convert_text(text, "html", format="markdown", extra_args=["--mathml"])
    html = mend(str(converted).strip())
    inner = html.removeprefix("<p>").removesuffix("</p>")
    return html if "<p>" in inner else inner


def _embedded(data: Any) -> str:
    """Write JSON that no HTML parser and no math delimiter can break out of."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&$`":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
