"""Parquet tables in which a changed byte is noticed, and spoils no more than its row group.

Parquet's own checksums leave the page headers and the footer unguarded: one flipped bit there can
change values silently. So a seal stands between the last row group and the footer, where no
reader of Parquet looks: the SHA-256 of each row group's bytes, and of all that follows the seal.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

_MARK = b"\nbnbook seal: "


class DamagedError(Exception):
    """Nothing of a table can be trusted; the message says why."""


@dataclass(frozen=True)
class Contents:
    """A table's intact rows, and the row groups (counted from 1, of `groups`) that are lost."""

    table: pa.Table
    lost: tuple[int, ...]
    groups: int


def write(path: Path, groups: Sequence[pa.Table]) -> None:
    """Write tables of one schema as the row groups of one sealed file."""
    with parquet.ParquetWriter(
        path, groups[0].schema, compression="zstd", write_page_checksum=True
    ) as writer:
        for group in groups:
            writer.write_table(group)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little") + 8
    body, footer = content[:-length], content[-length:]
    ends = [*_inner_ends(parquet.read_metadata(path)), len(body)]
    pieces = [_digest(body[start:end]) for start, end in pairwise([0, *ends])]
    seal = {"groups": pieces, "footer": _digest(footer)}
    path.write_bytes(body + _MARK + json.dumps(seal).encode() + b"\n" + footer)


def read(path: Path) -> Contents:
    """Read the row groups of a table that are as they were written.

    Tables from before there were seals are read as far as Parquet's own checks allow. Raises
    DamagedError where the footer or the seal has changed, or the file is no table, and OSError
    where it cannot be read at all.
    """
    content = path.read_bytes()
    digests = _checked_seal(content)
    try:
        file = parquet.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        ends = [*_inner_ends(file.metadata), content.rfind(_MARK)]
        intact, lost = [file.schema_arrow.empty_table()], []
        for number, (start, end) in enumerate(pairwise([0, *ends])):
            try:
                if digests and _digest(content[start:end]) != digests[number]:
                    raise DamagedError
                intact.append(file.read_row_group(number))
            except (DamagedError, pa.ArrowException, OSError):
                lost.append(number + 1)
        return Contents(pa.concat_tables(intact), tuple(lost), file.num_row_groups)
    # A ValueError may be a name that is no UTF-8.
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise DamagedError(str(error).splitlines()[0].rstrip(".")) from None


def _checked_seal(content: bytes) -> list[str]:
    """Return the digests of the row groups; none if the file has no seal."""
    _, mark, rest = content.rpartition(_MARK)
    if not mark:
        return []
    line, _, footer = rest.partition(b"\n")
    try:
        seal: dict[str, Any] = json.loads(line)
        digests, expected = list(seal["groups"]), seal["footer"]
    except (ValueError, KeyError, TypeError):
        raise DamagedError("its seal has changed") from None
    if _digest(footer) != expected:
        raise DamagedError("its footer has changed")
    return digests


def _inner_ends(metadata: parquet.FileMetaData) -> Iterator[int]:
    """Yield where one row group ends and the next begins: with a dictionary or with values."""
    for number in range(1, metadata.num_row_groups):
        first = metadata.row_group(number).column(0)
        yield first.dictionary_page_offset or first.data_page_offset


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
