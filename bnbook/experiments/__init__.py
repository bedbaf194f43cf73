"""What each chapter measures: named sets of runs, with the comparisons stated beforehand.

Arms, seeds, learning rates, primary contrasts and margins stand here before any of them is run;
no seed is added after looking.
"""

from bnbook.errors import BookError
from bnbook.experiments.again import AGAIN
from bnbook.experiments.by_hand import STRAINS
from bnbook.experiments.cost import TIME_TO_ACCURACY
from bnbook.experiments.dropout import DROPOUT, FEW_SHARED_LR
from bnbook.experiments.equal_time import EQUAL_TIME
from bnbook.experiments.exercises import EXERCISES, LAYER_LRS
from bnbook.experiments.inference import INFERENCE
from bnbook.experiments.lab_session import LAB_SESSION, LAB_SESSION_SVHN
from bnbook.experiments.only_norm import (
    ONLY_NORM,
    ONLY_NORM_DEEP,
    ONLY_NORM_DEEPER,
    PIXELS,
    PRUNING,
)
from bnbook.experiments.other_norms import OTHER_NORMS
from bnbook.experiments.page import PAGE
from bnbook.experiments.plan import (
    LATER_SEEDS,
    LATER_TUNING_SEEDS,
    MARGIN,
    OWN_RATES,
    SEEDS,
    SHARED_LR,
    TUNING_FROM,
    TUNING_LRS,
    TUNING_SEEDS,
    VARIED,
    Contrast,
    Experiment,
    Measure,
    best_lr,
    grid,
    steady_lr,
    subset_name,
    tuned,
)
from bnbook.experiments.posted import AS_POSTED, POSTED_RATES
from bnbook.experiments.starts import SCALES, STARTS
from bnbook.experiments.transfer import TRANSFER
from bnbook.experiments.why import ON_THE_WAY, SHARPNESS_RATES, WHY

EXPERIMENTS = {
    e.name: e
    for e in (
        *EXERCISES,
        ONLY_NORM,
        PRUNING,
        *DROPOUT,
        OTHER_NORMS,
        *INFERENCE,
        *WHY,
        *STARTS,
        TIME_TO_ACCURACY,
        LAB_SESSION,
        LAB_SESSION_SVHN,
        AS_POSTED,
        PAGE,
        *AGAIN,
        *TRANSFER,
        *EQUAL_TIME,
        STRAINS,
        PIXELS,
        ONLY_NORM_DEEPER,
        ONLY_NORM_DEEP,
    )
}


def find(name: str) -> Experiment:
    """Return the experiment called `name`. Raises BookError for an unknown one."""
    if name not in EXPERIMENTS:
        raise BookError(f"unknown experiment {name!r}; known: {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


__all__ = [
    "EXPERIMENTS",
    "FEW_SHARED_LR",
    "LATER_SEEDS",
    "LATER_TUNING_SEEDS",
    "LAYER_LRS",
    "MARGIN",
    "ON_THE_WAY",
    "OWN_RATES",
    "POSTED_RATES",
    "SCALES",
    "SEEDS",
    "SHARED_LR",
    "SHARPNESS_RATES",
    "TUNING_FROM",
    "TUNING_LRS",
    "TUNING_SEEDS",
    "VARIED",
    "Contrast",
    "Experiment",
    "Measure",
    "best_lr",
    "find",
    "grid",
    "steady_lr",
    "subset_name",
    "tuned",
]
