"""Chapters 2 to 5 and 14 once more: further rates, more seeds, longer runs.

What the first recordings left open, asked of seeds that no run had used.
"""

from dataclasses import replace

import pandas as pd

from bnbook.experiments.exercises import GRID_BATCH_SIZES, GRID_LRS, LAYER_LRS, SMALL_BATCH
from bnbook.experiments.lab_session import LAB_SESSION, LONG_STEPS_LR, SHEET_LR
from bnbook.experiments.plan import (
    BATCH_NORM,
    LATER_SEEDS,
    LATER_TUNING_SEEDS,
    Contrast,
    Experiment,
    against,
    grid,
    subsets,
    tuned,
)
from bnbook.run import Run

_FIVE, _TEN = LATER_SEEDS[:5], LATER_SEEDS[:10]
#: Of the first recordings, too, so that both make one figure.
_RATED = Run(train_size=50_000, epochs=10, eval_epochs=(1, 2, 3, 5, 7, 10))
_LAYERED = Run(train_size=50_000, epochs=8, eval_epochs=(1, 2, 4, 8))
_PLAIN = replace(_RATED, eval_epochs=(1, 3, 10))
_FULL = replace(_PLAIN, norms=BATCH_NORM)

#: Beyond the highest rate of the first grid, up to where batch norm fails; and between the two
#: neighbors on that grid of which the plain net trains at the lower one alone.
LIMIT_LRS = {"with BN": (60.0, 100.0, 200.0), "without BN": (5.0, 6.0, 7.0)}

#: The slots that hold a norm where one is taken out: the first, the second, ...
WITHOUT_ONE = ("234", "134", "124", "123")

#: One cell of the map on the home page, which also says what three epochs gave.
_CELL = Run(train_size=20_000, epochs=10, eval_epochs=(3, 10))
MAP_SEEDS = LATER_SEEDS[:3]

#: Rates a factor of 1.7 apart around those that were best on a grid of factors of 3; variance-only
#: trains at small ones alone.
OWN_LRS = (0.35, 0.6, 1.0, 1.7, 3.0, 5.0, 9.0)
SMALL_LRS = (0.01, 0.017, 0.03, 0.05, 0.085)
_SMALL_ARM = "variance-only"


def _limits(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return [
        run for name, arm in experiment.arms.items() for run in grid([arm], LIMIT_LRS[name], _FIVE)
    ]


def _map(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    cells = [(size, GRID_LRS) for size in GRID_BATCH_SIZES] + [(SMALL_BATCH, GRID_LRS[1::2])]
    return [
        replace(run, batch_size=size)
        for size, lrs in cells
        for run in grid(experiment.arms.values(), lrs, MAP_SEEDS)
    ]


def _layers(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), LAYER_LRS, _TEN)


def _own(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:
    runs = []
    for name, arm in experiment.arms.items():
        lrs = SMALL_LRS if name == _SMALL_ARM else OWN_LRS
        alone = replace(experiment, arms={name: arm})
        runs += tuned(alone, frame, lrs, _TEN, None, LATER_TUNING_SEEDS, "steady")
    return runs


def _sheet(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), [SHEET_LR, LONG_STEPS_LR], _FIVE)


AGAIN = (
    Experiment(
        name="learning-rate-limits",
        chapter=2,
        question="At which learning rate does batch norm fail, and where between 4 and 8 does "
        "the plain net?",
        arms={"with BN": replace(_RATED, norms=BATCH_NORM), "without BN": _RATED},
        plan=_limits,
    ),
    Experiment(
        name="learning-rate-map",
        chapter=2,
        question="At which learning rates and batch sizes does training succeed in ten epochs?",
        arms={"with BN": replace(_CELL, norms=BATCH_NORM), "without BN": _CELL},
        plan=_map,
    ),
    Experiment(
        name="per-layer-again",
        chapter=3,
        question="Which layer's batch norm is missed most? Ten fresh seeds",
        arms={
            name: run for name, run in subsets(_LAYERED).items() if name in ("1234", *WITHOUT_ONE)
        },
        plan=_layers,
        contrasts=(
            *against("1234", WITHOUT_ONE, LAYER_LRS),
            # Is the first one missed more than each of the others?
            *(Contrast("234", other, lr) for lr in LAYER_LRS for other in WITHOUT_ONE[1:]),
        ),
    ),
    Experiment(
        name="own-rates",
        chapter=4,
        question="What is left of batch norm's two halves, and of gamma and beta, where each net "
        "has its own learning rate, away from where it fails?",
        arms={
            "full": _FULL,
            "mean-only": replace(_PLAIN, norms=("mean",) * 4),
            "variance-only": replace(_PLAIN, norms=("variance",) * 4),
            "none": _PLAIN,
            "gamma fixed": replace(_FULL, affine="beta"),
            "beta fixed": replace(_FULL, affine="gamma"),
            "both fixed": replace(_FULL, affine="none"),
        },
        plan=_own,
        contrasts=against(
            "full",
            (
                *("mean-only", "variance-only", "none"),
                *("gamma fixed", "beta fixed", "both fixed"),
            ),
            ["steady"],
        ),
    ),
    Experiment(
        name="lab-session-long",
        chapter=14,
        question="Does LeNet-5 end better with batch norm after the sheet's 50 epochs?",
        arms={
            name: replace(run, epochs=50, eval_epochs=(1, 2, 5, 10, 20, 35, 50))
            for name, run in LAB_SESSION.arms.items()
        },
        plan=_sheet,
        contrasts=(
            *against("without BN", ["with BN"], [SHEET_LR, LONG_STEPS_LR]),
            # Each at the better of the two, as other seeds had it on validation images.
            Contrast("with BN", "without BN", (LONG_STEPS_LR, SHEET_LR)),
        ),
    ),
)
