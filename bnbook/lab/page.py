"""Pieces of text/html outputs that live alike in Jupyter, in Quarto and in a bare file."""

import hashlib
import itertools
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib import resources
from typing import Any

import pypandoc
from IPython.core.getipython import get_ipython

_instances = itertools.count(1)


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


@dataclass(frozen=True)
class Html:
    """A text/html output: markup, style and script in one piece."""

    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.html


def assemble(name: str, body: str, data: object, scripts: Sequence[str] = ()) -> Html:
    """Join `body` with `<name>.css`, `<name>.js` and `data` under an id of its own.

    `scripts` names the modules that `<name>.js` imports, in an order in which they can run.

    In all three, ROOT_ID stands for that id. The script finds `data` as JSON in the element
    `<id>-data`. The result has no blank and no indented line: Markdown would end the HTML there.
    """
    digest = hashlib.sha256((name + body + json.dumps(data)).encode()).hexdigest()[:8]
    root_id = f"bn-{name}-{digest}-{next(_instances)}"
    parts = [
        f'<div class="bn-{name}" id="ROOT_ID">',
        f"<style>{_asset(name + '.css')}</style>",
        body,
        f'<script type="application/json" id="ROOT_ID-data">{_embedded(data)}</script>',
        "</div>",
        f'<script type="module">{joined(*scripts, name)}</script>',
    ]
    return Html(_compact("\n".join(parts)).replace("ROOT_ID", root_id))


def slider(name: str, label: str, values: list[str], start: int, ticks: str, more: str = "") -> str:
    """Write a native range input over the indices of `values`: an arrow key moves by one value.

    `ticks` is the markup under it, `more` are further attributes of the whole control.
    """
    return f"""<div class="control"{more}>
<div class="head"><label for="ROOT_ID-{name}">{label}</label>
<output for="ROOT_ID-{name}">{values[start]}</output></div>
<input type="range" id="ROOT_ID-{name}" name="{name}" min="0" max="{len(values) - 1}" step="1"
value="{start}" aria-valuetext="{values[start]}">
<div class="ticks" aria-hidden="true">{ticks}</div>
</div>"""


def markdown(text: str) -> str:
    """Turn Markdown into HTML with MathML; a single paragraph loses its `<p>`."""
    if not re.search(r"[$*_`<&\[\\\n]", text):
        return escape(text)
    converted = pypandoc.convert_text(text, "html", format="markdown", extra_args=["--mathml"])
    html = str(converted).strip()
    inner = html.removeprefix("<p>").removesuffix("</p>")
    return html if "<p>" in inner else inner


def joined(*names: str) -> str:
    """Join JavaScript modules of the lab into one script without imports and exports."""
    text = "\n".join(_asset(name + ".js") for name in names)
    return re.sub(r"^import [^;]*;\n|^export (?=async |function |const )", "", text, flags=re.M)


@cache
def _asset(name: str) -> str:
    return resources.files("bnbook.lab").joinpath(name).read_text(encoding="utf-8")


def _embedded(data: Any) -> str:
    """Write JSON that no HTML parser and no math delimiter can break out of."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character in "<>&$`":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _compact(html: str) -> str:
    lines = (line.strip() for line in html.splitlines())
    return "\n".join(line for line in lines if line)
