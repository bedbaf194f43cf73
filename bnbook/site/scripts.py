"""What a script would fetch from another host.

Scripts are parsed, not searched: an address in a comment loads nothing, and one that is put
together, escaped or kept in a variable first does.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from bnbook.site.pages import is_elsewhere

# Which argument is an address, by the name of the function or constructor.
_CALLS = {
    "import": 0, "fetch": 0, "importScripts": 0, "sendBeacon": 0, "Worker": 0, "SharedWorker": 0,
    "WebSocket": 0, "EventSource": 0, "Request": 0, "register": 0, "addModule": 0, "open": 1,
    "getScript": 0, "getJSON": 0, "setAttribute": 1,
}  # fmt: skip
_LOADING_NAMES = {"src", "srcset", "poster", "data-src", "xlink:href"}
# What leads the page itself elsewhere: what is set, and what is called.
_HERE = r"(?:(?:window|document|self|top|parent|globalThis)\.)*location"
_GOING = re.compile(rf"{_HERE}(?:\.href)?")
_GOING_TO = re.compile(rf"{_HERE}\.(?:assign|replace)")
_PLACES = """
(call_expression) @call (new_expression) @call (assignment_expression) @assign (pair) @pair
(import_statement) @from (export_statement) @from (string) @text (template_string) @text
(variable_declarator) @name
"""


@cache
def _javascript() -> Language:
    return Language(tree_sitter_javascript.language())


def parse(script: str) -> Node:
    """Return the root of a script's syntax tree."""
    return Parser(_javascript()).parse(script.encode()).root_node


def _captures(script: str) -> dict[str, list[Node]]:
    return QueryCursor(Query(_javascript(), _PLACES)).captures(parse(script))


@lru_cache(maxsize=256)
def requests(script: str) -> tuple[str, ...]:
    """List the addresses on other hosts that a script would load, as far as it names them."""
    found = _captures(script)
    names = _bound(found.get("name", ()), found.get("assign", ()))
    urls: list[str] = []
    for place in _loaded(found):
        urls += filter(is_elsewhere, _values(place, names))
    return tuple(dict.fromkeys(urls))


def markup(script: str) -> Iterator[str]:
    """Yield the strings of a script that are HTML, to be read as pages are."""
    for node in _captures(script).get("text", ()):
        text = text_of(node)
        if "<" in text and "//" in text:
            yield text


def defines_jquery(script: str) -> bool:
    """Say whether a script only hands jquery to a module loader."""
    root = parse(script)
    calls = [one.named_children[0] for one in root.named_children if one.named_children]
    return bool(calls) and all(
        call.type == "call_expression" and _called(call) == "define" and "jquery" in _first(call)
        for call in calls
    )


def _first(call: Node) -> str:
    arguments = _arguments(call)
    return text_of(arguments[0]) if arguments else ""


def _loaded(found: dict[str, list[Node]]) -> Iterator[Node]:
    """Yield the expressions that are addresses to be loaded."""
    for node in found.get("call", ()):
        at, arguments = _CALLS.get(_called(node)), _arguments(node)
        function = node.child_by_field_name("function")
        if function and _GOING_TO.fullmatch(raw_text(function)):
            at = 0
        if at is None or len(arguments) <= at:
            continue
        if _called(node) != "setAttribute" or text_of(arguments[0]).lower() in _LOADING_NAMES:
            yield arguments[at]
    for node in found.get("assign", ()):
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        goes = left and _GOING.fullmatch(raw_text(left))
        if left and right and (goes or _property(left) in _LOADING_NAMES):
            yield right
    for node in found.get("pair", ()):
        key, value = node.child_by_field_name("key"), node.child_by_field_name("value")
        if key and value and raw_text(key).strip("\"'") in _LOADING_NAMES:
            yield value
    for node in found.get("from", ()):
        if source := node.child_by_field_name("source"):
            yield source


def _property(node: Node) -> str:
    """Return the name of the property that is set: `src` of `img.src` and of `img["src"]`."""
    if name := node.child_by_field_name("property"):
        return raw_text(name)
    index = node.child_by_field_name("index")
    return text_of(index) if index else ""


def _bound(*groups: list[Node] | tuple[()]) -> dict[str, list[Node]]:
    """Collect what the variables of a script are set to, by name."""
    names: dict[str, list[Node]] = {}
    for group, (key, value) in zip(groups, (("name", "value"), ("left", "right")), strict=True):
        for node in group:
            name, set_to = node.child_by_field_name(key), node.child_by_field_name(value)
            if name and set_to and name.type == "identifier":
                names.setdefault(raw_text(name), []).append(set_to)
    return names


def _values(node: Node, names: dict[str, list[Node]], depth: int = 0) -> Iterator[str]:
    """Yield the strings that an expression may begin with."""
    if depth > 8:
        return
    inner: list[Node] = []
    if node.type in ("string", "template_string"):
        yield text_of(node)
        inner = [one for one in node.named_children[:1] if one.type == "template_substitution"]
    elif node.type == "identifier":
        inner = names.get(raw_text(node), [])
    elif node.type == "new_expression" and _called(node) == "URL":
        inner = _arguments(node)[:1]
    elif node.type == "ternary_expression":
        inner = node.named_children[1:]
    elif node.type == "binary_expression" and raw_text(node.children[1]) == "+":
        inner = node.named_children[:1]
    elif node.type in ("binary_expression", "parenthesized_expression", "template_substitution"):
        inner = node.named_children
    for one in inner:
        yield from _values(one, names, depth + 1)


def _called(node: Node) -> str:
    """Return the last name of what is called: `fetch` of `window.fetch(…)`."""
    function = node.child_by_field_name("function") or node.child_by_field_name("constructor")
    if function is not None and function.type == "member_expression":
        function = function.child_by_field_name("property")
    return raw_text(function) if function is not None else ""


def _arguments(node: Node) -> list[Node]:
    given = node.child_by_field_name("arguments")
    return [] if given is None else [one for one in given.named_children if one.type != "comment"]


def raw_text(node: Node) -> str:
    """Return a node as it is written."""
    return (node.text or b"").decode()


_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\}|(.))", re.DOTALL
)


def text_of(node: Node) -> str:
    """Return what a literal means; of a template, what stands before its first gap."""
    if node.type not in ("string", "template_string"):
        return ""
    text = ""
    for part in node.named_children:
        if part.type == "template_substitution":
            break
        text += raw_text(part)
    return _ESCAPE.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    return chr(int(code, 16)) if code else found[4]
