"""What running statistics are worth beside re-estimated ones: chapter 9's study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

from bnbook.findings.statistics import estimates

#: How the running statistics of a net may have arisen: `weights`, `order` and update rate.
CAUSES: Final = {
    "last batch, in training": ("moving", "trained", 1.0),
    "running, in training": ("moving", "trained", 0.1),
    "last batch, weights fixed": ("still", "shuffled", 1.0),
    "running, weights fixed": ("still", "shuffled", 0.1),
    "running, weights fixed, sorted by label": ("still", "sorted", 0.1),
    "each batch its own": ("still", "own batch", 1.0),
}
USUAL: Final = "running, in training"


def statistics_gaps(frame: pd.DataFrame, by: Sequence[str] = ("arm", "cause")) -> pd.DataFrame:
    """How far accuracies are from those with re-estimated statistics, on average.

    `frame` as from `load("running-statistics")`. Per group of `by` (which may name `cause`, the
    words in `CAUSES`, besides columns) and seed, the mean absolute difference over looks and
    orders; then its mean over seeds with a 95% t interval: columns of `by`, `mean`, `low`, `high`
    (not below 0), `n` and `runs`.
    """
    by = list(by)
    each = with_gaps(frame)
    each = each.assign(size=each["gap"].abs())
    groups = each.groupby([*by, "seed"], observed=True, sort=False)["size"]
    table = estimates(groups.mean().rename("value").reset_index(), by, "value")
    return table.assign(low=table["low"].clip(lower=0))


def with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Add `gap`, the accuracy minus that with re-estimated statistics, and `cause`.

    `cause` is an ordered category, empty where the update rate is none of those in `CAUSES`.
    """
    names = {place: name for name, place in CAUSES.items()}
    places = zip(frame["weights"], frame["order"], frame["rate"], strict=True)
    cause = pd.Categorical([names.get(place) for place in places], list(CAUSES))
    gap = (frame["correct"] - frame["correct_precise"]) / frame["images"]
    return frame.assign(gap=gap, cause=cause)


def offsets(frame: pd.DataFrame) -> pd.DataFrame:
    """How far running means are from the true ones, per layer, in standard deviations.

    One row per `arm`, `cause` and `layer`, with the mean over seeds and its 95% interval, of the
    means over looks and orders. `frame` has one learning rate and one batch size.
    """
    each = with_gaps(frame).dropna(subset="cause")
    each = each[each["offset"].str.len() > 0].explode("offset").astype({"offset": float})
    each = each.assign(layer=each.groupby(level=0).cumcount() + 1)
    by = ["arm", "cause", "layer"]
    per_seed = each.groupby([*by, "seed"], observed=True)["offset"].mean().reset_index()
    return estimates(per_seed, by, "offset")


def both_statistics(frame: pd.DataFrame) -> pd.DataFrame:
    """Stack runs of training twice: `arm` says with which statistics `val_accuracy` was measured.

    `frame` as from `load`, of one arm.
    """
    kinds = ["re-estimated", "running"]
    parts = [
        frame.assign(arm=pd.Categorical([kind] * len(frame), kinds), val_accuracy=frame[column])
        for kind, column in zip(kinds, ("val_accuracy", "val_accuracy_running"), strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
