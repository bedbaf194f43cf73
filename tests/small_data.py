"""Less data: real images, but few to evaluate on, and files of random ones in each format."""

import hashlib

import numpy as np

from bnbook import data


def shortened(splits, n):
    """Keep n images to validate on, and n to test on: evaluation is most of a short run."""

    def first(part):
        return data.Images(part.images[:n], part.labels[:n])

    return data.Splits(splits.train, first(splits.validation), first(splits.test))


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_idx(path, array):
    """Write the idx format: 0, 0, type 8 (bytes), number of sizes, sizes, values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes())


def tiny(n, shape, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8), rng.integers(0, 10, n)
