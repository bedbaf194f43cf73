"""Chapter 10's numbers: nets on their way (study "landscape") and where they arrive ("sharpness").

Quantities that span decades are compared as ratios: means and intervals are of logarithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from bnbook import experiments, models
from bnbook.findings.statistics import LEVEL, Interval, holm, interval
from bnbook.studies import landscape
from bnbook.training import TRAINED

LARGER: Final = "larger"
SMALLER: Final = "smaller"
OPEN: Final = "no detectable difference"

#: Validation accuracy from which on a net of study "landscape" counts as learning: halfway there.
LEARNS: Final = 0.5


def on_the_way(frame: pd.DataFrame) -> pd.DataFrame:
    """Sum up each run of study "landscape" in one number per quantity: one row per run.

    Geometric means over the looks after step 0, and over layers:

    - `drift`, `shift` (its distance): see `studies.landscape`
    - `variation`: highest minus lowest loss on the walk along the gradient
    - `unpredictability`: relative change of the gradient one step of the run's own rate away
    - `roughness`: `smoothness` there, the steepest change of the gradient on the walk
    - `unevenness`: standard deviation over layers of log10 of the median |gradient|, in decades
    - `breadth`: from the 10 % to the 90 % quantile of log10 |gradient|, all layers of one weight
    - `outputs`: root mean square of what enters the activations; `gradients`, `weights`: l2 norms,
      the weights' after the last look

    And `learns`: whether it ended at `LEARNS` or above. Values that are not finite or not above 0
    are left out; a quantity without values is NaN.
    """
    rows = []
    for _, run in frame.groupby("key", sort=False):
        looks = run[run["after"] > 0]
        at_one = landscape.LENGTHS.index(1.0)
        lines = looks["line_loss"].map(np.asarray)
        layers = looks["gradient_size"].map(np.linalg.norm)
        last = run.iloc[-1]
        found = {
            "drift": np.concatenate(looks["drift"].to_list()),
            "shift": np.concatenate(looks["shift_distance"].to_list()),
            "variation": lines.map(np.ptp),
            "unpredictability": looks["line_change"].map(lambda change: change[at_one]),
            "roughness": looks["smoothness"],
            "unevenness": looks["gradient_median"].map(lambda g: np.log10(g).std()),
            "breadth": looks["gradient_histogram"].map(_breadth),
            "outputs": np.sqrt(np.concatenate(looks["entering_square"].to_list())),
            "gradients": layers,
            "weights": [np.linalg.norm(last["weight_size"])],
        }
        summed = {name: _geometric(values) for name, values in found.items()}
        learns = bool(last["val_accuracy"] >= LEARNS)
        rows.append({"arm": last["arm"], "seed": last["seed"], **summed, "learns": learns})
    return pd.DataFrame(rows)


def _geometric(values: Any) -> float:
    array = np.asarray(values, dtype=float)
    array = array[np.isfinite(array) & (array > 0)]
    return float(np.exp(np.log(array).mean())) if array.size else float("nan")


def _breadth(histogram: Any) -> float:
    """Decades between the 10 % and the 90 % quantile of the histograms' even mixture."""
    shares = np.mean([np.asarray(h) / max(1, np.sum(h)) for h in histogram], axis=0)
    reached = np.cumsum(shares) / shares.sum()
    low, high = np.interp([0.1, 0.9], np.concatenate([[0], reached]), landscape.EDGES)
    return float(high - low)


def ratios(runs: pd.DataFrame, planned: Sequence[experiments.Contrast]) -> pd.DataFrame:
    """Compare arms quantity by quantity, as ratios paired by seed: one row per contrast.

    `runs` as from `on_the_way`. Columns: `a`, `b`, `outcome`; `mean`, `low`, `high` of a / b with a
    95 % t interval of its logarithm; `p`, `holm` (adjusted over all of `planned`); `n` pairs;
    `learns_a`, `learns_b` (runs that learn); `finding`: `LARGER`, `SMALLER` or `OPEN`.
    """
    rows = []
    for contrast in planned:
        a, b = (runs[runs["arm"] == arm].set_index("seed") for arm in (contrast.a, contrast.b))
        logs = np.log(a[contrast.outcome] / b[contrast.outcome]).dropna()
        p = float(stats.ttest_1samp(logs, 0).pvalue) if len(logs) > 1 else float("nan")
        rows.append(
            {"a": contrast.a, "b": contrast.b, "outcome": contrast.outcome}
            | Interval(*np.exp(interval(logs)))._asdict()
            | {"p": p, "n": len(logs)}
            | {"learns_a": int(a["learns"].sum()), "learns_b": int(b["learns"].sum())}
        )
    table = pd.DataFrame(rows)
    table["holm"] = holm(table["p"])
    clear = table["holm"] < LEVEL
    table["finding"] = np.select([clear & (table["mean"] > 1), clear], [LARGER, SMALLER], OPEN)
    return table


def arrivals(frame: pd.DataFrame) -> pd.DataFrame:
    """Add to each run of study "sharpness" what is compared there.

    `lr_sharpness`: learning rate times sharpness, unstable above 2; `gap`: training minus test
    accuracy; `loss_gap`: test minus training loss; `trained`: validation accuracy at least
    `training.TRAINED`.
    """
    return frame.assign(
        lr_sharpness=frame["lr"] * frame["sharpness"],
        gap=frame["train_accuracy"] - frame["test_accuracy"],
        loss_gap=frame["test_loss"] - frame["train_loss"],
        trained=frame["val_accuracy"] >= TRAINED,
    )


def slope(runs: pd.DataFrame, arm: str, outcome: str, *, log: bool) -> Interval:
    """Slope of `outcome`, or of its log10, over log10 of the learning rate: mean over seeds.

    `runs` as from `arrivals`; one least-squares line per seed, over the runs that trained (two or
    more of them), with a 95 % t interval over seeds.
    """
    found = []
    mine = runs[(runs["arm"] == arm) & runs["trained"]]
    for _, seed in mine.groupby("seed"):
        y = np.log10(seed[outcome]) if log else seed[outcome]
        if len(seed) > 1:
            found.append(np.polyfit(np.log10(seed["lr"]), y, 1)[0])
    return interval(found)


def entering(frame: pd.DataFrame) -> pd.DataFrame:
    """Spread out what enters the activations: one row per run, look and layer.

    `drift`, `linear_share`, `linear_fit`, `mean` (root mean square over features of their means)
    and `sd` (of their standard deviations).
    """
    layers = models.LENET_LAYERS[:-1]
    rows = [
        {"arm": row["arm"], "seed": row["seed"], "after": row["after"], "layer": layer}
        | {name: row[name][i] for name in ("drift", "linear_share", "linear_fit")}
        | {
            name: float(np.sqrt(np.mean(np.square(row[f"entering_{name}"][i]))))
            for name in ("mean", "sd")
        }
        for _, row in frame.iterrows()
        for i, layer in enumerate(layers)
    ]
    return _categories(pd.DataFrame(rows), frame, layers)


def _categories(table: pd.DataFrame, frame: pd.DataFrame, layers: Sequence[str]) -> pd.DataFrame:
    table["arm"] = pd.Categorical(table["arm"], frame["arm"].cat.categories)
    table["layer"] = pd.Categorical(table["layer"], layers)
    return table
