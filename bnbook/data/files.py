"""A data set's files: where they lie, whether they are whole, and how they get there."""

import contextlib
import hashlib
import http.client
import os
import shutil
import tarfile
import tempfile
import tokenize
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from torch import Tensor

from bnbook.errors import BookError, reason

#: What NumPy raises at the odd head of an array, besides ValueError.
NPY_ERRORS = (TypeError, OverflowError, SyntaxError, tokenize.TokenError)

MISSING = "is missing"


@dataclass(frozen=True)
class Images:
    """Images uint8 `(n, channels, height, width)` with their labels, int64 `(n,)`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A data set as its authors split it, with labels in 0..len(classes)-1."""

    train: Images
    test: Images
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """How to obtain and read a data set, given its folder.

    `files` maps each file, relative to the folder, to its MD5, or to None where there is none to
    know (decoded arrays in `.npy` files): then its length is checked against its own header.
    """

    files: dict[str, str | None]
    fetch: Callable[[Path], None]
    read: Callable[[Path], Dataset]
    bundled: bool = False  # fetching takes no download: the files are on this machine


def bundled_folder() -> Path:
    """Return the folder with the data that come with the book.

    Raises BookError where the package alone was installed: these data lie in the book's clone.
    """
    if named := os.environ.get("BNBOOK_DATA"):
        return Path(named)
    clone = Path(__file__).resolve().parents[2]
    if not (clone / "data").is_dir() and not (clone / "pyproject.toml").is_file():
        raise BookError(
            f"the book's data are not in {clone / 'data'}: the package alone has none; clone the "
            "book, and name the clone's folder `data` in the environment variable BNBOOK_DATA"
        )
    return clone / "data"


def cache_folder() -> Path:
    """Return the folder that holds unpacked and downloaded data, one folder per data set.

    Raises BookError where the user has no home and names none.
    """
    if named := os.environ.get("BNBOOK_CACHE"):
        return Path(named)
    folder = ""
    with contextlib.suppress(RuntimeError, KeyError):  # what asking for a home may raise
        folder = platformdirs.user_cache_dir("bnbook")
    if not Path(folder).is_absolute():
        raise BookError(
            "this user has no home folder to unpack data into: name a folder in the environment "
            "variable BNBOOK_CACHE"
        )
    return Path(folder)


def faults(source: Source, folder: Path) -> dict[str, str]:
    """Map each file that is not as it should be to what is wrong with it.

    Raises BookError where the folder may not be read.
    """
    try:
        found = {file: fault(folder / file, md5) for file, md5 in source.files.items()}
    except OSError as error:
        raise BookError(
            f"cannot read {folder} ({reason(error)}): name a folder of your own in the environment "
            "variable BNBOOK_CACHE"
        ) from error
    return {file: fault for file, fault in found.items() if fault}


def fault(path: Path, md5: str | None) -> str | None:
    """Say what is wrong with one file, if anything."""
    if not path.is_file():
        return MISSING
    if md5 is None:
        return _npy_fault(path)
    found = md5_of(path)
    if found == md5:
        return None
    return f"is damaged ({path.stat().st_size:,} bytes, MD5 {found} instead of {md5})"


def md5_of(path: Path) -> str:
    """Return a file's MD5: distributors publish it; it guards against accidents, not attackers."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _npy_fault(path: Path) -> str | None:
    """Check a `.npy` file's length against its header, without reading the array."""
    try:
        np.load(path, mmap_mode="r")
    except (ValueError, EOFError, *NPY_ERRORS) as error:
        return f"is damaged ({error})"
    return None


def fetch(source: Source, folder: Path) -> None:
    """Bring a data set's files into `folder`, each whole or not at all.

    They are made in a folder beside it and moved, so that a killed or a second process does no
    harm. Archives that the reader has put into `folder` by hand are used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as temporary:
            scratch = Path(temporary)
            shutil.copytree(folder, scratch, dirs_exist_ok=True)
            source.fetch(scratch)
            for file in source.files:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (scratch / file).replace(folder / file)
    except OSError as error:
        raise BookError(
            f"cannot write to {folder} ({error.strerror or error}): name a writable folder, "
            "on a disk with room, in the environment variable BNBOOK_CACHE"
        ) from error


def download(
    name: str, build: Callable[[], Any], archives: str, subfolder: str = "", instead: str = ""
) -> None:
    """Let torchvision download a data set into its folder and check what it got.

    Raises BookError that names the `archives` and where to put them by hand, after what may be
    done `instead`.
    """
    try:
        build()
    except (
        RuntimeError,
        EOFError,
        tarfile.TarError,
        http.client.HTTPException,
        urllib.error.URLError,
        ConnectionError,
        TimeoutError,
    ) as error:
        words = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise BookError(
            f"cannot download {name} ({words}): {instead}get {archives} by other means, "
            f"and put it into {cache_folder() / name / subfolder}"
        ) from error
