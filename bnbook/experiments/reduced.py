"""Chapter 13 at a reduced size: its records on all images are still to come.

This stands in for the experiment of the same name in `only_norm`; when that one is recorded, it
goes.
"""

from dataclasses import replace

import pandas as pd

from bnbook.experiments.only_norm import ONLY_NORM
from bnbook.experiments.plan import SHARED_LR, Experiment, grid
from bnbook.run import Run

_SEEDS = (0, 1, 2)
#: A quarter of the images, less than half of the passes: an hour on one core in place of eight.
_SHORT = Run(train_size=10_000, epochs=4)


def _few_runs(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), [SHARED_LR], _SEEDS)


REDUCED = (
    replace(
        ONLY_NORM,
        arms={
            arm: replace(run, train_size=_SHORT.train_size, epochs=_SHORT.epochs)
            for arm, run in ONLY_NORM.arms.items()
        },
        plan=_few_runs,
    ),
)
