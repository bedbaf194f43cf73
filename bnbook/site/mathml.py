"""TeX to MathML by pandoc, all formulas of the site in one call."""

import html
import json
import re
from collections.abc import Iterable

import pypandoc

from bnbook.errors import BookError, reason
from bnbook.formulas import mend

# As the fallback renderer writes a formula, for a script that would typeset it in the browser.
_TEX = re.compile(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.DOTALL)
_DISPLAY = re.compile(
    r'(?:<span class="math display">\s*)?(<math display="block".*?</math>)(?:\s*</span>)?',
    re.DOTALL,
)
# An inline formula and what ends its phrase; browsers would let a period begin a line.
_ENDING = re.compile(
    r'(<span class="math inline"><math\b(?:(?!</math>).)*</math></span>'
    r'|<math display="inline"(?:(?!</math>).)*</math>)([.,;:!?)]+)',
    re.DOTALL,
)

Formula = tuple[str, str]  # "inline" or "display", TeX


def formulas(page: str) -> set[Formula]:
    """Find the formulas that are still TeX in an HTML page."""
    return {(m[1], html.unescape(m[2]).strip()) for m in _TEX.finditer(page)}


def typeset(page: str, mathml: dict[Formula, str]) -> str:
    """Replace TeX by MathML; what is displayed can scroll, what is inline keeps its period."""
    page = _TEX.sub(lambda m: mathml[m[1], html.unescape(m[2]).strip()], page)
    page = mend(page)
    page = _ENDING.sub(r'<span class="unbroken">\1\2</span>', page)
    return _DISPLAY.sub(r'<span class="math display">\1</span>', page)


def to_mathml(wanted: Iterable[Formula]) -> dict[Formula, str]:
    """Convert formulas; BookError names the first that pandoc does not understand."""
    ordered = sorted(wanted)
    if not ordered:
        return {}
    math = [{"t": "Math", "c": [{"t": f"{kind.title()}Math"}, tex]} for kind, tex in ordered]
    blocks = [
        {"t": "Div", "c": [[f"f{n}", [], []], [{"t": "Plain", "c": [one]}]]}
        for n, one in enumerate(math)
    ]
    document = json.loads(_pandoc("", "markdown", "json")) | {"blocks": blocks}
    converted = _pandoc(json.dumps(document), "json", "html", "--mathml", "--wrap=none")
    found = re.findall(r'<div id="f(\d+)">\s*(<math.*?</math>)', converted, re.DOTALL)
    result = {ordered[int(n)]: text for n, text in found}
    for kind, tex in ordered:
        if (kind, tex) not in result:
            raise BookError(f"pandoc cannot read the formula {tex!r}: check its TeX")
    return result


def _pandoc(text: str, read: str, write: str, *arguments: str) -> str:
    try:
        written: str = pypandoc.convert_text(text, write, format=read, extra_args=arguments)
    except RuntimeError as error:
        raise BookError(f"pandoc failed: {reason(error)}") from error
    return written
