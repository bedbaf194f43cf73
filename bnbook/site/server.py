"""A web server for the built site, for this computer only."""

import errno
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bnbook.errors import BookError


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a line for each figure would hide the address."""


def serve(output: Path, port: int = 8000) -> None:
    """Serve `output` on 127.0.0.1 until Ctrl-C; BookError if nothing is built or no port free."""
    if not (output / "index.html").is_file():
        raise BookError(f"there is no site in {output}: run `make book` or `bnbook render` first")
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(output)))
    except OverflowError as error:
        raise BookError(f"port {port} does not exist: choose one from 1 to 65535") from error
    except OSError as error:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
        raise BookError(f"port {port} {reason}: choose another with --port") from error
    with server:
        print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C stops)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")
