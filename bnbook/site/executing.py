"""Executing staged notebooks: several at a time, each within limits of time and of output."""

import asyncio
import atexit
import itertools
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)

from bnbook import sweep
from bnbook.data import VARIABLES
from bnbook.errors import BookError
from bnbook.site import kernel
from bnbook.site.notebooks import code_of, first_line, printed_lines, read_clean, write

#: How long a kernel may take to start; on a machine with other work a minute has not been enough.
START_SECONDS = 180
#: Characters that the cells of one notebook may put out; the book's largest puts out a fifth.
MOST_OUTPUT = 20_000_000
#: What a message counts beyond its text: an output without any takes room as well.
_MESSAGE = 200


def execute(notebooks: Sequence[Path], timeout: int = 600) -> None:
    """Execute notebooks in place, as many at a time as there are cores, `timeout` seconds a cell.

    Each runs in its own kernel with one thread and BNBOOK_RENDER=1. A notebook is written only
    when all its cells succeeded. Raises BookError with one line for each that did not.

    Those with most code come first, so that no worker waits long for the last one, and that a page
    which takes something over from a chapter finds it there.
    """
    running: list[_Client] = []
    stop = threading.Event()
    # Threads, one kernel each: nbclient installs its own signal handlers in the main thread, which
    # would leave all kernels but one alive on Ctrl-C.
    with (
        tempfile.TemporaryDirectory(prefix="bnbook-", ignore_cleanup_errors=True) as profile,
        ThreadPoolExecutor(sweep.check_workers(None)) as pool,
    ):
        manager = _manager(Path(profile))
        longest_first = sorted(notebooks, key=lambda p: len(code_of(read_clean(p))), reverse=True)
        try:
            jobs = [
                pool.submit(_execute_one, path, manager, timeout, running, stop)
                for path in longest_first
            ]
            errors = [error for job in jobs if (error := job.result())]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for client in running:
                client.kill()
            raise
    if errors:
        raise BookError("\n".join(errors))


def _manager(profile: Path) -> type[AsyncKernelManager]:
    """Make a manager whose kernels are the build's, whatever `python3` means elsewhere."""

    class BuildKernel(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(**kernel.spec(profile))

    return BuildKernel


class _Client(NotebookClient):
    """nbclient's, but for output: there is a limit to it, and no error among it is overlooked."""

    def __init__(self, path: Path, manager: type[AsyncKernelManager], timeout: int) -> None:
        super().__init__(
            nbformat.read(path, as_version=4),
            timeout=timeout,
            startup_timeout=START_SECONDS,
            kernel_manager_class=manager,
            record_timing=False,
        )
        self.log.setLevel(logging.CRITICAL)  # what fails ends in a line of ours
        self.path = path
        self.where = path.name  # then each cell in its turn, counted from 1 over all cells
        self.on_cell_start = self._enter
        self.put_out = 0
        self.flood: str | None = None
        self.error: str | None = None  # the first, of cells that went on as well

    def _enter(self, *, cell_index: int, **_: object) -> None:
        self.where = f"{self.path.name}, cell {cell_index + 1}"

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Take an output, unless there was too much of it: then the kernel dies."""
        kind, content = msg["msg_type"], msg["content"]
        if kind not in ("status", "execute_input"):
            self.put_out += _MESSAGE + _size(content)
            if self.put_out > MOST_OUTPUT:
                if not self.flood:
                    self.flood = f"{self.where}: more than {MOST_OUTPUT:,} characters of output"
                    self.kill()
                return None
        if kind == "error" and not self.error:
            self.error = f"{self.where}: {_reason(content)}"
        return super().process_message(msg, cell, cell_index)

    async def async_execute_cell(
        self,
        cell: Any,
        cell_index: int,
        execution_count: int | None = None,
        store_history: bool = True,
    ) -> Any:
        """Execute a cell, and join what it printed piece by piece."""
        try:
            done = await super().async_execute_cell(
                cell, cell_index, execution_count, store_history
            )
        except CellTimeoutError:
            self.kill()  # an interrupt would only let it say more
            raise
        except DeadKernelError:
            await asyncio.sleep(0.1)  # what nbclient cancels here ends, or asyncio complains later
            raise
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
        return done

    def kill(self) -> None:
        """End the kernel at once, with all that its cells have started."""
        provisioner = self.km.provisioner if self.km else None
        process = getattr(provisioner, "process", None)
        if process is None:
            return
        with suppress(ProcessLookupError):
            if group := getattr(provisioner, "pgid", None):
                os.killpg(group, signal.SIGKILL)
            else:
                process.kill()


def _size(content: Any) -> int:
    """Count the characters in a message."""
    if isinstance(content, str):
        return len(content)
    if isinstance(content, dict):
        return sum(map(_size, content.values()))
    return sum(map(_size, content)) if isinstance(content, list) else 0


def _reason(error: dict[str, Any]) -> str:
    """Say what an error was; one raised while a figure is drawn stands in its traceback only."""
    if error["ename"] != "NoneType":
        return f"{error['ename']}: {first_line(error['evalue'])}"
    return printed_lines("\n".join(error["traceback"]))[-1]


def _joined(outputs: Iterable[Any]) -> list[Any]:
    """Join what went to one stream, as a terminal shows it, standard output first.

    nbclient's own joining takes a time that grows with the square of a line's length.
    """
    kinds = [(output.get("name"), output) for output in outputs]
    texts = {
        stream: _as_shown("".join(output["text"] for name, output in kinds if name == stream))
        for stream in ("stdout", "stderr")
    }
    joined = []
    for name, output in kinds:
        if name is None:
            joined.append(output)
        elif text := texts.pop(name, None):
            joined.append(nbformat.v4.new_output("stream", name=name, text=text))
    for first, second in itertools.pairwise(range(len(joined))):
        if [joined[i].get("name") for i in (first, second)] == ["stderr", "stdout"]:
            joined[first], joined[second] = joined[second], joined[first]
    return joined


def _as_shown(text: str) -> str:
    """Let a carriage return within a line drop what stands before it."""
    return "\n".join(line[:-1].rpartition("\r")[2] + line[-1:] for line in text.split("\n"))


def _execute_one(
    path: Path,
    manager: type[AsyncKernelManager],
    timeout: int,
    running: list[_Client],
    stop: threading.Event,
) -> str | None:
    if stop.is_set():
        return None
    start = time.perf_counter()
    client = _Client(path, manager, timeout)
    running.append(client)
    if fault := _run(client, path):
        return fault
    write(client.nb, path)
    print(f"executed {path.name} in {time.perf_counter() - start:.0f} s", flush=True)
    return None


def _run(client: _Client, path: Path) -> str | None:
    """Run all cells; say in a line what went wrong, if anything."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    # Kernels work elsewhere, where a path from here would lead to another place.
    paths = {one: str(Path(os.environ[one]).absolute()) for one in VARIABLES if os.environ.get(one)}
    told = os.environ | paths | one_thread | {"BNBOOK_RENDER": "1"}
    try:
        client.execute(cwd=str(path.parent), env=told)
    except CellExecutionError as error:
        said = ": ".join(filter(None, (error.ename, first_line(error.evalue))))
        return client.flood or f"{client.where}: {said}"
    except CellTimeoutError:
        return client.flood or f"{client.where}: took longer than {client.timeout} s"
    except DeadKernelError:
        return client.flood or f"{client.where}: the kernel died (out of memory?)"
    except RuntimeError as error:
        atexit.unregister(client._cleanup_kernel)  # nbclient would try what is done
        return f"{path.name}: the kernel did not start ({first_line(error)})"
    return client.flood or client.error
