"""How soon nets reach an accuracy: in steps, and on the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnbook.experiment import TUNING_SEEDS, best_lr
from bnbook.findings.records import at_rates
from bnbook.findings.statistics import Interval, arms, interval

#: Validation accuracies to be reached; rates are chosen, and nets compared, by the higher one.
TARGETS = (0.95, 0.97)

#: Steps between two states that may be evaluated; evaluations lie a quarter of the way apart.
STEPS = 10


def arm_name(net: str, *, normed: bool) -> str:
    """Name the arm of `net` with batch norm, or without."""
    return f"{net}, {'with' if normed else 'without'} BN"


def steps_to(frame: pd.DataFrame, target: float) -> pd.DataFrame:
    """Say when each run reached `target`, a validation accuracy: one row per run.

    `reached` is the step of the first evaluation at or above it, NaN where there is none. Beside
    it stand arm, lr, batch_size and seed.
    """
    # Counts, because a share of 0.97 may be stored as 0.96999.
    enough = frame["val_correct"] >= round(target * 10_000) * frame["val_images"] / 10_000
    first = frame["step"].where(enough).groupby(frame["key"]).min()
    runs = frame.drop_duplicates("key")[["key", "arm", "lr", "batch_size", "seed"]]
    return runs.assign(reached=runs["key"].map(first)).reset_index(drop=True)


def quickest_lr(frame: pd.DataFrame, arm: str) -> float:
    """Learning rate at which the tuning seeds of `arm` reach the higher target soonest.

    By the mean number of steps; a rate at which one of them does not reach it is passed over.
    Where that leaves none, the rate of the highest final validation accuracy. Raises BookError
    where the tuning runs are missing.
    """
    tuning = frame[(frame["arm"] == arm) & frame["seed"].isin(TUNING_SEEDS)]
    reached = steps_to(tuning, TARGETS[-1]).groupby("lr")["reached"]
    means = reached.mean()[reached.count() == len(TUNING_SEEDS)]
    return best_lr(frame, arm) if means.empty else float(means.index[int(means.argmin())])


def at_quickest(frame: pd.DataFrame) -> pd.DataFrame:
    """Select every arm's fresh runs at the rate that got its tuning seeds to the target soonest.

    `frame` as from `load("time-to-accuracy")`. Raises BookError where an arm was not tuned.
    """
    return at_rates(frame, {arm: quickest_lr(frame, arm) for arm in arms(frame)})


def reaching(frame: pd.DataFrame, target: float) -> pd.DataFrame:
    """Say when runs reached `target`: columns arm, lr, batch_size, seed, `reached`, `in_time`.

    `reached` is a number of steps. A run that did not get there counts with its whole budget,
    and `in_time` is False: then `reached` is a lower bound. One row per run.
    """
    found = steps_to(frame, target)
    budgets = found["key"].map(frame.groupby("key")["epochs"].first()) * STEPS
    late = found["reached"].isna()
    return found.assign(reached=found["reached"].fillna(budgets), in_time=~late)


@dataclass(frozen=True)
class Sooner:
    """Steps to a target with batch norm over those without: geometric mean over paired seeds.

    `late_with` and `late_without` of `n` runs each did not get there.
    """

    ratio: Interval
    n: int
    late_with: int
    late_without: int


def sooner(runs: pd.DataFrame, net: str, target: float) -> Sooner:
    """Compare the steps of `net` to `target` with batch norm and without, paired by seed.

    `runs` as from `at_quickest`. The interval is Student's over the seeds' logarithms.
    """
    found = reaching(runs, target)
    sides = [
        found[found["arm"] == arm_name(net, normed=normed)].set_index("seed")
        for normed in (True, False)
    ]
    with_norm, without = (side.sort_index() for side in sides)
    ratios = (with_norm["reached"] / without["reached"]).dropna()
    return Sooner(
        interval(np.log(ratios)).exp(),
        len(ratios),
        int((~with_norm["in_time"]).sum()),
        int((~without["in_time"]).sum()),
    )


def product(a: Interval, b: Interval) -> Interval:
    """Multiply two positive estimates limit by limit: wider than 95%, never narrower."""
    return Interval(a.mean * b.mean, a.low * b.low, a.high * b.high)
