"""The states of runs that are under way, on disk."""

import hashlib
import io
import pickle
from dataclasses import dataclass
from typing import Any

import torch

from bnbook import store
from bnbook.run import Run


@dataclass(frozen=True)
class Checkpoint:
    """A file in the spool that keeps the state of a run, of training or of a study.

    `circumstances` are what has to be the same for a run to go on to the same bits: a state from
    others is not gone on from, nor is a damaged one. Reading executes nothing.
    """

    run: Run
    study: str
    circumstances: dict[str, str]

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last; None if there is nothing to go on from."""
        path = store.spool_state(self.run.key, self.study)
        if not path.is_file():
            return None
        content = path.read_bytes()
        digest, content = content[:32], content[32:]
        if digest != hashlib.sha256(content).digest():
            return None
        try:
            found = torch.load(io.BytesIO(content), weights_only=True)
            state: dict[str, Any] = found["state"]
            return state if found["circumstances"] == self.circumstances else None
        except (pickle.UnpicklingError, RuntimeError, LookupError, TypeError):
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Keep `state` in place of what was saved before, atomically.

        Raises BookError where the disk refuses.
        """
        buffer = io.BytesIO()
        torch.save({"circumstances": self.circumstances, "state": state}, buffer)
        content = buffer.getvalue()
        with store.replacing(store.spool_state(self.run.key, self.study)) as temporary:
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
