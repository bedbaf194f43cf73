"""Staging the chapters: sources are copied, and copies that were executed are kept."""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat

import bnbook
from bnbook import data
from bnbook.atomic import content
from bnbook.errors import BookError
from bnbook.findings import sentences
from bnbook.site import kernel

Notebook = Any  # nbformat's NotebookNode, a dict with attributes, is untyped

WORK = "_work"  # nbmake, which tests the staged chapters, skips any path with a `_build` in it
FILES = (
    *("_quarto.yml", "styles.css", "frame.css", "home.css"),
    *("data/digits.js", "data/fashion.js"),
)
FOLDERS = ("fonts",)
HOME = "index"
# What a chapter's outputs may depend on besides its own text. The doors are floor 6: no chapter
# imports them, so working on the site does not execute the book again.
DOORS = ("site", "cli.py", "commands.py")
#: Characters of a reason that are shown; a cell may raise an error with a book for a text.
WIDTH = 300
_COLORS = re.compile(r"\x1b\[[0-9;]*m")

# What reading something else than a notebook raises.
_UNREADABLE = (
    *(OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError),
    *(AssertionError, nbformat.ValidationError),
)


def stage(root: Path) -> list[Path]:
    """Copy the book's sources to `WORK`/book and return the staged notebooks, home page first.

    A staged notebook whose digest still matches its source keeps its outputs; any other is
    replaced by the source without outputs. Raises BookError if a source is missing or broken.
    """
    check_sources(root)
    book = root / WORK / "book"
    (book / "chapters").mkdir(parents=True, exist_ok=True)
    pages = sorted(root.glob("*.qmd"))
    sources = notebooks(root)
    for old in {*book.glob("*.qmd"), *notebooks(book)}:
        if not (root / old.relative_to(book)).is_file():
            old.unlink()
    for name in (*FILES, *(path.name for path in pages)):
        (book / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(root / name, book / name)
    for name in FOLDERS:
        shutil.rmtree(book / name, ignore_errors=True)
        shutil.copytree(root / name, book / name)
    kernel.offer(book.parent)
    surroundings = _surroundings(root)
    return [_stage_notebook(path, book / path.relative_to(root), surroundings) for path in sources]


def check_sources(root: Path) -> None:
    """Raise BookError where `root` is no folder of a book."""
    home = "index.qmd" if (root / "index.qmd").is_file() else f"{HOME}.ipynb"
    for name in (home, *FILES):
        if not (root / name).is_file():
            raise BookError(f"{root / name} is missing: run this in the folder of the book")
    if not any((root / "chapters").glob("*.ipynb")):
        raise BookError(f"no notebooks in {root / 'chapters'}: run this in the folder of the book")


def notebooks(book: Path) -> list[Path]:
    """List the notebooks of a book, home page first, then its chapters and other pages by name."""
    return [*book.glob(f"{HOME}.ipynb"), *sorted((book / "chapters").glob("*.ipynb"))]


def _stage_notebook(source: Path, target: Path, surroundings: str) -> Path:
    notebook = read_clean(source)
    texts = [surroundings, *map(nbformat.writes, (notebook, *_read_by(source, notebook)))]
    digest = hashlib.sha256("".join(texts).encode()).hexdigest()
    if not (target.is_file() and _digest_of(target) == digest):
        notebook.metadata["bnbook"] = {"digest": digest}
        write(notebook, target)
    return target


def _read_by(source: Path, notebook: Notebook) -> list[Notebook]:
    """Read the notebooks that a notebook's outputs depend on, besides itself.

    The home page counts the words of all chapters; others name in their code what they run.
    """
    if source.stem == HOME:
        return [read_clean(path) for path in notebooks(source.parent) if path != source]
    names = re.findall(r"""[ "']([\w.-]+\.ipynb)\b""", code_of(notebook))
    paths = (source.parent / name for name in dict.fromkeys(names))
    return [read_clean(path) for path in paths if path.is_file()]


def code_of(notebook: Notebook) -> str:
    """Join the code cells of a notebook."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def read_clean(path: Path) -> Notebook:
    """Read a notebook without outputs and execution marks; BookError if it is not a notebook."""
    try:
        notebook = nbformat.reads(content(path).decode(), as_version=4)
        nbformat.validate(notebook)
    except _UNREADABLE as error:
        raise BookError(f"{path} is not a readable notebook: {first_line(error)}") from error
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)
    notebook.metadata = nbformat.NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    return notebook


def write(notebook: Notebook, path: Path) -> None:
    """Write a notebook whole or not at all."""
    part = path.with_suffix(".part")
    nbformat.write(notebook, part)
    part.replace(path)


def _surroundings(root: Path) -> str:
    """Hash all that a chapter's outputs depend on besides the chapter: code, data, packages."""
    package = Path(bnbook.__file__).parent
    code = (p for p in package.rglob("*") if p.relative_to(package).parts[0] not in DOORS)
    folder = data.bundled_folder()
    read = (p for p in folder.rglob("*") if p.relative_to(folder).parts[0] != "spool")
    digest = hashlib.sha256(f"{sys.version}{os.environ.get(sentences.DRAFT, '')}".encode())
    for path in sorted({*code, *read, root / "requirements.lock"}):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


def _digest_of(staged: Path) -> str | None:
    try:
        notebook = nbformat.read(staged, as_version=4)
        nbformat.validate(notebook)
        return str(notebook.metadata["bnbook"]["digest"])
    except _UNREADABLE:
        return None


def is_executed(staged: Path) -> bool:
    """Say whether every non-empty code cell of a staged notebook ran and none failed."""
    notebook = nbformat.read(staged, as_version=4)
    cells = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    return all(c.execution_count is not None for c in cells) and not any(
        output.output_type == "error" for c in cells for output in c.outputs
    )


def printed_lines(text: str) -> list[str]:
    """Split what a program has printed into lines, without colors and without empty ones."""
    return [line.strip() for line in _COLORS.sub("", text).splitlines() if line.strip()]


def first_line(error: object) -> str:
    """Take from an error, or its text, a line of bearable length."""
    named = "" if isinstance(error, str) else type(error).__name__
    return (str(error).strip().splitlines() or [named])[0][:WIDTH]
