"""Data sets as tensors in memory, read by torchvision's own classes.

MNIST comes with the repository (`data/MNIST/raw/*.gz`) and is unpacked into the user's cache;
the others are downloaded into the same cache on first use. Two environment variables move the
folders: `BNBOOK_DATA` (the repository's `data/`) and `BNBOOK_CACHE`.
"""

import gzip
import hashlib
import http.client
import os
import shutil
import tarfile
import tempfile
import urllib.error
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import Tensor

from bnbook.errors import BookError

#: MD5 of the unpacked files of MNIST.
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}

#: Sizes of the three parts of `digits`, the data of the lab on the page, and its grey levels.
DIGITS_SIZES = (4_000, 1_000, 1_000)
GREY_LEVELS = 16

#: Images set aside for validation, and the seed that chooses them. Part of every recorded result.
VALIDATION_SIZE = 10_000
SPLIT_SEED = 85


@dataclass(frozen=True)
class Dataset:
    """A data set as its authors split it.

    Images uint8 `(n, channels, height, width)`, labels int64 `(n,)` in 0..len(classes)-1.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Images:
    """Images uint8 `(n, channels, height, width)` with their labels, int64 `(n,)`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Splits:
    """The book's split: train to learn from, validation to choose by, test to report once."""

    train: Images
    validation: Images
    test: Images


@dataclass(frozen=True)
class _Source:
    """How to obtain and read a data set, given its folder.

    `files` maps each file, relative to the folder, to its MD5, or to None where its distributor
    publishes none (unpacked idx files).
    """

    files: dict[str, str | None]
    fetch: Callable[[Path], None]
    read: Callable[[Path], Dataset]
    bundled: bool = False


def load(name: str) -> Dataset:
    """Load the data set `name`, downloading it first if need be.

    Raises BookError for an unknown name, and for a file that is damaged or cannot be had.
    """
    if name not in SOURCES:
        raise BookError(f"unknown data set {name!r}: choose one of {', '.join(SOURCES)}")
    source = SOURCES[name]()
    folder = cache_folder() / name
    faults = _faults(source, folder)
    # What comes with the book is put right unasked; a damaged download may be all a reader has.
    if faults and (source.bundled or MISSING in faults.values()):
        _fetch(source, folder)
        faults = _faults(source, folder)
    for file, fault in faults.items():
        raise BookError(f"{folder / file} {fault}: delete it, and it will be downloaded again")
    data = source.read(folder)
    _require_match(data.train_images, data.train_labels, data.classes, folder)
    _require_match(data.test_images, data.test_labels, data.classes, folder)
    return data


@cache
def splits(name: str) -> Splits:
    """Split the training files into train and validation, the same way on every machine.

    Validation is the last 10,000 of one fixed permutation; train is the rest, in that order.
    The splits of `digits` are the first images of MNIST's, with fewer grey levels. `mnist_60000`
    splits as most posts on MNIST do: all 60,000 to train on, the test images also to watch.
    Raises BookError as `load` does.
    """
    if name == "mnist_60000":
        mnist = splits("mnist")
        both = (mnist.train, mnist.validation)
        whole = Images(torch.cat([p.images for p in both]), torch.cat([p.labels for p in both]))
        return Splits(train=whole, validation=mnist.test, test=mnist.test)
    if name == "digits":
        mnist = splits("mnist")
        parts = zip((mnist.train, mnist.validation, mnist.test), DIGITS_SIZES, strict=True)
        return Splits(*(Images(coarsen(p.images[:n]), p.labels[:n]) for p, n in parts))
    data = load(name)
    train, validation = split_indices(len(data.train_labels))
    return Splits(
        train=Images(data.train_images[train], data.train_labels[train]),
        validation=Images(data.train_images[validation], data.train_labels[validation]),
        test=Images(data.test_images, data.test_labels),
    )


def split_indices(n: int) -> tuple[Tensor, Tensor]:
    """Return which of `n` training images are for training, which for validation; int64."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(SPLIT_SEED))
    return order[:-VALIDATION_SIZE], order[-VALIDATION_SIZE:]


def coarsen(images: Tensor) -> Tensor:
    """Round uint8 images to 16 grey levels, multiples of 17: half a byte each."""
    step = 255 // (GREY_LEVELS - 1)
    return ((images.int() + step // 2) // step * step).to(torch.uint8)


def to_float(images: Tensor) -> Tensor:
    """Scale uint8 images to float32 in [0, 1], as torchvision's ToTensor does."""
    return images.float() / 255


def describe(name: str) -> str:
    """Load the data set; say in one line how large it is and where its files are."""
    data = load(name)
    shape = " x ".join(map(str, data.train_images.shape[1:]))
    return (
        f"{name}: {len(data.train_images):,} training and {len(data.test_images):,} test images, "
        f"{shape}, {len(data.classes)} classes, in {cache_folder() / name}"
    )


def bundled_folder() -> Path:
    """Return the folder with the data that come with the book."""
    beside_package = Path(__file__).resolve().parent.parent / "data"
    return Path(os.environ.get("BNBOOK_DATA") or beside_package)


def cache_folder() -> Path:
    """Return the folder that holds unpacked and downloaded data, one folder per data set."""
    return Path(os.environ.get("BNBOOK_CACHE") or platformdirs.user_cache_dir("bnbook"))


MISSING = "is missing"


def _faults(source: _Source, folder: Path) -> dict[str, str]:
    """Map each file that is not as it should be to what is wrong with it."""
    found = {file: _fault(folder / file, md5) for file, md5 in source.files.items()}
    return {file: fault for file, fault in found.items() if fault}


def _fault(path: Path, md5: str | None) -> str | None:
    if not path.is_file():
        return MISSING
    if md5 is None:
        return _idx_fault(path)
    with path.open("rb") as file:
        # MD5 is what the distributors publish; it guards against accidents, not attackers.
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found == md5:
        return None
    return f"is damaged ({path.stat().st_size:,} bytes, MD5 {found} instead of {md5})"


def _idx_fault(path: Path) -> str | None:
    """Check an idx file's length against its header: 0, 0, 8 (bytes), how many sizes, sizes."""
    with path.open("rb") as file:
        magic = file.read(4)
        if magic[:3] != b"\0\0\x08" or len(magic) < 4:
            return "is damaged (it is no idx file of bytes)"
        expected = 1
        for _ in range(magic[3]):
            expected *= int.from_bytes(file.read(4), "big")
    found = path.stat().st_size - 4 - 4 * magic[3]
    return None if found == expected else f"is damaged ({found:,} of {expected:,} values)"


def _require_match(images: Tensor, labels: Tensor, classes: tuple[str, ...], folder: Path) -> None:
    if not len(labels) or len(images) != len(labels) or int(labels.max()) >= len(classes):
        raise BookError(
            f"the files in {folder} do not belong together ({len(images):,} images, "
            f"{len(labels):,} labels for {len(classes)} classes): "
            "delete the folder, and they will be downloaded again"
        )


def _fetch(source: _Source, folder: Path) -> None:
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


def _unpack_mnist(root: Path) -> None:
    """Unpack the bundled files into `root/MNIST/raw`."""
    (root / "MNIST/raw").mkdir(parents=True, exist_ok=True)
    for name, md5 in MNIST_MD5.items():
        packed = bundled_folder() / "MNIST/raw" / f"{name}.gz"
        remedy = (
            "restore it with `git checkout -- data/MNIST`, or name the folder that holds MNIST/raw "
            "in the environment variable BNBOOK_DATA"
        )
        try:
            content = gzip.decompress(packed.read_bytes())
        except FileNotFoundError as error:
            raise BookError(f"{packed} {MISSING}: {remedy}") from error
        except (OSError, EOFError, zlib.error) as error:
            raise BookError(f"{packed} is damaged ({error}): {remedy}") from error
        (root / "MNIST/raw" / name).write_bytes(content)
        if fault := _fault(root / "MNIST/raw" / name, md5):
            raise BookError(f"{packed}, unpacked, {fault}: {remedy}")


def _download(name: str, build: Callable[[], Any], archives: str, subfolder: str = "") -> None:
    """Let torchvision download a data set into its folder and check what it got.

    Raises BookError that names the `archives` and where to put them by hand.
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
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise BookError(
            f"cannot download {name} ({reason}): get {archives} by other means, "
            f"and put it into {cache_folder() / name / subfolder}"
        ) from error


# The four functions below import torchvision themselves: it takes seconds, and a worker that is
# handed its data never needs it.


def _mnist() -> _Source:
    from torchvision.datasets import MNIST

    return _Source(
        files={f"MNIST/raw/{file}": md5 for file, md5 in MNIST_MD5.items()},
        fetch=_unpack_mnist,
        read=lambda folder: _read_idx(MNIST, folder),
        bundled=True,
    )


def _fashion_mnist() -> _Source:
    from torchvision.datasets import FashionMNIST

    archives = [archive for archive, _ in FashionMNIST.resources]
    return _Source(
        files={f"FashionMNIST/raw/{archive.removesuffix('.gz')}": None for archive in archives},
        fetch=lambda root: _download(
            "fashion_mnist",
            lambda: FashionMNIST(root, download=True),
            f"each of {', '.join(archives)} from {FashionMNIST.mirrors[0]}",
            "FashionMNIST/raw",
        ),
        read=lambda folder: _read_idx(FashionMNIST, folder),
    )


def _read_idx(kind: Any, folder: Path) -> Dataset:
    train, test = kind(folder, train=True), kind(folder, train=False)
    return Dataset(
        train_images=train.data.unsqueeze(1),
        train_labels=train.targets,
        test_images=test.data.unsqueeze(1),
        test_labels=test.targets,
        classes=tuple(kind.classes),
    )


def _svhn() -> _Source:
    from torchvision.datasets import SVHN

    parts = [SVHN.split_list[split] for split in ("train", "test")]

    def read(folder: Path) -> Dataset:
        train, test = SVHN(folder, split="train"), SVHN(folder, split="test")
        return Dataset(
            train_images=torch.from_numpy(train.data).contiguous(),
            train_labels=torch.from_numpy(train.labels),
            test_images=torch.from_numpy(test.data).contiguous(),
            test_labels=torch.from_numpy(test.labels),
            classes=tuple("0123456789"),
        )

    def build(root: Path) -> None:
        SVHN(root, split="train", download=True)
        SVHN(root, split="test", download=True)

    return _Source(
        files={file: md5 for _, file, md5 in parts},
        fetch=lambda root: _download(
            "svhn", lambda: build(root), f"each of {', '.join(url for url, _, _ in parts)}"
        ),
        read=read,
    )


def _cifar10() -> _Source:
    from torchvision.datasets import CIFAR10

    def read(folder: Path) -> Dataset:
        train, test = CIFAR10(folder, train=True), CIFAR10(folder, train=False)
        return Dataset(
            # torchvision stores `(n, height, width, channels)`.
            train_images=torch.from_numpy(train.data).permute(0, 3, 1, 2).contiguous(),
            train_labels=torch.tensor(train.targets),
            test_images=torch.from_numpy(test.data).permute(0, 3, 1, 2).contiguous(),
            test_labels=torch.tensor(test.targets),
            classes=tuple(train.classes),
        )

    batches = [*CIFAR10.train_list, *CIFAR10.test_list]
    batches.append([CIFAR10.meta["filename"], CIFAR10.meta["md5"]])
    return _Source(
        files={f"{CIFAR10.base_folder}/{file}": md5 for file, md5 in batches},
        fetch=lambda root: _download("cifar10", lambda: CIFAR10(root, download=True), CIFAR10.url),
        read=read,
    )


#: The data sets the book knows, each with the function that says where it comes from.
SOURCES: dict[str, Callable[[], _Source]] = {
    "mnist": _mnist,
    "fashion_mnist": _fashion_mnist,
    "svhn": _svhn,
    "cifar10": _cifar10,
}

#: Every name that `splits` knows: two are other divisions of MNIST.
NAMES = (*SOURCES, "digits", "mnist_60000")
