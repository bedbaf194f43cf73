"""Lists in words, as the verdicts write them."""

from collections.abc import Iterable


def list_of(words: Iterable[object]) -> str:
    """Write "a", "a and b", "a, b and c". Raises ValueError for no words at all."""
    *first, final = map(str, words)
    return f"{', '.join(first)} and {final}" if first else final


def span(rates: Iterable[float], tried: Iterable[float]) -> str:
    """Name learning rates: "0.5 to 4" if none of those `tried` between them is missing."""
    found, grid = sorted(set(rates)), sorted(set(tried))
    if len(found) > 2 and found == [lr for lr in grid if found[0] <= lr <= found[-1]]:
        return f"{found[0]:g} to {found[-1]:g}"
    return list_of(f"{rate:g}" for rate in found) if found else "none"
