"""Files that are written whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bnbook.errors import BookError


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
        reason = os.strerror(error.errno) if error.errno else error  # pyarrow's has other words
        raise BookError(f"cannot write {path} ({reason}): nothing there was changed") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
