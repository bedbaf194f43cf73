"""The data sets the book knows: where each comes from and how it is read."""

import gzip
import hashlib
import io
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bnbook import atomic
from bnbook.data import files
from bnbook.data.files import Dataset, Images, Source
from bnbook.errors import BookError, reason

#: MD5 of the unpacked files of MNIST, and of Fashion-MNIST.
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
FASHION_MNIST_MD5 = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
#: Where Debian's package dataset-fashion-mnist puts them, gzipped.
FASHION_MNIST_SYSTEM = Path("/usr/share/datasets/fashion-mnist")

#: Names the user's file with CIFAR-10 as JPEG images; lossy, so figures that rest on it say so.
JPEG_VARIABLE = "BNBOOK_CIFAR10_JPEG"
PARTS = ("train", "test")
#: Beside the decoded images: the MD5 of the file that they come from.
_ORIGIN = "origin.txt"
FILE_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, Image.DecompressionBombError),
    *(Image.DecompressionBombWarning, MemoryError),
    # What reading the head of an array or of an archive raises where it is odd.
    *(RuntimeError, *files.NPY_ERRORS),
)
CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def _unpack(packed_folder: Path, raw: Path, sums: dict[str, str], remedy: str) -> None:
    """Unpack the idx files of `sums`, names with their MD5, from `packed_folder` into `raw`."""
    raw.mkdir(parents=True, exist_ok=True)
    for name, md5 in sums.items():
        packed = packed_folder / f"{name}.gz"
        try:
            content = gzip.decompress(atomic.content(packed))
        except FileNotFoundError as error:
            raise BookError(f"{packed} {files.MISSING}: {remedy}") from error
        except (OSError, EOFError, zlib.error) as error:
            raise BookError(f"{packed} is damaged ({error}): {remedy}") from error
        (raw / name).write_bytes(content)
        if fault := files.fault(raw / name, md5):
            raise BookError(f"{packed}, unpacked, {fault}: {remedy}")


# The four functions below import torchvision themselves: it takes seconds, and a worker that is
# handed its data never needs it.


def _mnist() -> Source:
    from torchvision.datasets import MNIST

    return Source(
        files={f"MNIST/raw/{file}": md5 for file, md5 in MNIST_MD5.items()},
        fetch=_unpack_mnist,
        read=lambda folder: _read_idx(MNIST, folder),
        bundled=True,
    )


def _unpack_mnist(root: Path) -> None:
    bundled = files.bundled_folder()
    remedy = "name the folder that holds MNIST/raw in the environment variable BNBOOK_DATA"
    if (bundled.parent / ".git").exists():
        remedy = f"restore it with `git checkout -- data/MNIST`, or {remedy}"
    _unpack(bundled / "MNIST/raw", root / "MNIST/raw", MNIST_MD5, remedy)


def _fashion_mnist() -> Source:
    from torchvision.datasets import FashionMNIST

    archives = [archive for archive, _ in FashionMNIST.resources]
    installed = FASHION_MNIST_SYSTEM.is_dir()

    def fetch(root: Path) -> None:
        if installed:
            remedy = "reinstall the package dataset-fashion-mnist, or remove it for a download"
            _unpack(FASHION_MNIST_SYSTEM, root / "FashionMNIST/raw", FASHION_MNIST_MD5, remedy)
            return
        files.download(
            "fashion_mnist",
            lambda: FashionMNIST(root, download=True),
            f"each of {', '.join(archives)} from {FashionMNIST.mirrors[0]}",
            "FashionMNIST/raw",
            "install Debian's package dataset-fashion-mnist, or ",
        )

    return Source(
        files={f"FashionMNIST/raw/{file}": md5 for file, md5 in FASHION_MNIST_MD5.items()},
        fetch=fetch,
        read=lambda folder: _read_idx(FashionMNIST, folder),
        bundled=installed,
    )


def _read_idx(kind: Any, folder: Path) -> Dataset:
    parts = (kind(folder, train=train) for train in (True, False))
    train, test = (Images(part.data.unsqueeze(1), part.targets) for part in parts)
    return Dataset(train, test, tuple(kind.classes))


def _svhn() -> Source:
    from torchvision.datasets import SVHN

    archives = [SVHN.split_list[part] for part in PARTS]

    def parts(folder: Path, download: bool = False) -> list[Any]:
        return [SVHN(folder, split=part, download=download) for part in PARTS]

    def read(folder: Path) -> Dataset:
        train, test = (
            Images(torch.from_numpy(part.data).contiguous(), torch.from_numpy(part.labels))
            for part in parts(folder)
        )
        return Dataset(train, test, tuple("0123456789"))

    return Source(
        files={file: md5 for _, file, md5 in archives},
        fetch=lambda root: files.download(
            "svhn", lambda: parts(root, True), f"each of {', '.join(url for url, _, _ in archives)}"
        ),
        read=read,
    )


def _cifar10() -> Source:
    from torchvision.datasets import CIFAR10

    def read(folder: Path) -> Dataset:
        parts = [CIFAR10(folder, train=train) for train in (True, False)]
        train, test = (Images(_channels_first(p.data), torch.tensor(p.targets)) for p in parts)
        return Dataset(train, test, tuple(parts[0].classes))

    batches = [*CIFAR10.train_list, *CIFAR10.test_list]
    batches.append([CIFAR10.meta["filename"], CIFAR10.meta["md5"]])
    return Source(
        files={f"{CIFAR10.base_folder}/{file}": md5 for file, md5 in batches},
        fetch=lambda root: files.download(
            "cifar10", lambda: CIFAR10(root, download=True), CIFAR10.url
        ),
        read=read,
    )


def _cifar10_jpeg() -> Source:
    decoded: dict[str, str | None] = {
        f"{part}_{what}.npy": None for part in PARTS for what in ("images", "labels")
    }
    named = os.environ.get(JPEG_VARIABLE, "")
    if Path(named).is_file():  # what lies decoded in the cache may come from another one
        origin = files.md5_of(Path(named)).encode()
        decoded[_ORIGIN] = hashlib.md5(origin, usedforsecurity=False).hexdigest()
    return Source(files=decoded, fetch=_decode_jpeg, read=_read_npy, bundled=bool(named))


def _decode_jpeg(root: Path) -> None:
    """Decode the file named in `JPEG_VARIABLE`, once, into arrays in `root`.

    For each part it holds the arrays `…_jpeg` (uint8, all files one after another), `…_length`
    (bytes per file) and `…_label` (0 to 9). Raises BookError where it is missing or damaged.
    """
    named = os.environ.get(JPEG_VARIABLE)
    remedy = f"name the file of CIFAR-10 as JPEG images in the environment variable {JPEG_VARIABLE}"
    if not named:
        raise BookError(f"cifar10-jpeg comes neither with the book nor from the network: {remedy}")
    arrays = {}
    try:
        with np.load(io.BytesIO(atomic.content(Path(named)))) as packed:
            for part in PARTS:
                images = _decoded(packed[f"{part}_jpeg"], packed[f"{part}_length"])
                arrays[f"{part}_images"] = images.numpy()
                arrays[f"{part}_labels"] = _checked(packed[f"{part}_label"], len(images))
    # A TypeError says that the file is a single array.
    except (OSError, ValueError, LookupError, EOFError, *FILE_ERRORS) as error:
        raise BookError(f"cannot read {named} ({reason(error)}): {remedy}") from error
    for name, array in arrays.items():
        np.save(root / f"{name}.npy", array)
    (root / _ORIGIN).write_text(files.md5_of(Path(named)))


def _decoded(content: Any, lengths: Any) -> Tensor:
    """Decode images stored one after another: uint8 `(n, 3, 32, 32)`."""
    if sum(lengths) != len(content):
        raise ValueError(f"{len(content):,} bytes instead of {sum(lengths):,}")
    pieces = (piece.tobytes() for piece in np.split(content, np.cumsum(lengths)[:-1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of an image that claims too many pixels to be one of these
        images = [_pixels(piece) for piece in pieces]
    return _channels_first(np.stack(images))


def _channels_first(images: Any) -> Tensor:
    """Turn an array `(n, height, width, channels)` into a tensor with its channels second."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def _pixels(content: bytes) -> Any:
    image = Image.open(io.BytesIO(content))
    if image.size != (32, 32):
        raise ValueError(f"an image of {image.width:,} x {image.height:,} pixels, not 32 x 32")
    return np.asarray(image.convert("RGB"))


def _checked(labels: Any, images: int) -> Any:
    """Return labels as int64 if there is one for each of so many images and all name a class."""
    if labels.shape != (images,):
        raise ValueError(f"{images:,} images with labels of shape {labels.shape}")
    if labels.dtype.kind not in "iu" or not np.isin(labels, range(len(CIFAR10_CLASSES))).all():
        raise ValueError(f"labels that are not 0 to {len(CIFAR10_CLASSES) - 1}")
    return labels.astype(np.int64)


def _read_npy(folder: Path) -> Dataset:
    def array(name: str) -> Tensor:
        return torch.from_numpy(np.load(folder / f"{name}.npy"))

    train, test = (Images(array(f"{part}_images"), array(f"{part}_labels")) for part in PARTS)
    return Dataset(train, test, CIFAR10_CLASSES)


#: The data sets the book knows, each with the function that says where it comes from.
SOURCES: dict[str, Callable[[], Source]] = {
    "mnist": _mnist,
    "fashion_mnist": _fashion_mnist,
    "svhn": _svhn,
    "cifar10": _cifar10,
    "cifar10-jpeg": _cifar10_jpeg,
}
