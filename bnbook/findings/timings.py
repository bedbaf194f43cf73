"""Timings: medians over turns, and ratios within a turn.

The turn is the unit: all that is compared was timed in it, so a busy moment cancels in a ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bnbook.errors import BookError
from bnbook.findings.statistics import LEVEL, Interval
from bnbook.findings.writing import Markdown, folded, join


def median_interval(values: Any) -> Interval:
    """Median with a 95% interval that assumes no distribution: two of the sorted values.

    Timings have a long upper tail, which a mean and a t interval would follow. With fewer than
    six values there is no such interval: NaN. `mean` of the result holds the median.
    """
    array = np.asarray(values, dtype=float)
    limits = stats.quantile_test(array, p=0.5).confidence_interval(1 - LEVEL)
    return Interval(float(np.median(array)), float(limits.low), float(limits.high))


def medians(rows: pd.DataFrame, by: str | Sequence[str], value: str = "seconds") -> pd.DataFrame:
    """Median of `value` over turns per group, with its interval: `mean`, `low`, `high`, `n`.

    `rows` as from `timings.read`, or with the column that `relative` adds.
    """
    by = [by] if isinstance(by, str) else list(by)
    found = [
        {**dict(zip(by, group, strict=True)), **median_interval(part[value])._asdict()}
        | {"n": len(part)}
        for group, part in rows.groupby(by, sort=False)
    ]
    return pd.DataFrame(found)


def relative(
    rows: pd.DataFrame, base: str, column: str = "kind", within: Sequence[str] = ("turn",)
) -> pd.DataFrame:
    """Add `ratio`: seconds over those of `base` in the same turn.

    `base` is a value of `column`; `within` names what a ratio is taken within. Raises BookError
    where `base` was not timed.
    """
    reference = rows[rows[column] == base].set_index(list(within))["seconds"]
    if reference.empty:
        raise BookError(f"{base!r} was not timed; there are: {', '.join(rows[column].unique())}")
    keys = pd.MultiIndex.from_frame(rows[list(within)])
    matched = reference.reindex(keys if len(within) > 1 else rows[within[0]])
    return rows.assign(ratio=rows["seconds"].to_numpy() / matched.to_numpy())


def timed_on(*found: Mapping[str, Any]) -> Markdown:
    """Fold away where timings come from; each of `found` as from `timings.provenance`."""
    return folded(join(*map(_timed_on, found)), "Where these timings come from")


def _timed_on(found: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items())
    return (
        f"Benchmark `{found['benchmark']}`, taken on {found['date']} on {found['machine']}, "
        f"{found['threads']} {'thread' if found['threads'] == 1 else 'threads'}. Python "
        f"{found['python']}, {packages}. To take them again: `{found['command']}`."
    )
