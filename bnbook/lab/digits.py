"""The digits that the page trains on, in one script file of half a byte per pixel.

`python -m bnbook.lab.digits` writes it. A script, because a page that is opened from disk may
load scripts but nothing else; read on the first "Train here", by all pages the same.
"""

import gzip
import re
import zlib
from base64 import b64encode
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bnbook import data

Bytes = npt.NDArray[np.uint8]

#: Where it is: beside the other data in the repository, and under this address in the site.
ADDRESS = "data/digits.js"
#: Adler-32 of the text in the file: what a page trains on is what its makers trained on.
CHECKSUM = 810375364


def path() -> Path:
    """Return the place of the file in the repository."""
    return data.bundled_folder() / Path(ADDRESS).name


def pack(levels: Bytes, labels: Bytes) -> bytes:
    """Put grey levels `(n, 28, 28)` in 0..15 and labels `(n,)` into `n` + 392 `n` bytes.

    All labels come first. Then two pixels share a byte, the upper one in its upper half: that
    compresses better than two neighbours of one row.
    """
    pairs = levels[:, 0::2] << 4 | levels[:, 1::2]
    return labels.tobytes() + pairs.tobytes()


def script() -> str:
    """Write the training images of `digits`, then its validation images, as a script."""
    splits = data.splits("digits")
    parts = (splits.train, splits.validation)
    grey = np.concatenate([part.images.numpy()[:, 0] for part in parts])
    labels = np.concatenate([part.labels.numpy() for part in parts])
    packed = pack((grey // (255 // (data.GREY_LEVELS - 1))).astype(np.uint8), labels.astype("u1"))
    text = b64encode(gzip.compress(packed, mtime=0)).decode()
    return f'globalThis.bnDigits = "{text}";\n'


def text(script: str) -> str:
    """Return the text in a `script`: base64 of what `pack` made, gzipped."""
    found = re.search('"(.*)"', script)
    return found[1] if found else ""


def checksum(script: str) -> int:
    """Return the Adler-32 of the text in a `script`; 0 without one."""
    found = text(script)
    return zlib.adler32(found.encode()) if found else 0


if __name__ == "__main__":
    path().write_text(script(), encoding="utf-8")
    size = len(gzip.compress(path().read_bytes()))
    print(f"{path()}: {size:,} bytes gzipped; CHECKSUM = {checksum(path().read_text())}")
