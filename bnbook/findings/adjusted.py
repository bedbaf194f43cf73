"""Several comparisons at once, with p-values and intervals adjusted for their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from bnbook.findings.statistics import (
    DIFFERENT,
    EQUIVALENT,
    LEVEL,
    ONE_TRAINS,
    SMALL,
    UNDECIDED,
    Interval,
    Paired,
    interval,
)


def holm(p_values: Any) -> npt.NDArray[np.float64]:
    """Holm's step-down adjustment (Holm 1979); a missing p-value counts as 1."""
    # statsmodels has it, but collects garbage at each call: half of the time of a page.
    return _stepped(np.nan_to_num(np.asarray(p_values, dtype=float), nan=1.0)).clip(max=1)


def _stepped(p_values: Any) -> npt.NDArray[np.float64]:
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    # The smallest of n counts n times, the next n - 1 times, and none less than one before it.
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.asarray(stepped[np.argsort(order)], dtype=float)


def adjusted(table: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float]]:
    """Widen 95% t intervals from `mean`, `high` and `n` to the level that Holm's method leaves."""
    p = table["p_difference"].fillna(1).clip(lower=np.finfo(float).tiny)
    freedom = (table["n"] - 1).clip(lower=1)
    times = _stepped(p) / p
    wider = stats.t.isf(LEVEL / times / 2, freedom) / stats.t.isf(LEVEL / 2, freedom)
    half = (table["high"] - table["mean"]) * wider
    return table["mean"] - half, table["mean"] + half


def holm_intervals(samples: Mapping[str, Any]) -> dict[str, Interval]:
    """Mean of each sample with a 95% t interval as wide as Holm's method has it over all of them.

    Raises ValueError for a sample of fewer than two values, which has no interval.
    """
    if short := [name for name, values in samples.items() if len(values) < 2]:
        raise ValueError(f"fewer than two values: {', '.join(short)}")
    rows = pd.DataFrame(
        {
            **interval(values)._asdict(),
            "n": len(values),
            "p_difference": float(stats.ttest_1samp(values, 0).pvalue),
        }
        for values in samples.values()
    )
    ends = zip(rows["mean"], *adjusted(rows), strict=True)
    return {name: Interval(*map(float, row)) for name, row in zip(samples, ends, strict=True)}


def classify(p_difference: float, p_equivalence: float) -> str:
    """Name what a pair of (adjusted) p-values shows."""
    if p_difference < LEVEL:
        return SMALL if p_equivalence < LEVEL else DIFFERENT
    return EQUIVALENT if p_equivalence < LEVEL else UNDECIDED


def compared(pairs: Sequence[Paired]) -> pd.DataFrame:
    """One row per comparison, both p-values Holm-adjusted over all of them, with its `finding`.

    The intervals are adjusted, too: as wide as Holm's method has it for each comparison, so that
    one excludes 0 where `holm_difference` is below the level, and only there. Where all runs of one
    arm train and none of the other, and yet the t test is undecided (failed runs may scatter from
    10 to 90%), the finding says just that.
    """
    table = pd.DataFrame([{**asdict(pair), "failed": pair.failed} for pair in pairs])
    table["holm_difference"] = holm(table["p_difference"])
    table["low"], table["high"] = adjusted(table)
    table["holm_equivalence"] = holm(table["p_equivalence"])
    table["finding"] = [
        classify(d, e)
        for d, e in zip(table["holm_difference"], table["holm_equivalence"], strict=True)
    ]
    split = (table["failed"] == table["n"]) & (table[["failed_a", "failed_b"]].min(axis=1) == 0)
    table.loc[split & (table["finding"] == UNDECIDED), "finding"] = ONE_TRAINS
    return table
