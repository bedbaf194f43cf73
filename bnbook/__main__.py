"""The `bnbook` command, which answers Ctrl-C from its first moment on."""

import importlib
import os
import sys


def main() -> int:
    """Run the command; return its exit code, as `bnbook.cli.main` does."""
    try:
        return int(importlib.import_module("bnbook.cli").main())
    except KeyboardInterrupt:
        print("bnbook: interrupted", file=sys.stderr, flush=True)
        # At once: Python would end by the signal instead, where that has met an `exec`.
        os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
