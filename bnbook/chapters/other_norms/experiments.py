"""What chapter 7 measures: every norm of d2l's research ideas, at its best learning rate."""

from dataclasses import replace

import pandas as pd

from bnbook import models
from bnbook.experiment import (
    SEEDS,
    TUNING_SEEDS,
    Experiment,
    against,
    best_lr,
    grid,
    recorded,
)
from bnbook.run import Run

#: Seeds that two earlier plans, at constant rates, had not used: the first was too short, and in
#: the second one of five runs with batch norm ended below what counts as trained.
_FRESH_SEEDS = SEEDS[5:]
RATES = (0.5, 1.0, 2.0, 4.0)
#: Batch sizes at which whitening is tried, beside the one that rates are tuned at.
OTHER_BATCH_SIZES = (32, 512)

#: The ideas, in the order of d2l's section 8.5, exercise 7: what each arm has in its four slots.
IDEAS = {
    "for comparison": {"batch norm": "batch", "without a norm": "none"},
    "integral transform": {"integral transform": "integral"},
    "full covariance": {
        "whitening": "zca",
        "whitening by Newton": "newton",
        "whitening by PCA": "pca",
    },
    "compact covariance": {"block whitening": "block", "Monarch whitening": "monarch"},
    "sparsification": {"soft threshold": "sparse"},
    "other projections": {
        "sphere (RMSNorm)": "sphere",
        "cone": "cone",
        "symmetric maps": "symmetric",
    },
    "one image at a time": {
        "layer norm": "layer",
        "group norm": "group",
        "instance norm": "instance",
    },
}
#: The norm of each arm, a name in `norms.KINDS`.
NORMS = {arm: kind for arms in IDEAS.values() for arm, kind in arms.items()}
REFERENCE = "batch norm"
#: The arms that are tried at other batch sizes, too.
BATCH_SIZE_ARMS = (REFERENCE, "whitening", "block whitening")

_BASE = Run(train_size=10_000, epochs=8, eval_epochs=(4, 8), schedule="cosine")


def _slots(kind: str) -> tuple[str, ...]:
    """Put `kind` into all slots; an instance norm after the convolutions only, where it can be."""
    dims = models.SLOT_DIMS[_BASE.model]
    return tuple("none" if kind == "instance" and d == 2 else kind for d in dims)


def _plan(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:
    """Tune every arm; then fresh seeds at its best rate, some at other batch sizes as well."""
    runs = grid(experiment.arms.values(), RATES, TUNING_SEEDS)
    for name, arm in experiment.arms.items():
        if not recorded(grid([arm], RATES, TUNING_SEEDS), frame):
            continue
        at_best = grid([arm], [best_lr(frame, name)], _FRESH_SEEDS)
        runs += at_best
        if name in BATCH_SIZE_ARMS:
            runs += [replace(run, batch_size=n) for n in OTHER_BATCH_SIZES for run in at_best]
    return runs


OTHER_NORMS = Experiment(
    name="other-norms",
    question="Which other normalizations are worth their time?",
    arms={arm: replace(_BASE, norms=_slots(kind)) for arm, kind in NORMS.items()},
    plan=_plan,
    contrasts=against(REFERENCE, (arm for arm in NORMS if arm != REFERENCE), ["best"]),
)

EXPERIMENTS = (OTHER_NORMS,)
