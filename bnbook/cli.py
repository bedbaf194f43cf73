"""The `bnbook` command."""

import argparse
import contextlib
import errno
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from bnbook import clones
from bnbook.errors import BookError, of_memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code.

    0 if all went well, 1 if records do not hold, 2 for what the user can mend, 130 for Ctrl-C and
    143 for SIGTERM.
    """
    options = _parser().parse_args(arguments)
    try:
        clones.refuse_another()
        commands = _commands()
        output = sys.stdout and _Patient(sys.stdout)  # None where it was closed
        with _answered_by(_terminate, _ENDS), contextlib.redirect_stdout(output):
            code = commands[options.command](options) or 0
            print(end="", flush=True)  # here, where it can be answered, and not at the very end
        return code
    except BookError as error:
        print(f"bnbook: {error}", file=sys.stderr)
        return 2
    except _Terminated:
        print("bnbook: terminated; what was finished is kept", file=sys.stderr)
        return 128 + signal.SIGTERM
    except (MemoryError, RuntimeError) as error:
        if not of_memory(error):
            raise
        print("bnbook: out of memory; what was finished is kept", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bnbook: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"bnbook: {error.strerror or error}{where}", file=sys.stderr)
        if error.errno == errno.ENOSPC and sys.stdout:
            _drop_output()
        return 2


def _commands() -> Any:
    """Load what the commands do: only now, as with PyTorch that takes seconds."""
    try:
        # An exception may get lost in there.
        with _answered_by(_leave, {signal.SIGINT, *_ENDS}):
            return importlib.import_module("bnbook.commands").COMMANDS
    except (ValueError, TypeError, ImportError) as error:
        said = " ".join(str(error).split())
        raise BookError(
            f"its packages cannot be loaded ({said[:WIDTH]}): run `make install`, or mend the "
            "environment variables that they read, such as MPLBACKEND, TORCH_LOGS and TQDM_*"
        ) from error


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which like Ctrl-C lets everything be put away."""


#: Characters of another package's complaint that are shown.
WIDTH = 200
#: Besides Ctrl-C; Windows has no SIGHUP.
_ENDS = {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}


def _leave(number: int, _frame: object) -> None:
    word, code = ("interrupted", 130) if number == signal.SIGINT else ("terminated", 143)
    with contextlib.suppress(OSError):
        os.write(2, f"bnbook: {word}\n".encode())
    os._exit(code)


def _terminate(*_: object) -> None:
    for one in _ENDS:
        signal.signal(one, signal.SIG_IGN)  # the first is enough
    raise _Terminated


@contextlib.contextmanager
def _answered_by(answer: Callable[[int, Any], None], asked: Collection[int]) -> Iterator[None]:
    """Have signals answered, but those that are ignored, as `nohup` has a command do it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: old for one in asked if (old := signal.getsignal(one)) != signal.SIG_IGN}
    for one in before:
        signal.signal(one, answer)
    try:
        yield
    finally:
        for one, old in before.items():
            signal.signal(one, old)


class _Patient(io.TextIOBase):
    """Standard output; where its reader leaves, as `head` does, the work goes on in silence.

    A name of a file that is not text in the output's encoding is written with escapes.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        if isinstance(inner, io.TextIOWrapper):
            inner.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        with self._patience():
            self._inner.write(text)
        return len(text)

    def flush(self) -> None:
        with self._patience():
            self._inner.flush()

    def close(self) -> None:
        """Leave that to the one inside, which may have ended before."""

    def fileno(self) -> int:
        return int(self._inner.fileno())

    def isatty(self) -> bool:
        return bool(self._inner.isatty())

    @contextlib.contextmanager
    def _patience(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            _drop_output()


def _drop_output() -> None:
    """Forget what is not written yet: Python would try once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bnbook", description="The Batch Norm Exercise Book.")
    commands = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )

    render = commands.add_parser("render", help="execute the chapters and build the site")
    render.add_argument("--output", type=Path, default=Path("_site"), help="folder of the site")
    render.add_argument(
        "--renderer", choices=("quarto", "smalldocs"), help="default: Quarto where it can be had"
    )
    render.add_argument(
        "--draft", action="store_true", help="mark sentences that are no longer true, and go on"
    )
    render.add_argument("--stage", action="store_true", help="only copy what is to be executed")

    serve = commands.add_parser("serve", help="serve the built site on this machine")
    serve.add_argument("--output", type=Path, default=Path("_site"), help="folder of the site")
    serve.add_argument("--port", type=int, default=8000)

    sweeping = commands.add_parser("sweep", help="run what is missing of an experiment")
    what = sweeping.add_mutually_exclusive_group(required=True)
    what.add_argument("experiment", nargs="?", help="its name")
    what.add_argument("--all", action="store_true", help="every experiment")
    what.add_argument("--list", action="store_true", help="name the experiments")
    sweeping.add_argument("--workers", type=int, help="processes (default: one per core)")
    sweeping.add_argument("--scheduler", help="run on the Dask cluster at this address")
    sweeping.add_argument(
        "--device", default="cpu", help="train there, such as cuda (default: cpu)"
    )

    verifying = commands.add_parser("verify", help="run some recorded runs again and compare")
    verifying.add_argument("experiment", nargs="*", help="its name (default: all that can be)")
    verifying.add_argument("--sample", type=int, default=2, help="runs of each (default: 2)")
    which = verifying.add_mutually_exclusive_group()
    which.add_argument("--seed", type=int, help="draw the sample that this number drew before")
    which.add_argument("--shortest", action="store_true", help="the shortest runs, not random ones")

    commands.add_parser(
        "address", help="write the repository that _quarto.yml names into the notebooks"
    )

    sets = commands.add_parser("data", help="fetch a data set and say where it is")
    sets.add_argument("name", help="its name; any other is answered by all names")
    return parser
