"""What each chapter measures: named sets of runs, with the comparisons stated beforehand.

Arms, seeds, learning rates, primary contrasts and margins stand here before any of them is run;
no seed is added after looking.
"""

from bnbook.errors import BookError
from bnbook.experiments.exercises import EXERCISES, LAYER_LRS
from bnbook.experiments.other_norms import OTHER_NORMS
from bnbook.experiments.page import PAGE
from bnbook.experiments.plan import (
    MARGIN,
    SEEDS,
    SHARED_LR,
    TUNING_LRS,
    TUNING_SEEDS,
    Contrast,
    Experiment,
    Measure,
    best_lr,
    grid,
    subset_name,
    tuned,
)
from bnbook.experiments.posted import AS_POSTED, POSTED_RATES
from bnbook.experiments.reduced import REDUCED

EXPERIMENTS = {e.name: e for e in (*EXERCISES, *REDUCED, OTHER_NORMS, AS_POSTED, PAGE)}


def find(name: str) -> Experiment:
    """Return the experiment called `name`. Raises BookError for an unknown one."""
    if name not in EXPERIMENTS:
        raise BookError(f"unknown experiment {name!r}; known: {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


__all__ = [
    "EXPERIMENTS",
    "LAYER_LRS",
    "MARGIN",
    "POSTED_RATES",
    "SEEDS",
    "SHARED_LR",
    "TUNING_LRS",
    "TUNING_SEEDS",
    "Contrast",
    "Experiment",
    "Measure",
    "best_lr",
    "find",
    "grid",
    "subset_name",
    "tuned",
]
