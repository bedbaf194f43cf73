"""The Batch Norm Exercise Book: batch normalization, answered by experiment."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnbook.run import Run
    from bnbook.training import train

__all__ = ["Run", "train"]

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    # Only when asked for: PyTorch takes seconds to load, in which a command answers Ctrl-C.
    module = {"Run": "bnbook.run", "train": "bnbook.training"}.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)
