"""Files that are read and written whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from bnbook.errors import BookError, reason


@contextlib.contextmanager
def alone(lock: Path, other: str) -> Iterator[None]:
    """Hold the file `lock`; where `other` does, say so and wait.

    The system frees the lock of a process that dies. Raises BookError where there is no writing.
    """
    held = FileLock(lock)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            held.acquire(blocking=False)
        except Timeout:
            print(f"{other}: waiting for its end", flush=True)
            held.acquire()
    except OSError as error:
        raise BookError(f"cannot write {lock} ({reason(error)})") from error
    try:
        yield
    finally:
        held.release()


def content(path: Path) -> bytes:
    """Read a file. Raises OSError also for what is none: to open a pipe would take for ever."""
    if path.exists() and not path.is_file():
        raise OSError(f"{path.name} is no file")
    return path.read_bytes()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block succeeds.

    Raises BookError, leaving what was there before, when the disk refuses.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)  # mkstemp's files are for their owner alone
        temporary.replace(path)
    except OSError as error:
        words = os.strerror(error.errno) if error.errno else error  # pyarrow's are others
        raise BookError(f"cannot write {path} ({words}): nothing there was changed") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
