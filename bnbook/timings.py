"""Recorded timings: what a benchmark measured, turn by turn, with its provenance.

One JSON file each in `data/timings/`. A timing is no property of the code alone, so none is
checked against a new one: the file says on which machine it was taken, and when.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from bnbook import data, origin, tables
from bnbook.atomic import content, replacing
from bnbook.errors import BookError, NoRecordsError, reason


def path(name: str) -> Path:
    """Return the path of a benchmark's timings."""
    return data.bundled_folder() / "timings" / f"{name}.json"


def write(name: str, rows: Iterable[Mapping[str, Any]], command: str) -> None:
    """Write `rows`, what was timed in each turn with its `seconds`, and how they came to be.

    `command` is what measures them anew. Raises BookError when the disk refuses.
    """
    found = {
        "benchmark": name,
        "command": command,
        **origin.environment(),
        "threads": torch.get_num_threads(),
        **origin.versions(),
        "rows": list(rows),
    }
    with replacing(path(name)) as temporary:
        temporary.write_text(_text({**found, "sha256": _digest(found)}) + "\n")


def read(name: str) -> pd.DataFrame:
    """Read a benchmark's rows. Raises BookError where its file is missing or damaged."""
    return pd.DataFrame(_read(name)["rows"])


def provenance(name: str) -> dict[str, Any]:
    """Read all but the rows: machine, date, threads, versions, command. Raises as `read`."""
    return {key: value for key, value in _read(name).items() if key != "rows"}


def _read(name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(content(path(name)).decode())
        if found.pop("sha256") != _digest(found) or found["benchmark"] != name:
            raise ValueError("it is not what was written")
    except FileNotFoundError:
        raise NoRecordsError(f"no timings of {name}: {path(name)} is missing", name) from None
    except tables.FAULTS as error:
        raise BookError(
            f"{path(name)} is damaged ({reason(error)}): restore it with `git checkout`"
        ) from None
    return found


def _text(found: dict[str, Any]) -> str:
    return json.dumps(found, separators=(",", ":"))


def _digest(found: dict[str, Any]) -> str:
    return tables.digest(_text(found).encode())
