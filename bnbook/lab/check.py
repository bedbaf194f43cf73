"""Is it answered, and is it right? Values of any kind that a notebook hands over."""

from typing import Any

import numpy as np


def unanswered(value: object) -> bool:
    """Whether `value` is still `...`, or None from a function whose body is; or holds one."""
    if isinstance(value, (tuple, list)):
        return any(unanswered(item) for item in value)
    return value is ... or value is None


def complaint(value: Any, expected: Any, tol: float = 1e-6) -> str:
    """Say what is wrong, without giving the expected value away; empty when all is right.

    Numbers, arrays and tensors are compared to `tol`, relative and absolute, tuples item by item;
    everything else must be equal.
    """
    if isinstance(expected, tuple):
        if not isinstance(value, (tuple, list)) or len(value) != len(expected):
            return f"{len(expected)} values were expected, not {_shown(value)}"
        pairs = zip(value, expected, strict=True)
        return next(filter(None, (complaint(*pair, tol) for pair in pairs)), "")
    value, expected = _plain(value), _plain(expected)
    if not _numeric(expected):
        return "" if _same(value, expected) else f"{_shown(value)} is not the answer"
    if not _numeric(value):
        return f"a number was expected, not {_shown(value)}"
    got, wanted = np.asarray(value, dtype=float), np.asarray(expected, dtype=float)
    if got.shape != wanted.shape:
        return f"the shape should be {wanted.shape}, not {got.shape}"
    if np.allclose(got, wanted, rtol=tol, atol=tol, equal_nan=True):
        return ""
    if got.ndim == 0:
        return f"{_shown(value)} is not the answer"
    wrong = int((~np.isclose(got, wanted, rtol=tol, atol=tol, equal_nan=True)).sum())
    return f"{wrong} of {got.size} values are off"


def _plain(value: Any) -> Any:
    """Turn a tensor, on whichever device, into an array, and a NumPy scalar into Python's."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return value.item() if isinstance(value, np.generic) else value


def _same(value: object, expected: object) -> bool:
    try:
        return bool(value == expected)
    except (TypeError, ValueError, RuntimeError):  # e.g. an array, whose truth is ambiguous
        return False


def _numeric(value: object) -> bool:
    if isinstance(value, (bool, str, bytes, set, dict)) or value is None:
        return False
    try:
        return np.asarray(value).dtype.kind in "biuf"
    except ValueError:  # ragged lists
        return False


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
