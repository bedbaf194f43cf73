"""What a sweep under way keeps on disk: its lock, finished runs, and the states of others.

Every file is written under a temporary name and then renamed, so no reader ever meets half a
file, and checksums tell when a byte has changed since. Reading never executes anything.
"""

import hashlib
import io
import json
import pickle
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bnbook import consistency, data, tables
from bnbook.atomic import alone, content, replacing
from bnbook.errors import BookError, reason
from bnbook.run import Run
from bnbook.tables import Record


def folder(study: str = "") -> Path:
    """Return the folder of finished runs that no table holds yet; each study has its own."""
    return data.bundled_folder() / "spool" / study


def state_path(key: str, study: str = "") -> Path:
    """Return the path of the state in which a run is kept while it trains."""
    return folder(study) / f"{key}.state"


def locked(name: str) -> AbstractContextManager[None]:
    """Let one sweep of an experiment at a time go on; another one waits, and says so.

    Raises BookError where there is no writing.
    """
    return alone(folder() / f"{name}.lock", f"another sweep of {name} is under way")


def write(finished: Record) -> None:
    """Write one finished run, atomically, and forget its state.

    Raises BookError if it can't be written.
    """
    text, study = json.dumps(finished), finished.get("study", "")
    with replacing(folder(study) / f"{finished['key']}.json") as temporary:
        temporary.write_text(f"{text}\n{_digest(text.encode()).hex()}\n")
    state_path(finished["key"], study).unlink(missing_ok=True)


def read(study: str = "") -> dict[str, Record]:
    """Read all finished runs, of training or of a study, by key.

    What is damaged, or no file, is named and passed over: such a run is repeated.
    """
    found = {}
    for path in sorted(folder(study).glob("*.json")):
        try:
            found[path.stem] = _read(path, study)
        except FileNotFoundError:
            pass  # gone since: another sweep has moved it into its table
        except (*tables.FAULTS, BookError) as error:
            print(f"{path} is damaged ({reason(error)}): passed over", flush=True)
    return found


def _read(path: Path, study: str) -> Record:
    text, _, digest = content(path).decode().partition("\n")
    if digest.strip() != _digest(text.encode()).hex():
        raise ValueError("its checksum differs")
    one: Record = json.loads(text)
    if one["key"] != path.stem:
        raise ValueError("it holds another run")
    if one.get("study", "") != study:
        raise ValueError("it is of another study, or of none")
    consistency.check(one)
    tables.to_table([one])
    return one


def clear(keys: Iterable[str], study: str = "") -> None:
    """Delete the files of runs that a table holds now."""
    for key in keys:
        (folder(study) / f"{key}.json").unlink(missing_ok=True)


@dataclass(frozen=True)
class Checkpoint:
    """A file that keeps the state of a run, of training or of a study, after each epoch.

    `circumstances` are what has to be the same for a run to go on to the same bits: a state from
    others is not resumed, nor is a damaged one.
    """

    run: Run
    study: str
    circumstances: dict[str, str]

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last; None if there is nothing to go on from."""
        path = state_path(self.run.key, self.study)
        kept = path.read_bytes() if path.is_file() else b""
        digest, packed = kept[:32], kept[32:]
        if digest != _digest(packed):
            return None
        try:
            found = torch.load(io.BytesIO(packed), weights_only=True)
            state: dict[str, Any] = found["state"]
            return state if found["circumstances"] == self.circumstances else None
        except (pickle.UnpicklingError, RuntimeError, LookupError, TypeError):
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Keep `state` in place of what was saved before. Raises BookError on a full disk."""
        buffer = io.BytesIO()
        torch.save({"circumstances": self.circumstances, "state": state}, buffer)
        packed = buffer.getvalue()
        with replacing(state_path(self.run.key, self.study)) as temporary:
            temporary.write_bytes(_digest(packed) + packed)


def _digest(packed: bytes) -> bytes:
    return hashlib.sha256(packed).digest()
