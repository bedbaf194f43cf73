"""The nets of chapters 4 and 5, each at its own learning rate, away from where it fails."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pandas as pd

from bnbook.experiment import (
    BATCH_NORM,
    LATER_SEEDS,
    LATER_TUNING_SEEDS,
    PLAIN,
    SHARED_LR,
    Experiment,
    against,
    halves,
    held_fixed,
    steady_lr,
    tuned,
)
from bnbook.findings.records import at_rates, contrasts
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


class TwoChoices:
    """Some of these nets at one rate for all, and each at its own."""

    shared = SHARED_LR

    def __init__(self, coarse: pd.DataFrame, fine: pd.DataFrame, arms: Collection[str]) -> None:
        """Choose the rate of each of `arms`, the full net among them, and select its runs.

        `fine` holds the records of "own-rates", `coarse` those at the shared rate.
        """
        at_all, tried = fresh(coarse), tuning(fine)
        compared = contrasts(fine, OWN_RATES.contrasts)
        self.rates = {arm: steady_lr(fine, arm) for arm in arms}
        #: Fresh runs at the shared rate, and at each net's own.
        self.shared_runs = at_all[at_all["lr"] == SHARED_LR]
        self.own_runs = at_rates(fine, self.rates)
        #: The runs by which the own rates were chosen, and what was planned to be compared there.
        self.tuned = tried[tried["arm"].isin(arms)]
        self.own_contrasts = compared[compared["a"].isin(arms)]
        self.seeds = self.shared_runs["seed"].nunique()  # at the shared rate
        self.own_seeds = self.own_runs["seed"].nunique()  # at each net's own
        self.tuning_seeds = self.tuned["seed"].nunique()
        self.grid = tuple(sorted(self.tuned["lr"].unique()))  # rates tried in tuning
        self.images = int(coarse["train_size"].iloc[0])
        self.epochs = int(coarse["epochs"].iloc[0])
        self.steps = int(coarse["step"].max())
