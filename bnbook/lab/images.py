"""The images that the page trains on, each data set in one script file of half a byte per pixel.

`python -m bnbook.lab.images` writes them. Scripts, because a page that is opened from disk may
load scripts but nothing else; each is read when a reader first trains on it, by all pages the same.
"""

import gzip
import re
import zlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bnbook import data

Bytes = npt.NDArray[np.uint8]

#: How far apart two gray levels are.
GRAY_STEP = 255 // (data.GRAY_LEVELS - 1)


@dataclass(frozen=True)
class ImageFile:
    """A data set's file: its address in the site, the global name that it sets, and its check.

    The checksum is the Adler-32 of the text under that name: what a page trains on is what its
    makers trained on.
    """

    address: str
    variable: str
    checksum: int

    @property
    def path(self) -> Path:
        """Its place in the repository, beside the other data."""
        return data.bundled_folder() / Path(self.address).name


#: Of each data set that the page trains on.
FILES = {
    "digits": ImageFile("data/digits.js", "bnDigits", 810375364),
    "clothes": ImageFile("data/fashion.js", "bnClothes", 540245977),
}


def pack(levels: Bytes, labels: Bytes) -> bytes:
    """Put gray levels `(n, 28, 28)` in 0..15 and labels `(n,)` into `n` + 392 `n` bytes.

    All labels come first. Then two pixels share a byte, the upper one in its upper half: that
    compresses better than two neighbors of one row.
    """
    pairs = levels[:, 0::2] << 4 | levels[:, 1::2]
    return labels.tobytes() + pairs.tobytes()


def script(name: str) -> str:
    """Write the training images of the data set `name`, then its validation images, as a script."""
    splits = data.splits(name)
    parts = (splits.train, splits.validation)
    gray = np.concatenate([part.images.numpy()[:, 0] for part in parts])
    labels = np.concatenate([part.labels.numpy() for part in parts])
    packed = pack((gray // GRAY_STEP).astype(np.uint8), labels.astype("u1"))
    text = b64encode(gzip.compress(packed, mtime=0)).decode()
    return f'globalThis.{FILES[name].variable} = "{text}";\n'


def read_text(name: str) -> str:
    """Return what the file of the data set `name` sets its global name to."""
    return text_in(FILES[name].path.read_text("utf-8"))


def text_in(script: str) -> str:
    """Return the text that a `script` sets its global name to; "" where there is none."""
    found = re.search('"(.*)"', script)
    return found[1] if found else ""


def checksum(script: str) -> int:
    """Return the Adler-32 of the text in a `script`."""
    return zlib.adler32(text_in(script).encode())


if __name__ == "__main__":
    for name, file in FILES.items():
        file.path.write_text(script(name), encoding="utf-8")
        size = len(gzip.compress(file.path.read_bytes()))
        print(f"{file.path}: {size:,} bytes gzipped; checksum {checksum(file.path.read_text())}")
