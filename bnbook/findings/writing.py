"""Results as Markdown: numbers with their intervals, lists in words, tables, folded answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from bnbook.errors import BookError

_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NBSP: Final = "\N{NO-BREAK SPACE}"
MINUS: Final = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Markdown:
    """Text that a notebook shows as Markdown."""

    text: str

    def _repr_markdown_(self) -> str:
        return self.text

    def __str__(self) -> str:
        return self.text


def folded(text: object, summary: str) -> Markdown:
    """Fold `text` (Markdown) behind a line that opens with a click or the keyboard."""
    return Markdown(f"<details><summary>{summary}</summary>\n\n{_markdown(text)}\n\n</details>")


def _markdown(item: object) -> str:
    render = getattr(item, "_repr_markdown_", None)
    return str(render()) if render else str(item)


def join(*items: object) -> Markdown:
    """Set texts, tables and verdicts below each other in one output."""
    return Markdown("\n\n".join(_markdown(item) for item in items))


def number(x: float, digits: int, *, sign: bool = False) -> str:
    """`x` with `digits` decimals and a true minus; never "−0.00"; a dash where it is missing."""
    if pd.isna(x):
        return "–"
    rounded = round(float(x), digits) + 0.0
    return f"{rounded:{'+' if sign and rounded else ''}.{digits}f}".replace("-", MINUS)


def percent(x: float, low: float = np.nan, high: float = np.nan, digits: int = 1) -> str:
    """Share `x` (0 to 1) in percent, with its interval: "97.1% [96.8, 97.4]"."""
    return f"{number(100 * x, digits)}%{_limits(100 * low, 100 * high, digits)}"


def points(x: float, low: float = np.nan, high: float = np.nan, digits: int = 2) -> str:
    """Write a difference of shares in percentage points: "+0.13 points [−0.02, 0.28]"."""
    text = number(100 * x, digits, sign=True)
    return f"{text}{NBSP}points{_limits(100 * low, 100 * high, digits)}"


def plain(x: float, low: float = np.nan, high: float = np.nan, digits: int = 2) -> str:
    """Write a number without a unit, with its interval: "0.69 [0.61, 0.77]"."""
    return f"{number(x, digits)}{_limits(low, high, digits)}"


def two_digits(x: float) -> str:
    """Write a number above 0 that may span decades: "0.012", "3.1", "4,774", "8·10⁻⁴".

    To two digits, or whole from 100 on; below a thousandth, and from a million on, one digit and a
    power of ten. A dash where there is none.
    """
    if not x > 0:
        return "–"
    if 1e-3 <= x < 1e6:
        return f"{x:,.0f}" if x >= 100 else f"{x:.2g}"
    digit, power = f"{x:.0e}".split("e")
    return f"{digit}·10{str(int(power)).translate(_SUPERSCRIPTS)}"


def p_value(p: float) -> str:
    """Write a p-value to two digits: "0.03", "< 0.001"."""
    if pd.isna(p):
        return "–"
    if p < 0.001:
        return "< 0.001"
    if 0.0495 <= p < 0.05:
        return "< 0.05"  # rounding must not hide which side of the level it is on
    return f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def _limits(low: float, high: float, digits: int) -> str:
    if pd.isna(low) or pd.isna(high):
        return ""
    return f" [{number(low, digits)}, {number(high, digits)}]"


def as_percent(row: Mapping[str, Any]) -> str:
    """`percent` of a row with mean, low, high."""
    return percent(row["mean"], row["low"], row["high"])


def as_points(row: Mapping[str, Any]) -> str:
    """`points` of a row with mean, low, high."""
    return points(row["mean"], row["low"], row["high"])


def as_plain(row: Mapping[str, Any]) -> str:
    """`plain` of a row with mean, low, high."""
    return plain(row["mean"], row["low"], row["high"])


def as_gain(row: Mapping[str, Any]) -> str:
    """Batch norm's gain in a comparison with none; where runs fail, how many train without it."""
    if row["failed"]:
        return f"{row['n'] - row['failed_b']} of {row['n']} train without batch norm"
    return as_points(row)


def as_trained(row: Mapping[str, Any]) -> str:
    """How many runs trained: "4 of 5"."""
    return f"{row['trained']} of {row['runs'] if 'runs' in row else row['n']}"


Cell = str | Callable[[Mapping[str, Any]], object]


def table(frame: pd.DataFrame, columns: Mapping[str, Cell] | None = None) -> Markdown:
    """Show `frame` as a Markdown table.

    `columns` maps a heading to a column's name or to a function of the row; by default every
    column under its own name. Numbers are aligned right. Raises BookError for an unknown column.
    """
    columns = columns or {str(name): str(name) for name in frame.columns}
    for cell in columns.values():
        if isinstance(cell, str) and cell not in frame:
            raise BookError(f"no column {cell!r}; there are: {', '.join(map(str, frame.columns))}")
    rules = ["---:" if _is_number(frame, cell) else "---" for cell in columns.values()]
    lines = [list(columns), rules] + [
        [_cell(row[cell] if isinstance(cell, str) else cell(row)) for cell in columns.values()]
        for row in _rows(frame)
    ]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _is_number(frame: pd.DataFrame, cell: Cell) -> bool:
    return isinstance(cell, str) and pd.api.types.is_numeric_dtype(frame[cell])


def _cell(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "–" if np.isnan(value) else f"{value:g}".replace("-", MINUS)
    return str(value).replace("|", "\\|").replace("\n", " ")


def list_of(words: Iterable[object]) -> str:
    """Write "a", "a and b", "a, b and c". Raises ValueError for no words at all."""
    *first, final = map(str, words)
    return f"{', '.join(first)} and {final}" if first else final


def rates(values: Iterable[float]) -> str:
    """Write learning rates one by one: "0.1, 0.5 and 1", or "none"."""
    said = [f"{rate:g}" for rate in values]
    return list_of(said) if said else "none"
