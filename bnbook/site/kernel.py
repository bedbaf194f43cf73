"""The kernel of a build: IPython's, out of reach of what the reader of the book has configured.

Started as a file by an isolated interpreter (`COMMAND`), which knows nothing of PYTHONPATH and its
kind. It reads no configuration of IPython or matplotlib, runs no startup file, and imports the
package that it lies in.
"""

import importlib.util
import json
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: What starts the kernel; a folder for its profile follows, and jupyter_client's own arguments.
COMMAND = (sys.executable, "-I", str(Path(__file__).resolve()))
_CONNECTION = ("-f", "{connection_file}")  # jupyter_client fills it in
# Kernels warn on every start that local TCP is not encrypted: say only errors.
_QUIET = "--log-level=ERROR"

# By these a reader suits Python, notebooks, figures and progress bars to a taste or a terminal.
_PERSONAL = ("PYTHON", "IPYTHON", "JUPYTER", "MPL", "MATPLOTLIB", "SEABORN", "TQDM_", "TORCH_LOGS")
_TERMINAL = frozenset(
    {"COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PY_COLORS"}
)


def spec(profile: Path) -> dict[str, Any]:
    """Describe the kernel as Jupyter's `kernel.json` does; `profile` is a folder for IPython."""
    return {
        "argv": [*COMMAND, str(profile), _QUIET, *_CONNECTION],
        "display_name": "Python 3",
        "language": "python",
        # JUPYTER_DEFAULT_PROVISIONER_NAME could name another.
        "metadata": {"kernel_provisioner": {"provisioner_name": "local-provisioner"}},
    }


def offer(work: Path) -> None:
    """Make it the kernel `python3` for whoever runs notebooks with `work` in JUPYTER_PATH."""
    folder = work / "kernels/python3"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(spec(work.resolve() / "ipython"), indent=1)
    (folder / "kernel.json").write_text(text, encoding="utf-8")


def clean(environment: MutableMapping[str, str]) -> None:
    """Take out what suits Python or Jupyter to a taste; matplotlib gets an empty matplotlibrc."""
    for name in list(environment):
        if name.startswith(_PERSONAL) or name in _TERMINAL:
            del environment[name]
    environment["MATPLOTLIBRC"] = os.devnull
    environment["PYTHONNOUSERSITE"] = "1"  # for the processes that a cell starts


def _use_own_package() -> None:
    found = importlib.util.find_spec("bnbook")
    if not (found and found.origin and Path(found.origin).resolve().is_relative_to(ROOT)):
        sys.path.insert(0, str(ROOT))
        os.environ["PYTHONPATH"] = str(ROOT)


def main() -> None:
    """Serve one notebook until it is shut down."""
    profile = sys.argv.pop(1)
    clean(os.environ)
    os.environ["IPYTHONDIR"] = profile
    _use_own_package()

    from ipykernel.kernelapp import IPKernelApp

    class Kernel(IPKernelApp):
        def load_config_file(self, *_: object, **__: object) -> None:
            """Read none, of the reader's or of the machine's."""

        def init_code(self) -> None:
            """Run no startup file."""

    Kernel.launch_instance()


if __name__ == "__main__":
    main()
