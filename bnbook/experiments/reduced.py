"""Chapters 4, 5 and 13 at a reduced size: their records on all images are still to come.

Each of these stands in for the experiment of the same name in `exercises`; when that one is
recorded, it goes.
"""

from dataclasses import replace
from functools import partial

import pandas as pd

from bnbook.experiments.exercises import EXERCISES
from bnbook.experiments.only_norm import ONLY_NORM, THREE_SEEDS
from bnbook.experiments.plan import SHARED_LR, Experiment, grid, tuned
from bnbook.run import Run

_SEEDS = (0, 1, 2, 3, 4)
_TUNING_LRS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)

#: A quarter of the images, less than half of the passes: an hour on one core in place of eight.
_SHORT = Run(train_size=10_000, epochs=4)

_FULL_SIZE = {experiment.name: experiment for experiment in (*EXERCISES, ONLY_NORM)}


def _smaller(name: str, base: Run) -> dict[str, Run]:
    """Take over the arms of the full-size experiment `name`, each at the size of `base`."""
    return {
        arm: replace(
            run,
            train_size=base.train_size,
            epochs=base.epochs,
            eval_epochs=base.eval_epochs,
        )
        for arm, run in _FULL_SIZE[name].arms.items()
    }


def _few_runs(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), [SHARED_LR], _SEEDS[: len(THREE_SEEDS)])


_tuned = partial(tuned, lrs=_TUNING_LRS, seeds=_SEEDS)

REDUCED = tuple(
    replace(_FULL_SIZE[name], arms=_smaller(name, base), plan=plan)
    for name, base, plan in (
        ("lite", Run(), _tuned),
        ("affine", Run(), _tuned),
        ("only-norm", _SHORT, _few_runs),
    )
)
