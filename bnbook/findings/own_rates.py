"""The nets of chapters 4 and 5, each at its own learning rate, away from where it fails."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import pandas as pd

from bnbook.experiment import (
    BATCH_NORM,
    LATER_SEEDS,
    LATER_TUNING_SEEDS,
    PLAIN,
    Experiment,
    against,
    halves,
    held_fixed,
    steady_lr,
    tuned,
)
from bnbook.findings.records import at, contrasts
from bnbook.findings.statistics import fresh, tuning
from bnbook.run import Run

#: Rates a factor of 1.7 apart around those that were best on a grid of factors of 3; variance-only
#: trains at small ones alone.
OWN_LRS = (0.35, 0.6, 1.0, 1.7, 3.0, 5.0, 9.0)
SMALL_LRS = (0.01, 0.017, 0.03, 0.05, 0.085)
_SMALL_ARM = "variance-only"


def nets(plain: Run) -> dict[str, Run]:
    """Name the net with full batch norm, and those with less of it."""
    full = replace(plain, norms=BATCH_NORM)
    return {"full": full, **halves(plain), "none": plain, **held_fixed(full)}


def _plan(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:
    runs = []
    for name, arm in experiment.arms.items():
        lrs = SMALL_LRS if name == _SMALL_ARM else OWN_LRS
        alone = replace(experiment, arms={name: arm})
        runs += tuned(alone, frame, lrs, LATER_SEEDS[:10], None, LATER_TUNING_SEEDS, "steady")
    return runs


OWN_RATES = Experiment(
    name="own-rates",
    question="What is left of batch norm's two halves, and of gamma and beta, where each net "
    "has its own learning rate, away from where it fails?",
    # What was recorded later is evaluated less often.
    arms=nets(replace(PLAIN, eval_epochs=(1, 3, 10))),
    plan=_plan,
    contrasts=against("full", [name for name in nets(PLAIN) if name != "full"], ["steady"]),
)


@dataclass(frozen=True)
class Own:
    """Some of these nets, each at its own rate."""

    rates: dict[str, float]
    #: Fresh runs at the rates, the runs by which they were chosen, and the planned comparisons.
    runs: pd.DataFrame
    tuning: pd.DataFrame
    contrasts: pd.DataFrame


def own(frame: pd.DataFrame, arms: Collection[str]) -> Own:
    """Choose the rate of each of `arms`, the full net among them, and select its runs.

    `frame` holds the records of "own-rates".
    """
    rates = {arm: steady_lr(frame, arm) for arm in arms}
    tried = tuning(frame)
    compared = contrasts(frame, OWN_RATES.contrasts)
    return Own(
        rates=rates,
        runs=pd.concat([at(fresh(frame), arm, lr) for arm, lr in rates.items()]),
        tuning=tried[tried["arm"].isin(arms)],
        contrasts=compared[compared["a"].isin(arms)],
    )
