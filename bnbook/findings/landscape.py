"""Chapter 10's numbers: nets on their way (study "landscape") and where they arrive ("sharpness").

Quantities that span decades are compared as ratios: means and intervals are of logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from bnbook import models
from bnbook.experiment import Contrast
from bnbook.findings.adjusted import adjusted, holm
from bnbook.findings.statistics import LEVEL, Interval, interval
from bnbook.findings.writing import plain
from bnbook.history import TRAINED
from bnbook.studies import landscape

#: Per activation, what batch norm is said to change on the way: columns of `on_the_way`.
ON_THE_WAY = (
    "drift",
    "drift_before",
    "shift",
    "variation",
    "unpredictability",
    "roughness",
    "unevenness",
    "breadth",
    "outputs",
    "gradients",
    "weights",
)

LARGER: Final = "larger"
SMALLER: Final = "smaller"
OPEN: Final = "no detectable difference"

#: Validation accuracy from which on a net of study "landscape" counts as learning: halfway there.
LEARNS: Final = 0.5


def looks(frame: pd.DataFrame) -> pd.DataFrame:
    """Sum up each look of study "landscape": one row per run and look, one column per quantity.

    Besides `arm`, `seed` and `after` (steps), as geometric means over layers or one number:

    - `drift`, `drift_before` and `shift` (its distance) as in `studies.landscape`
    - `variation`: highest minus lowest loss on the walk along the gradient
    - `unpredictability`: relative change of the gradient one step of the run's own rate away
    - `roughness`: `smoothness` there, the steepest change of the gradient on the walk
    - `unevenness`: standard deviation over layers of log10 of the median |gradient|, in decades
    - `breadth`: from the 10% to the 90% quantile of log10 |gradient|, all layers of one weight
    - `outputs`: root mean square of what enters the activations; `gradients`, `weights`: l2 norms
    """
    return frame[["arm", "seed", "after"]].join(
        surroundings(frame).assign(
            unevenness=frame["gradient_median"].map(np.log10).map(np.std),
            breadth=frame["gradient_histogram"].map(_breadth),
            outputs=frame["entering_square"].map(geometric).map(np.sqrt),
            gradients=frame["gradient_size"].map(np.linalg.norm),
            weights=frame["weight_size"].map(np.linalg.norm),
        )
    )


def surroundings(frame: pd.DataFrame) -> pd.DataFrame:
    """Sum up the quantities of `looks` that lie around a net, from `drift` to `roughness`."""
    at_one = landscape.LENGTHS.index(1.0)
    return pd.DataFrame(
        {
            "drift": frame["drift"].map(geometric),
            "drift_before": frame["drift_before"].map(geometric),
            "shift": frame["shift_distance"].map(geometric),
            "variation": frame["line_loss"].map(np.ptp),
            "unpredictability": frame["line_change"].map(lambda changes: changes[at_one]),
            "roughness": frame["smoothness"],
        }
    )


def on_the_way(frame: pd.DataFrame) -> pd.DataFrame:
    """Sum up each run of study "landscape": one row per run, one column per quantity of `looks`.

    Geometric means over the looks after step 0, of `weights` the last.
    """
    after = looks(frame)
    after = after[after["after"] > 0]
    by_run = after.groupby(["arm", "seed"], observed=True)
    found = by_run[list(ON_THE_WAY)].agg(geometric)
    found["weights"] = by_run["weights"].last()
    return found.reset_index()


def geometric(values: Any) -> float:
    """Geometric mean of what is finite and above 0; NaN where nothing is."""
    array = np.asarray(values, dtype=float)
    array = array[np.isfinite(array) & (array > 0)]
    return float(np.exp(np.log(array).mean())) if array.size else float("nan")


def _breadth(histograms: Any) -> float:
    """Decades between the 10% and the 90% quantile of the histograms' even mixture."""
    low, high = _quantiles(np.mean([_shares(h) for h in histograms], axis=0), 0.1, 0.9)
    return float(high - low)


def _quantiles(histogram: Any, *shares: float) -> npt.NDArray[np.float64]:
    """Quantiles of log10 |entry|, evenly spread within each bin."""
    reached = np.concatenate([[0], np.cumsum(_shares(histogram))])
    return np.asarray(np.interp(shares, reached, landscape.EDGES), dtype=float)


def _shares(histogram: Any) -> Any:
    return np.asarray(histogram, dtype=float) / np.sum(histogram)


def gradient_ranges(frame: pd.DataFrame, after: int) -> pd.DataFrame:
    """Say how large the entries of each layer's gradient are, at the look after `after` steps.

    One row per arm and layer: `low`, `mean`, `high`, the 10%, 50% and 90% quantiles of |entry|,
    as geometric means over seeds.
    """
    rows = [
        {"arm": arm, "layer": layer}
        | dict(zip(("low", "mean", "high"), 10.0 ** np.mean(quantiles, axis=0), strict=True))
        for arm, part in frame[frame["after"] == after].groupby("arm", observed=True)
        for i, layer in enumerate(models.LENET_LAYERS)
        for quantiles in [[_quantiles(h[i], 0.1, 0.5, 0.9) for h in part["gradient_histogram"]]]
    ]
    return _categories(pd.DataFrame(rows), frame, models.LENET_LAYERS)


def ratios(runs: pd.DataFrame, planned: Sequence[Contrast]) -> pd.DataFrame:
    """Compare arms quantity by quantity, as ratios paired by seed: one row per contrast.

    `runs` as from `on_the_way`. Columns: `a`, `b`, `outcome`; `mean`, `low`, `high` of a / b with a
    t interval of its logarithm, as wide as Holm's method has it over all of `planned`; `holm`, the
    adjusted p; `n` pairs; `finding`: `LARGER`, `SMALLER` or `OPEN`.
    """
    rows = []
    for contrast in planned:
        a, b = (runs[runs["arm"] == arm].set_index("seed") for arm in (contrast.a, contrast.b))
        logs = (np.log(a[contrast.outcome]) - np.log(b[contrast.outcome])).dropna()
        p = float(stats.ttest_1samp(logs, 0).pvalue) if np.ptp(logs) > 0 else float("nan")
        rows.append(
            {"a": contrast.a, "b": contrast.b, "outcome": contrast.outcome}
            | interval(logs)._asdict()
            | {"p_difference": p, "n": len(logs)}
        )
    found = pd.DataFrame(rows)
    found["holm"] = holm(found["p_difference"])
    found["low"], found["high"] = adjusted(found)
    found[["mean", "low", "high"]] = np.exp(found[["mean", "low", "high"]])
    clear = found["holm"] < LEVEL
    found["finding"] = np.select([clear & (found["mean"] > 1), clear], [LARGER, SMALLER], OPEN)
    return found.drop(columns="p_difference")


def significant(x: float, low: float = np.nan, high: float = np.nan) -> str:
    """Write a ratio that may span decades, with its interval: two digits of the smallest number.

    One more where a limit would otherwise become 1: it tells on which side of it the ratio is.
    """
    if pd.isna(x):
        return "–"
    values = [x] if pd.isna(low) else [x, low, high]
    decimals = max(0, 1 - math.floor(math.log10(min(values))))
    decimals += any(round(limit, decimals) == 1 != limit for limit in values[1:])
    return plain(x, low, high, decimals)


def arrivals(frame: pd.DataFrame) -> pd.DataFrame:
    """Add to each run of study "sharpness" what is compared there.

    `gap`: training minus test accuracy; `trained`: validation accuracy at least `history.TRAINED`.
    """
    return frame.assign(
        gap=frame["train_accuracy"] - frame["test_accuracy"],
        trained=frame["val_accuracy"] >= TRAINED,
    )


def slope(runs: pd.DataFrame, arm: str, outcome: str, *, log: bool) -> Interval:
    """Slope of `outcome`, or of its log10, over log10 of the learning rate: mean over seeds.

    `runs` as from `arrivals`; one least-squares line per seed, over the runs that trained (two or
    more of them), with a 95% t interval over seeds.
    """
    found = []
    mine = runs[(runs["arm"] == arm) & runs["trained"]]
    for _, seed in mine.groupby("seed"):
        y = np.log10(seed[outcome]) if log else seed[outcome]
        if len(seed) > 1:
            found.append(np.polyfit(np.log10(seed["lr"]), y, 1)[0])
    return interval(found)


def entering(frame: pd.DataFrame) -> pd.DataFrame:
    """Spread out `linear_fit`, of what enters the activations: one row per run, look and layer."""
    layers = models.LENET_SLOTS
    named = pd.Series([layers] * len(frame), index=frame.index)
    rows = frame[["arm", "seed", "after", "linear_fit"]].assign(layer=named)
    rows = rows.explode(["layer", "linear_fit"], ignore_index=True).astype({"linear_fit": float})
    return _categories(rows, frame, layers)


def _categories(rows: pd.DataFrame, frame: pd.DataFrame, layers: tuple[str, ...]) -> pd.DataFrame:
    return rows.assign(
        arm=pd.Categorical(rows["arm"], frame["arm"].cat.categories),
        layer=pd.Categorical(rows["layer"], list(layers)),
    )
