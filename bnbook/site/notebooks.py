"""Staging and executing the chapters: sources are copied, copies are run, results are kept."""

import atexit
import hashlib
import logging
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

import bnbook
from bnbook.errors import BookError

Notebook = Any  # nbformat's NotebookNode, a dict with attributes, is untyped

WORK = "_work"  # nbmake, which tests the staged chapters, skips any path with a `_build` in it
FILES = ("_quarto.yml", "styles.css", "data/digits.js")
FOLDERS = ("fonts",)
HOME = "index"
# What a chapter's outputs may depend on besides its own text. The doors (site, cli) are floor 5:
# no chapter imports them, so working on the site does not execute the book again.
DOORS = ("site", "cli.py")
#: How long a kernel may take to start.
START_SECONDS = 60


# What reading something else than a notebook raises.
_UNREADABLE = (
    OSError,
    ValueError,
    RecursionError,
    nbformat.ValidationError,
    nbformat.reader.NotJSONError,
)


def stage(root: Path, work: Path | None = None) -> list[Path]:
    """Copy the book's sources to `work`/book and return the staged notebooks, home page first.

    A staged notebook whose digest still matches its source keeps its outputs; any other is
    replaced by the source without outputs. Raises BookError if a source is missing or broken.
    """
    book = (work or root / WORK) / "book"
    (book / "chapters").mkdir(parents=True, exist_ok=True)
    pages = sorted(root.glob("*.qmd"))
    sources = notebooks(root)
    if not any(path.parent == root and path.stem == HOME for path in (*pages, *sources)):
        raise BookError(f"{root / HOME}.ipynb is missing: run this in the folder of the book")
    for old in {*book.glob("*.qmd"), *notebooks(book)}:
        if not (root / old.relative_to(book)).is_file():
            old.unlink()
    for name in (*FILES, *(path.name for path in pages)):
        if not (root / name).is_file():
            raise BookError(f"{root / name} is missing: run this in the folder of the book")
        (book / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(root / name, book / name)
    for name in FOLDERS:
        shutil.rmtree(book / name, ignore_errors=True)
        shutil.copytree(root / name, book / name)
    surroundings = _surroundings(root)
    return [_stage_notebook(path, book / path.relative_to(root), surroundings) for path in sources]


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

    The home page counts the words of all chapters; others name in a `%run` line what they run.
    """
    if source.stem == HOME:
        return [read_clean(path) for path in notebooks(source.parent) if path != source]
    names = re.findall(r"^\s*%run (\S+\.ipynb)$", _code(notebook), re.MULTILINE)
    return [read_clean(source.parent / name) for name in names]


def _code(notebook: Notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def read_clean(path: Path) -> Notebook:
    """Read a notebook without outputs and execution marks; BookError if it is not a notebook."""
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except _UNREADABLE as error:
        raise BookError(f"{path} is not a readable notebook: {_first_line(error)}") from error
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
    data = (p for p in (root / "data").rglob("*") if "spool" not in p.relative_to(root).parts)
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted({*code, *data, root / "requirements.lock"}):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()


def _digest_of(staged: Path) -> str | None:
    try:
        notebook = nbformat.read(staged, as_version=4)
        nbformat.validate(notebook)
        return str(notebook.metadata["bnbook"]["digest"])
    except (*_UNREADABLE, LookupError, TypeError, AttributeError):
        return None


def is_executed(staged: Path) -> bool:
    """Say whether every non-empty code cell of a staged notebook ran and none failed."""
    notebook = nbformat.read(staged, as_version=4)
    cells = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]
    return all(c.execution_count is not None for c in cells) and not any(
        output.output_type == "error" for c in cells for output in c.outputs
    )


_FILE = "{connection_file}"  # jupyter_client fills it in


class _ThisInterpreter(AsyncKernelManager):
    """Starts kernels with the interpreter of the build, whatever `python3` means elsewhere."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(
            # Kernels warn on every start that local TCP is not encrypted: say only errors.
            argv=[sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR", "-f", _FILE],
            display_name="Python 3",
            language="python",
        )


def execute(notebooks: Sequence[Path], workers: int | None = None, timeout: int = 600) -> None:
    """Execute notebooks in place, `workers` at a time, `timeout` seconds a cell.

    Each runs in its own kernel with one thread and BNBOOK_RENDER=1. A notebook is written only
    when all its cells succeeded. Raises BookError with one line for each that did not.

    Those with most code come first, so that no worker waits long for the last one, and that a page
    which takes something over from a chapter finds it there.
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 1:
        raise BookError(f"workers must be 1 or more, not {workers}")
    running: list[NotebookClient] = []
    stop = threading.Event()
    # Threads, one kernel each: nbclient installs its own signal handlers in the main thread, which
    # would leave all kernels but one alive on Ctrl-C.
    with ThreadPoolExecutor(workers) as pool:
        try:
            jobs = [
                pool.submit(_execute_one, path, timeout, running, stop)
                for path in sorted(notebooks, key=_length, reverse=True)
            ]
            errors = [error for job in jobs if (error := job.result())]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            _kill(running)
            raise
    if errors:
        raise BookError("\n".join(errors))


def _length(path: Path) -> int:
    """Count the characters of code in a notebook."""
    return len(_code(read_clean(path)))


def _execute_one(
    path: Path, timeout: int, running: list[NotebookClient], stop: threading.Event
) -> str | None:
    if stop.is_set():
        return None
    start = time.perf_counter()
    notebook = nbformat.read(path, as_version=4)
    where = [path.name]  # then each cell in its turn, counted from 1 over all cells
    client = NotebookClient(
        notebook,
        timeout=timeout,
        startup_timeout=START_SECONDS,
        kernel_manager_class=_ThisInterpreter,
        record_timing=False,
        coalesce_streams=True,  # lines printed some time apart are still one output
        on_cell_start=lambda cell_index, **_: where.append(f"{path.name}, cell {cell_index + 1}"),
    )
    client.log.setLevel(logging.CRITICAL)  # what fails ends in a line of ours
    running.append(client)
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    try:
        client.execute(cwd=str(path.parent), env=os.environ | one_thread | {"BNBOOK_RENDER": "1"})
    except CellExecutionError as error:
        return f"{where[-1]}: {error.ename}: {_first_line(error.evalue)}"
    except CellTimeoutError:
        return f"{where[-1]}: took longer than {timeout} s"
    except DeadKernelError:
        return f"{where[-1]}: the kernel died (out of memory?)"
    except RuntimeError as error:
        atexit.unregister(client._cleanup_kernel)  # nbclient would try what is done
        return f"{path.name}: the kernel did not start ({_first_line(error)})"
    write(notebook, path)
    print(f"executed {path.name} in {time.perf_counter() - start:.0f} s", flush=True)
    return None


def _kill(clients: Iterable[NotebookClient]) -> None:
    for client in clients:
        provisioner = client.km.provisioner if client.km else None
        process = getattr(provisioner, "process", None)
        if process is not None:
            process.kill()


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
