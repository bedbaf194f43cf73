"""The share of seeds that train, and the learning rate at which it falls to one half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from bnbook.errors import BookError
from bnbook.findings.statistics import final

STEP: Final = 0.002
"""Grid step of the half point, in decades (half a percent)."""

STEEPNESS: Final = np.geomspace(0.2, 2_000, 160)
"""Slopes tried, per decade of learning rate: from almost flat to a cliff."""


def share_trained(frame: pd.DataFrame, by: Sequence[str] = ("arm", "lr")) -> pd.DataFrame:
    """Share of runs that trained per group, with its 95 % Wilson interval.

    Columns: those of `by`, `share`, `low`, `high`, `trained`, `n`.
    """
    by = list(by)
    groups = final(frame).groupby(by, observed=True)["trained"]
    table = groups.agg(trained="sum", n="count").reset_index()
    low, high = proportion_confint(table["trained"], table["n"], method="wilson")
    return table.assign(share=table["trained"] / table["n"], low=low, high=high)


@dataclass(frozen=True)
class HalfPoint:
    """The learning rate above which fewer than half of the seeds train.

    `estimate` is NaN and `status` "never" where no learning rate trains half of the seeds;
    `estimate` is infinite and `status` "above the grid" where the share has not fallen to one
    half at the highest learning rate tried. `high` is infinite where the data set no upper limit.
    """

    arm: str
    estimate: float
    low: float
    high: float
    highest: float
    runs: int
    status: str

    def __str__(self) -> str:
        if self.status == "never":
            return "no learning rate trains half of the seeds"
        low, high = f"{self.low:.2g}", f"{self.high:.2g}"
        if np.isinf(self.high):
            high = f"above {self.highest:g}"
        if self.status == "above the grid":
            if self.low >= self.highest:
                return f"above {self.highest:g}"
            return f"above {self.highest:g} (95 % limit: above {low})"
        return f"{self.estimate:.2g} [{low}, {high}]"


def half_point(frame: pd.DataFrame, arm: str) -> HalfPoint:
    """Find where the share of seeds that train falls to one half as the learning rate grows.

    A logistic curve in log10(lr) with falling slope, fitted by maximum likelihood to the learning
    rates from the one with the highest share upwards (below it runs are too slow, which is not
    this failure). The 95 % interval is the profile likelihood's: all half points m with
    2 (l_max - max over slopes of l(m, slope)) <= chi2(1)'s 95 % quantile. It stays finite under
    perfect separation, where the likelihood is flat between the last learning rate that always
    trains and the first that never does: the estimate is then the middle of that gap (in logs).
    """
    rows = frame[frame["arm"] == arm]
    if rows.empty:
        raise BookError(f"no runs of {arm!r} to find a half point in")
    table = share_trained(rows, ["lr"])
    table = table.iloc[int(table["share"].to_numpy().argmax()) :]
    lrs, runs = table["lr"].to_numpy(dtype=float), int(table["n"].sum())
    if table["share"].iloc[0] < 0.5:
        return HalfPoint(arm, np.nan, np.nan, np.nan, float(lrs[-1]), runs, "never")
    x = np.log10(lrs)
    # One decade past either end: far enough to see whether the data limit the half point there.
    grid = np.arange(x[0] - 1, x[-1] + 1 + STEP / 2, STEP)
    profile = _profile(x, table["trained"].to_numpy(float), table["n"].to_numpy(float), grid)
    best = grid[profile >= profile.max() - 1e-3]
    inside = grid[profile >= profile.max() - float(stats.chi2.ppf(0.95, 1)) / 2]
    low = float(10 ** inside[0])
    high = float("inf") if inside[-1] >= grid[-1] - STEP else float(10 ** inside[-1])
    estimate, status = float(10 ** ((best[0] + best[-1]) / 2)), "estimated"
    if estimate > lrs[-1]:
        estimate, high, status = float("inf"), float("inf"), "above the grid"
    return HalfPoint(arm, estimate, min(low, float(lrs[-1])), high, float(lrs[-1]), runs, status)


def _profile(
    x: npt.NDArray[np.float64],
    trained: npt.NDArray[np.float64],
    n: npt.NDArray[np.float64],
    grid: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Log-likelihood at each half point of `grid`, maximized over the slope."""
    logit = STEEPNESS[None, :, None] * (grid[:, None, None] - x[None, None, :])
    likelihood = -(trained * np.logaddexp(0, -logit) + (n - trained) * np.logaddexp(0, logit)).sum(
        axis=2
    )
    return np.asarray(likelihood.max(axis=1), dtype=float)
