"""What a style sheet would fetch from another host, and the web fonts that themes ask for."""

from collections.abc import Iterable, Iterator
from typing import Any

import tinycss2

from bnbook.site.pages import Edit, edit, is_elsewhere

Node = Any  # tinycss2 has no types

# Functions whose strings are addresses, besides the url() that the tokenizer knows by itself.
_LOADING = {"url", "src", "image-set", "-webkit-image-set", "image", "cross-fade"}


def requests(sheet: str) -> Iterator[str]:
    """Yield the addresses on other hosts that a browser would fetch for a style sheet."""
    for rule in tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True):
        if rule.type == "at-rule" and rule.lower_at_keyword == "namespace":
            continue  # a name, never fetched
        if rule.type == "at-rule" and rule.lower_at_keyword == "import":
            yield from filter(is_elsewhere, _imported(rule))
        elif rule.type in ("at-rule", "qualified-rule"):
            yield from _in_values([*rule.prelude, *(rule.content or ())])


def requests_of_value(value: str) -> Iterator[str]:
    """Yield the same for declarations or a single value, as in a `style` attribute."""
    return _in_values(tinycss2.parse_component_value_list(value, skip_comments=True))


def without_web_fonts(sheet: str) -> str:
    """Cut the imports of fonts from other hosts; all else stays as it is, to the letter."""
    if "@" not in sheet:
        return sheet
    # As tinycss2 reads it, so that its lines and columns are ours.
    sheet = sheet.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    rules = tinycss2.parse_stylesheet(sheet)
    starts = [0]
    for line in sheet.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    offsets = [starts[rule.source_line - 1] + rule.source_column - 1 for rule in rules]
    cuts: list[Edit] = [
        (start, stop, "")
        for rule, start, stop in zip(rules, offsets, [*offsets[1:], len(sheet)], strict=True)
        if rule.type == "at-rule"
        and rule.lower_at_keyword == "import"
        and any(is_elsewhere(url) and is_font_host(url) for url in _imported(rule))
    ]
    return edit(sheet, cuts)


def is_font_host(url: str) -> bool:
    """Say whether an address is of a host for web fonts, as Google's `fonts.googleapis.com`."""
    host = url.strip().replace("\\", "/").partition("//")[2].partition("/")[0].lower()
    return host.startswith("fonts.")


def _imported(rule: Node) -> Iterator[str]:
    """Yield the address of an @import rule, whichever way it is written."""
    for node in rule.prelude:
        if node.type in ("string", "url"):
            yield node.value
        elif node.type == "function" and node.lower_name in _LOADING:
            yield from (one.value for one in node.arguments if one.type == "string")


def _in_values(nodes: Iterable[Node], inside: str = "") -> Iterator[str]:
    for node in nodes:
        if node.type == "url" or (node.type == "string" and inside in _LOADING):
            if is_elsewhere(node.value):
                yield node.value
        elif node.type == "function":
            yield from _in_values(node.arguments, node.lower_name)
        elif node.type in ("{} block", "[] block", "() block"):
            yield from _in_values(node.content)
