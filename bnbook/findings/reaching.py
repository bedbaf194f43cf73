"""How soon nets reach an accuracy: in steps, and on the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnbook.experiments.cost import STEPS, arm_name, quickest_lr, steps_to
from bnbook.findings.records import at
from bnbook.findings.statistics import Interval, arms, fresh, interval, summary


def at_quickest(frame: pd.DataFrame) -> pd.DataFrame:
    """Select every arm's fresh runs at the rate that got its tuning seeds to the target soonest.

    `frame` as from `load("time-to-accuracy")`. Raises BookError where an arm was not tuned.
    """
    chosen = [at(fresh(frame), arm, quickest_lr(frame, arm)) for arm in arms(frame)]
    return pd.concat(chosen, ignore_index=True)


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
    """Steps to `target` with batch norm over those without: geometric mean over paired seeds.

    `late_with` and `late_without` of `n` runs each did not get there.
    """

    net: str
    target: float
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
        net,
        target,
        Interval(*np.exp(interval(np.log(ratios)))),
        len(ratios),
        int((~with_norm["in_time"]).sum()),
        int((~without["in_time"]).sum()),
    )


def product(a: Interval, b: Interval) -> Interval:
    """Multiply two positive estimates limit by limit: wider than 95 %, never narrower."""
    return Interval(a.mean * b.mean, a.low * b.low, a.high * b.high)


def over_time(runs: pd.DataFrame, step_seconds: Mapping[str, float]) -> pd.DataFrame:
    """Average validation accuracies, with the seconds of training that each took to get there.

    Columns: arm, epoch, `mean`, `low`, `high`, `seconds`. `runs` as from `at_quickest`;
    `step_seconds` maps an arm to the seconds of one of its steps.
    """
    table = summary(runs[runs["epoch"] > 0], ["arm", "epoch"])
    return table.assign(
        seconds=table["epoch"] * STEPS * table["arm"].map(step_seconds).astype(float)
    )
