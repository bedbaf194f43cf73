"""Chapter 2: learning rates and batch sizes, with batch norm and without."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import pandas as pd

from bnbook.experiment import (
    BATCH_NORM,
    FEW_SEEDS,
    FULL,
    LATER_SEEDS,
    PLAIN,
    Experiment,
    against,
    fixed,
    grid,
)
from bnbook.run import Run

RATES = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
GRID_LRS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
GRID_BATCH_SIZES = (128, 32, 512)
#: The smallest batch makes eight times the steps: it gets every second learning rate.
SMALL_BATCH = 16
#: Beyond the highest rate of the first grid, up to where batch norm fails; and between the two
#: neighbors on that grid of which the plain net trains at the lower one alone.
LIMIT_LRS = {"with BN": (60.0, 100.0, 200.0), "without BN": (5.0, 6.0, 7.0)}
MAP_SEEDS = LATER_SEEDS[:3]

#: One cell of the map of learning rates and batch sizes.
_CELL = Run(train_size=20_000, epochs=3)
#: The same with more epochs, for the map on the home page; it also says what three gave.
_LONG_CELL = Run(train_size=20_000, epochs=10, eval_epochs=(3, 10))


def _cells(
    experiment: Experiment,
    frame: pd.DataFrame,  # noqa: ARG001
    seeds: Iterable[int],
) -> list[Run]:
    cells = [(size, GRID_LRS) for size in GRID_BATCH_SIZES] + [(SMALL_BATCH, GRID_LRS[1::2])]
    return [
        replace(run, batch_size=size)
        for size, lrs in cells
        for run in grid(experiment.arms.values(), lrs, seeds)
    ]


def _limits(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return [
        run
        for name, arm in experiment.arms.items()
        for run in grid([arm], LIMIT_LRS[name], LATER_SEEDS[:5])
    ]


LEARNING_RATE = Experiment(
    name="learning-rate",
    question="How large may the learning rate be, with and without batch norm?",
    arms={"with BN": FULL, "without BN": PLAIN},
    plan=partial(fixed, lrs=RATES, seeds=FEW_SEEDS),
    contrasts=against("without BN", ["with BN"], [0.1, 0.5, 2.0]),
)
LEARNING_RATE_GRID = Experiment(
    name="learning-rate-grid",
    question="At which learning rates and batch sizes does training succeed?",
    arms={"with BN": replace(_CELL, norms=BATCH_NORM), "without BN": _CELL},
    plan=partial(_cells, seeds=FEW_SEEDS),
)
LIMITS = Experiment(
    name="learning-rate-limits",
    question="At which learning rate does batch norm fail, and where between 4 and 8 does "
    "the plain net?",
    arms=LEARNING_RATE.arms,
    plan=_limits,
)
MAP = Experiment(
    name="learning-rate-map",
    question="At which learning rates and batch sizes does training succeed in ten epochs?",
    arms={"with BN": replace(_LONG_CELL, norms=BATCH_NORM), "without BN": _LONG_CELL},
    plan=partial(_cells, seeds=MAP_SEEDS),
)

EXPERIMENTS = (LEARNING_RATE, LEARNING_RATE_GRID, LIMITS, MAP)
