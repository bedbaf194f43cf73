"""Chapter 4: one half of batch norm without the other."""

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
    tuned,
)
from bnbook.run import Run

#: Rates a factor of 1.7 apart around those that were best on a grid of factors of 3; variance-only
#: trains at small ones alone.
OWN_LRS = (0.35, 0.6, 1.0, 1.7, 3.0, 5.0, 9.0)
SMALL_LRS = (0.01, 0.017, 0.03, 0.05, 0.085)
_SMALL_ARM = "variance-only"


def _arms(plain: Run) -> dict[str, Run]:
    full = replace(plain, norms=BATCH_NORM)
    return {"full": full, **halves(plain), "none": plain, **held_fixed(full)}


def _own(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:
    runs = []
    for name, arm in experiment.arms.items():
        lrs = SMALL_LRS if name == _SMALL_ARM else OWN_LRS
        alone = replace(experiment, arms={name: arm})
        runs += tuned(alone, frame, lrs, LATER_SEEDS[:10], None, LATER_TUNING_SEEDS, "steady")
    return runs


LITE = Experiment(
    name="lite",
    question="What is left of batch norm if only the mean is removed, or only the scale?",
    arms=_arms(PLAIN),
    plan=tuned,
    contrasts=against("full", ("mean-only", "variance-only", "none"), [SHARED_LR, "best"]),
)
OWN_RATES = Experiment(
    name="own-rates",
    question="What is left of batch norm's two halves, and of gamma and beta, where each net "
    "has its own learning rate, away from where it fails?",
    # What was recorded later is evaluated less often.
    arms=_arms(replace(PLAIN, eval_epochs=(1, 3, 10))),
    plan=_own,
    contrasts=against("full", [name for name in _arms(PLAIN) if name != "full"], ["steady"]),
)

EXPERIMENTS = (LITE, OWN_RATES)
