"""Put the pinned packages and the book itself into .venv, where that is not done yet.

`make` runs this before its commands. It is silent where .venv is as the sources ask: the same
folder, Python, `requirements.lock`, `pyproject.toml` and kind of PyTorch. A clone that was moved or
copied takes a .venv along that leads back to where it came from: that one is made anew.

Only the standard library is used, as nothing is installed yet.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
#: Written at the end of an installation: what it was made from.
STAMP = VENV / "installed"
PYTHON = VENV / "bin/python"
#: What PyTorch's own index has in a build for the CPU, with other hashes than the package index.
TORCH = ("torch", "torchvision")
#: A pinned package and the lines of its hashes.
Pin = tuple[str, str]


def main() -> int:
    """Install what is missing; return the exit code."""
    parser = argparse.ArgumentParser(description="Install the book into .venv.")
    parser.add_argument("--torch", choices=("", "cpu"), help="the build of PyTorch")
    parser.add_argument("--python", action="store_true", help="use this very Python")
    options = parser.parse_args()
    found = _found()
    wanted = _wanted(found, options.torch, options.python)
    reason = _unfit(found, wanted)
    if found == wanted and not reason:
        return 0
    if reason:
        print(f"{reason}: installing anew", flush=True)
        _remove()
    try:
        _install(wanted)
    except subprocess.CalledProcessError as error:
        print(f"install: {' '.join(map(str, error.cmd[:5]))} … failed, see above", file=sys.stderr)
        return 2
    print("Installed: .venv", flush=True)
    return 0


def _found() -> dict[str, str]:
    """Read what .venv was made from; empty where it is not there, or not finished."""
    try:
        found = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    keys = ("folder", "python", "torch", "sources")
    return found if isinstance(found, dict) and set(found) == set(keys) else {}


def _wanted(found: dict[str, str], torch: str | None, this_python: bool) -> dict[str, str]:
    """Say what .venv should be made from; what is not asked for stays as it is."""
    texts = [path.read_bytes() for path in (LOCK, ROOT / "pyproject.toml")]
    mine = ".".join(map(str, sys.version_info[:2]))
    theirs = _version()
    return {
        "folder": str(ROOT),
        "python": mine if this_python or theirs != found.get("python") else str(theirs),
        "torch": found.get("torch", "") if torch is None else torch,
        "sources": hashlib.sha256(b"\0".join(texts)).hexdigest(),
    }


def _version() -> str | None:
    """Ask .venv's Python for its version; None where it does not run."""
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([PYTHON, "-I", "-S", "-c", ask], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None


def _unfit(found: dict[str, str], wanted: dict[str, str]) -> str | None:
    """Say why nothing can be built on what is in .venv, if so."""
    if not os.path.lexists(VENV):
        return None
    if found and found["folder"] != wanted["folder"]:
        return f"this clone was moved or copied from {found['folder']}"
    if not found and not _is_at_home():
        return ".venv is from elsewhere"
    if found and found["torch"] != wanted["torch"]:
        return f".venv has PyTorch {found['torch'] or 'as the package index has it'}"
    if (runs := _version()) != wanted["python"]:
        return f".venv is for {f'Python {runs}' if runs else 'a Python that is gone'}"
    return None


def _is_at_home() -> bool:
    """Say whether a .venv without a stamp, not finished or not ours, was made in this folder."""
    try:
        script = (VENV / "bin/pip").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    # With a blank in the path, the script is run by way of sh.
    return not VENV.is_symlink() and any(f"{mark}{VENV}/bin/" in script for mark in ("#!", '"'))


def _remove() -> None:
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()  # where a link leads is somebody else's
    else:
        shutil.rmtree(VENV)


def _install(wanted: dict[str, str]) -> None:
    size = "a PyTorch for the CPU" if wanted["torch"] else "the first time about 3 GB on Linux"
    print(f"Installing the pinned packages into .venv ({size})", flush=True)
    STAMP.unlink(missing_ok=True)
    base = getattr(sys, "_base_executable", sys.executable)  # not .venv's, should that run this
    _run(base, "-m", "venv", VENV)
    pins = _pins(LOCK.read_text(encoding="utf-8"))
    uv = _uv(pins)
    if wanted["torch"]:
        if not uv:
            raise SystemExit("install: TORCH=cpu needs uv, which pip cannot get here")
        _with_uv_for_cpu(uv, pins)
    elif not (uv and _with_uv(uv)):
        # Its settings, say for an index of one's own, are others than uv's.
        _run(*_PIP, "install", "--require-hashes", "-r", LOCK)
    # The build tool is pinned too: it is taken from .venv, not fetched for the occasion.
    here = ("--no-deps", "--no-build-isolation", "-e", ROOT)
    _run(*_PIP, "install", "-qq", *here)
    STAMP.write_text(json.dumps(wanted, indent=1), encoding="utf-8")


_PIP: tuple[str | Path, ...] = (PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input")


def _pins(lock: str) -> list[Pin]:
    """Split a lock into its packages, each with the lines of its hashes."""
    pins: list[Pin] = []
    for line in lock.splitlines(keepends=True):
        if line[:1].isalnum():
            pins.append((line.partition("==")[0], line))
        elif pins:
            pins[-1] = (pins[-1][0], pins[-1][1] + line)
    return pins


def _uv(pins: list[Pin]) -> Path | None:
    """Let pip put the pinned uv into .venv; None where it cannot, or none is pinned."""
    pinned = "".join(text for name, text in pins if name == "uv")
    with tempfile.TemporaryDirectory() as folder:
        only = Path(folder, "uv.txt")
        only.write_text(pinned, encoding="utf-8")
        pip = (*_PIP, "install", "-qq", "--require-hashes", "-r", only)
        done = subprocess.run(pip, capture_output=True)
    if pinned and done.returncode == 0:
        return VENV / "bin/uv"
    print("uv cannot be had here: pip installs, which takes longer", flush=True)
    return None


def _with_uv(uv: Path) -> bool:
    """Install the lock; False where it fails, as behind a mirror that only pip was told of."""
    lock = ("--require-hashes", "-r", LOCK)
    if subprocess.run((uv, "pip", "install", "--python", PYTHON, *lock)).returncode == 0:
        return True
    print("uv could not: trying it with pip, which takes longer", flush=True)
    return False


def _with_uv_for_cpu(uv: Path, pins: list[Pin]) -> None:
    """Install what pyproject.toml asks for with the lock's versions, PyTorch for the CPU.

    That build needs no CUDA libraries, so the lock is no list of what to install but a limit on it.
    PyTorch's index has files of its own for the same version: for these no hashes are known.
    """
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder, "limits.txt")
        kept = (_without_hashes(text) if name in TORCH else text for name, text in pins)
        limits.write_text("".join(kept), encoding="utf-8")
        what = ("-r", ROOT / "pyproject.toml", "--extra", "test", "-c", limits)
        _run(uv, "pip", "install", "--python", PYTHON, "--torch-backend", "cpu", *what)


def _without_hashes(pin: str) -> str:
    return pin.splitlines()[0].rstrip("\\ ") + "\n"


def _run(*command: str | Path) -> None:
    sys.stdout.flush()
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
