"""Data sets as tensors in memory, read by torchvision's own classes.

MNIST comes with the repository (`data/MNIST/raw/*.gz`) and is unpacked into the user's cache.
So is Fashion-MNIST where Debian's package `dataset-fashion-mnist` is installed; elsewhere it is
downloaded into the same cache on first use, as SVHN and CIFAR-10 are. `cifar10-jpeg` is decoded
from a file which the user names in `BNBOOK_CIFAR10_JPEG`. Two environment variables move the
folders: `BNBOOK_DATA` (the repository's `data/`) and `BNBOOK_CACHE`.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from bnbook.data import files
from bnbook.data.catalog import JPEG_VARIABLE, SOURCES
from bnbook.data.files import Dataset, Images, bundled_folder, cache_folder
from bnbook.errors import BookError, reason

__all__ = [
    "NAMES",
    "SOURCES",
    "VARIABLES",
    "Dataset",
    "Images",
    "Splits",
    "at_hand",
    "bundled_folder",
    "cache_folder",
    "coarsen",
    "describe",
    "load",
    "mismatch",
    "split_indices",
    "splits",
    "to_float",
]

#: What the lab on the page trains on: the first images of another data set's three parts, so many
#: of each, in so few gray levels.
EXCERPTS = {"digits": "mnist", "clothes": "fashion_mnist"}
EXCERPT_SIZES = (4_000, 1_000, 1_000)
GRAY_LEVELS = 16
#: Parts and another division of data sets, and what they are made of.
MADE_OF = {**EXCERPTS, "mnist_60000": "mnist"}
#: Every name that `splits` knows.
NAMES = (*SOURCES, *MADE_OF)

#: Environment variables that name a file or a folder of data.
VARIABLES = ("BNBOOK_DATA", "BNBOOK_CACHE", JPEG_VARIABLE)

#: What libraries raise over files that hold something else than they should.
READING = (OSError, ValueError, TypeError, LookupError, EOFError, AssertionError, MemoryError)

#: Images set aside for validation, and the seed that chooses them. Part of every recorded result.
VALIDATION_SIZE = 10_000
SPLIT_SEED = 85


@dataclass(frozen=True)
class Splits:
    """The book's split: train to learn from, validation to choose by, test to report once."""

    train: Images
    validation: Images
    test: Images


def load(name: str) -> Dataset:
    """Load the data set `name`, downloading it first if need be.

    Raises BookError for an unknown name, and for a file that is damaged or cannot be had.
    """
    if name not in SOURCES:
        raise BookError(f"unknown data set {name!r}: choose one of {', '.join(SOURCES)}")
    source = SOURCES[name]()
    folder = cache_folder() / name
    faults = files.faults(source, folder)
    # What is on this machine is put right unasked; a damaged download may be all a reader has.
    if faults and (source.bundled or files.MISSING in faults.values()):
        files.fetch(source, folder)
        faults = files.faults(source, folder)
    for file, fault in faults.items():
        raise BookError(f"{folder / file} {fault}: delete it, and it will be fetched again")
    remedy = "delete the folder, and they will be fetched again"
    try:
        data = source.read(folder)
    except READING as error:
        raise BookError(f"cannot read the files in {folder} ({reason(error)}): {remedy}") from error
    for part in (data.train, data.test):
        if wrong := mismatch(part, len(data.classes)):
            raise BookError(f"the files in {folder} do not belong together ({wrong}): {remedy}")
    return data


def at_hand(name: str) -> bool:
    """Say whether the data set `name` can be loaded without a download.

    That is: it comes with the book or a package of the system, lies in the user's cache, or in a
    file that the user names.
    """
    name = MADE_OF.get(name, name)
    source = SOURCES[name]()
    return (
        source.bundled or files.MISSING not in files.faults(source, cache_folder() / name).values()
    )


@cache
def splits(name: str) -> Splits:
    """Split the training files into train and validation, the same way on every machine.

    Validation is the last 10,000 of one fixed permutation; train is the rest, in that order.
    The splits of `digits` and `clothes` are the first images of MNIST's and Fashion-MNIST's, with
    fewer gray levels. `mnist_60000` splits as most posts on MNIST do: all 60,000 to train on, the
    test images also to watch.
    Raises BookError as `load` does.
    """
    if name == "mnist_60000":
        mnist = splits("mnist")
        both = (mnist.train, mnist.validation)
        whole = Images(torch.cat([p.images for p in both]), torch.cat([p.labels for p in both]))
        return Splits(train=whole, validation=mnist.test, test=mnist.test)
    if name in EXCERPTS:
        full = splits(EXCERPTS[name])
        parts = zip((full.train, full.validation, full.test), EXCERPT_SIZES, strict=True)
        return Splits(*(Images(coarsen(p.images[:n]), p.labels[:n]) for p, n in parts))
    data = load(name)
    images, labels = data.train.images, data.train.labels
    order = split_indices(len(labels))
    train, validation = (Images(images[chosen], labels[chosen]) for chosen in order)
    return Splits(train, validation, data.test)


def split_indices(n: int) -> tuple[Tensor, Tensor]:
    """Return which of `n` training images are for training, which for validation; int64."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(SPLIT_SEED))
    return order[:-VALIDATION_SIZE], order[-VALIDATION_SIZE:]


def coarsen(images: Tensor) -> Tensor:
    """Round uint8 images to 16 gray levels, multiples of 17: half a byte each."""
    step = 255 // (GRAY_LEVELS - 1)
    return ((images.int() + step // 2) // step * step).to(torch.uint8)


def to_float(images: Tensor) -> Tensor:
    """Scale uint8 images to float32 in [0, 1], as torchvision's ToTensor does."""
    return images.float() / 255


def describe(name: str) -> str:
    """Load the data set; say in one line how large it is and where its files are."""
    data = load(name)
    shape = " x ".join(map(str, data.train.images.shape[1:]))
    return (
        f"{name}: {len(data.train):,} training and {len(data.test):,} test images, "
        f"{shape}, {len(data.classes)} classes, in {cache_folder() / name}"
    )


def mismatch(part: Images, classes: int) -> str:
    """Say why these are no images uint8 `(n, …)` with labels 0 to `classes` - 1; "" if they are."""
    images, labels = part.images, part.labels
    if (images.dim(), images.dtype) != (4, torch.uint8):
        return f"images of shape {tuple(images.shape)} and {images.dtype}"
    if (labels.dim(), labels.dtype) != (1, torch.int64):
        return f"labels of shape {tuple(labels.shape)} and {labels.dtype}"
    if not 0 < len(labels) == len(images):
        return f"{len(images):,} images, {len(labels):,} labels"
    low, high = int(labels.min()), int(labels.max())
    return "" if 0 <= low <= high < classes else f"labels {low} to {high} for {classes} classes"
