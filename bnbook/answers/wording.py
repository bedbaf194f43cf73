"""Lists in words, as the verdicts write them."""

from collections.abc import Iterable


def list_of(words: Iterable[object]) -> str:
    """Write "a", "a and b", "a, b and c". Raises ValueError for no words at all."""
    *first, final = map(str, words)
    return f"{', '.join(first)} and {final}" if first else final


def rates(values: Iterable[float]) -> str:
    """Write learning rates one by one: "0.1, 0.5 and 1", or "none"."""
    said = [f"{rate:g}" for rate in values]
    return list_of(said) if said else "none"


def span(values: Iterable[float], tried: Iterable[float]) -> str:
    """Write learning rates as a range, "0.5 to 4", if none of those `tried` between is missing."""
    found, grid = sorted(set(values)), sorted(set(tried))
    if len(found) > 2 and found == [lr for lr in grid if found[0] <= lr <= found[-1]]:
        return f"{found[0]:g} to {found[-1]:g}"
    return rates(found)
