"""The package's public names as Markdown, read from its sources when the page is built."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from bnbook.findings import Markdown

#: Sources are named from here.
_ROOT: Final = Path(__file__).resolve().parents[1]
#: The house: which modules stand on which floor. A module imports from its own or from below.
FLOORS: Final[dict[int, tuple[str, ...]]] = {
    0: (
        *("data", "inputs", "norms", "models", "folding", "formulas", "optimizers", "streams"),
        *("atomic", "clones", "errors", "screens", "theme"),
    ),
    1: ("run", "history", "session", "probes", "training", "studies"),
    2: (
        *("experiment", "tables", "consistency", "spool", "store", "origin", "cluster", "sweep"),
        "timings",
    ),
    3: ("findings", "verify"),
    4: ("figures", "lab", "reference"),
    5: ("chapters",),
    6: ("site", "cli", "commands", "__main__"),
}
#: Characters of a line that fit beside the button that copies. Longer signatures get a line for
#: each argument.
WIDTH: Final = 82


def floor(number: int) -> Markdown:
    """Document the modules of a floor: signatures as written, docstrings as they are."""
    return Markdown("\n\n".join(_module(f"bnbook.{name}") for name in FLOORS[number]))


def describe(*things: Any, repository: str = "") -> Markdown:
    """Document functions and classes, each with its module, and a link to its source.

    The link is there where `repository`, the address of the book's repository, begins with https.
    """
    return Markdown("\n\n".join(part for thing in things for part in _described(thing, repository)))


def _described(thing: Any, repository: str) -> Iterator[str]:
    yield from _entry(thing)
    defined = inspect.unwrap(thing)  # or a decorator's file would be named
    path = Path(inspect.getfile(defined)).relative_to(_ROOT).as_posix()
    line = inspect.getsourcelines(defined)[1]
    if repository.startswith("https:"):
        yield f"[Source: {path}, line {line}]({repository}/blob/main/{path}#L{line})"
    else:
        yield f"Source: `{path}`, line {line}."


def _module(name: str) -> str:
    module = importlib.import_module(name)
    parts = [f"### {name}", _prose(module.__doc__)]
    for thing in _public(module):
        parts += _entry(thing)
    return "\n\n".join(parts)


def _public(module: ModuleType) -> Iterator[Any]:
    """Yield what a module offers: its `__all__`, or the functions and classes it defines itself."""
    chosen = getattr(module, "__all__", None)
    for name in list(vars(module)) if chosen is None else chosen:
        value = inspect.unwrap(getattr(module, name))
        if not (inspect.isroutine(value) or inspect.isclass(value)):
            continue
        if chosen or (value.__module__ == module.__name__ and not name.startswith("_")):
            yield value


def _entry(thing: Any) -> Iterator[str]:
    """Yield the signature and the docstring of a function, or of a class and its methods."""
    source = inspect.cleandoc("\n" + inspect.getsource(thing))
    node: Any = ast.parse(source).body[0]
    if isinstance(node, ast.FunctionDef):
        yield from _function(node)
        return
    lines = source.splitlines()
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
    bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
    body = [
        part for one in fields for line in lines[one.lineno - 1 : one.end_lineno]
        for part in _narrow(line)
    ]  # fmt: skip
    yield _code("\n".join([f"class {node.name}{bases}", *body]))
    yield _prose(ast.get_docstring(node))
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
            yield from _function(one, prefix=f"{node.name}.")


def _narrow(line: str) -> list[str]:
    """Put a comment that leaves the box on a line of its own, above what it is about."""
    code, mark, comment = line.partition("  # ")
    if not mark or len(line) <= WIDTH:
        return [line]
    indent = code[: len(code) - len(code.lstrip())]
    return [f"{indent}# {comment}", code]


def _function(node: ast.FunctionDef, prefix: str = "") -> Iterator[str]:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    arguments = re.sub(r"(?<=\S)=(?=\S)", " = ", ast.unparse(node.args))
    if len(f"{prefix}{node.name}({arguments}){returns}") > WIDTH:
        # Only a comma outside brackets parts two arguments.
        arguments = "\n    " + re.sub(r", (?![^\[(]*[\])])", ",\n    ", arguments) + ",\n"
    is_property = "property" in map(ast.unparse, node.decorator_list)
    yield _code(f"{prefix}{node.name}" + ("" if is_property else f"({arguments})") + returns)
    yield _prose(ast.get_docstring(node))


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _prose(text: str | None) -> str:
    """Keep what would be markup in plain text from becoming it, but for `code`."""
    parts = re.split(r"(`[^`]*`)", inspect.cleandoc(text or ""))
    parts[::2] = [re.sub(r"([*_$<\\|#~^])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)
