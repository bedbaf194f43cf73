"""Chapter 2: learning rates and batch sizes, with batch norm and without."""

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
MAP_LRS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
MAP_BATCH_SIZES = (128, 32, 512)
#: The smallest batch makes eight times the steps: it gets every second learning rate.
SMALL_BATCH = 16
#: Beyond the highest rate of the first grid, up to where batch norm fails; and between the two
#: neighbors on that grid of which the plain net trains at the lower one alone.
LIMIT_LRS = {"with BN": (60.0, 100.0, 200.0), "without BN": (5.0, 6.0, 7.0)}
MAP_SEEDS = LATER_SEEDS[:3]

#: One cell of the map of learning rates and batch sizes. An earlier map had three epochs, which
#: are too few for the plain net, and other seeds.
_CELL = Run(train_size=20_000, epochs=10, eval_epochs=(3, 10))


def _map(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    cells = [(size, MAP_LRS) for size in MAP_BATCH_SIZES] + [(SMALL_BATCH, MAP_LRS[1::2])]
    return [
        replace(run, batch_size=size)
        for size, lrs in cells
        for run in grid(experiment.arms.values(), lrs, MAP_SEEDS)
    ]


LEARNING_RATE = Experiment(
    name="learning-rate",
    question="How large may the learning rate be, with and without batch norm?",
    arms={"with BN": FULL, "without BN": PLAIN},
    plan=partial(fixed, lrs=RATES, seeds=FEW_SEEDS),
    contrasts=against("without BN", ["with BN"], [0.1, 0.5, 2.0]),
)
LIMITS = Experiment(
    name="learning-rate-limits",
    question="At which learning rate does batch norm fail, and where between 4 and 8 does "
    "the plain net?",
    arms=LEARNING_RATE.arms,
    plan=partial(fixed, lrs=LIMIT_LRS, seeds=LATER_SEEDS[:5]),
)
MAP = Experiment(
    name="learning-rate-map",
    question="At which learning rates and batch sizes does training succeed in ten epochs?",
    arms={"with BN": replace(_CELL, norms=BATCH_NORM), "without BN": _CELL},
    plan=_map,
)

EXPERIMENTS = (LEARNING_RATE, LIMITS, MAP)
