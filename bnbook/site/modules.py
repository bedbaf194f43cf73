"""Module scripts, which browsers refuse to load from disk, as scripts that they do load."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tree_sitter import Node

from bnbook.site.pages import Edit, edit
from bnbook.site.scripts import parse, raw_text, text_of


class _UnableError(Exception):
    """A module does something that a classic script cannot."""


# The first line of what was turned, so that it is not turned again.
_MARK = "// A module and what it imports, as one script\n"


def classic(path: Path) -> str | None:
    """Turn the module at `path` and the modules that it imports into one script.

    Returns None for what cannot be turned: a module that awaits at its top, reads `import.meta`,
    or imports what is not a file beside it.
    """
    try:
        source = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return source if source.startswith(_MARK) else _bundled(path, source)


def inline(path: Path, source: str) -> str | None:
    """Turn a module that stands in the page at `path`; None if it imports nothing, too."""
    imports = any(node.type == "import_statement" for node in parse(source).named_children)
    return _bundled(path, source) if imports else None


def _bundled(path: Path, source: str) -> str | None:
    bundle = _Bundle()
    try:
        body, _ = bundle.unfold(source, path, ())
    except (_UnableError, OSError):
        return None
    start = f'{_MARK}(() => {{\n"use strict";\nconst modules = [];'
    return "\n".join([start, *bundle.bodies.values(), body, "})();\n"])


class _Bundle:
    def __init__(self) -> None:
        self.bodies: dict[Path, str] = {}  # in the order in which they have to run

    def unfold(self, source: str, path: Path, above: tuple[Path, ...]) -> tuple[str, list[str]]:
        """Return a module's text without imports and exports, and what it gives away."""
        root = parse(source)
        if root.has_error or _needs_a_module(root):
            raise _UnableError
        raw = source.encode()
        cuts: list[Edit] = []
        given: list[str] = []
        for node in root.named_children:
            if node.type == "import_statement":
                text = " ".join(self._binding(node, path, (*above, path.resolve())))
            elif node.type == "export_statement":
                text, names = _export(node)
                given += names
            else:
                continue
            # Offsets of the parser count bytes, ours count characters.
            start, stop = (len(raw[:at].decode()) for at in (node.start_byte, node.end_byte))
            cuts.append((start, stop, text))
        return edit(source, cuts), given

    def _binding(self, node: Node, path: Path, above: tuple[Path, ...]) -> Iterator[str]:
        """Yield what takes the imported names from the module, which has run before."""
        source = node.child_by_field_name("source")
        address = text_of(source) if source else ""
        target = (path.parent / PurePosixPath(address)).resolve()
        if not address.startswith(".") or target in above:
            raise _UnableError
        if target not in self.bodies:
            body, given = self.unfold(target.read_text("utf-8"), target, above)
            at = len(self.bodies)
            result = f"return {{ {', '.join(given)} }};"
            self.bodies[target] = f"modules[{at}] = (() => {{\n{body}\n{result}\n}})();"
        module = f"modules[{list(self.bodies).index(target)}]"
        for clause in node.named_children:
            if clause.type == "import_clause":
                yield from (_taken(one, module) for one in clause.named_children)


def _needs_a_module(node: Node, inside: bool = False) -> bool:
    """Whether a script has what only a module may; `inside` a function, it may await."""
    if node.type == "meta_property":
        return raw_text(node).startswith("import")
    if not inside and any(one.type == "await" for one in node.children):
        return True
    inside |= "function" in node.type or node.type == "method_definition"
    return any(_needs_a_module(one, inside) for one in node.named_children)


def _taken(one: Node, module: str) -> str:
    if one.type == "namespace_import":
        return f"const {raw_text(one.named_children[0])} = {module};"
    if one.type == "identifier":
        return f"const {{ default: {raw_text(one)} }} = {module};"
    specs = (": ".join(map(raw_text, spec.named_children)) for spec in one.named_children)
    return f"const {{ {', '.join(specs)} }} = {module};"


def _export(node: Node) -> tuple[str, list[str]]:
    """Return what an export declares, and the entries of the object that gives it away."""
    if node.child_by_field_name("source") is not None:
        raise _UnableError
    if value := node.child_by_field_name("value"):
        return f"const defaultExport = {raw_text(value)};", ["default: defaultExport"]
    if declaration := node.child_by_field_name("declaration"):
        is_default = any(child.type == "default" for child in node.children)
        names = list(_declared(declaration))
        return raw_text(declaration), [f"default: {n}" if is_default else n for n in names]
    clause = next(one for one in node.named_children if one.type == "export_clause")
    specs = [[raw_text(name) for name in one.named_children] for one in clause.named_children]
    return "", [f"{names[-1]}: {names[0]}" for names in specs]


def _declared(declaration: Node) -> Iterator[str]:
    if name := declaration.child_by_field_name("name"):
        yield raw_text(name)
        return
    for one in declaration.named_children:
        name = one.child_by_field_name("name")
        if name is None or name.type != "identifier":
            raise _UnableError
        yield raw_text(name)
