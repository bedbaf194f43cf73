"""The site: seconds from an installed clone to pages, against nbconvert."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat

from bnbook.errors import BookError

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Builds:
    """Seconds of each way to get pages from the chapters."""

    fresh: float  # `bnbook render` in a new clone
    touched: float  # `bnbook render` after one chapter changed
    nbconvert: float  # executes every chapter, one after another, into pages without a book


def measure() -> Builds:
    """Build in a copy of the working tree, so that nothing built before helps."""
    with tempfile.TemporaryDirectory(prefix="bnbook-bench-") as folder:
        clone = Path(folder)
        copy_tree(clone)
        chapters = sorted((clone / "chapters").glob("*.ipynb"))
        options = ["--execute", "--to=html", "--output-dir=pages"]
        nbconvert = timed(clone, "nbconvert", *options, *chapters)
        fresh = timed(clone, "bnbook", "render")
        touch(chapters[0])
        return Builds(fresh, timed(clone, "bnbook", "render"), nbconvert)


def copy_tree(clone: Path) -> None:
    """Copy what a clone of the repository would have, with uncommitted changes."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)


def touch(chapter: Path) -> None:
    """Change a code cell, as an author does, so that the chapter has to be executed again."""
    notebook = nbformat.read(chapter, as_version=4)
    next(c for c in notebook.cells if c.cell_type == "code").source += "\n# touched"
    nbformat.write(notebook, chapter)


def timed(clone: Path, module: str, *arguments: str | Path) -> float:
    """Run a module in the copy, with the copy's own package; seconds, start-up included."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=clone,
        # Found before the installed package, which is the original's; kernels inherit it.
        env=os.environ | {"PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise BookError(f"{module} failed in a copy of the book:\n{done.stderr}")
    return seconds
