"""Chapter 9: what running statistics are worth, and where the norm stands."""

from dataclasses import replace
from functools import partial

import pandas as pd

from bnbook.experiment import (
    BATCH_NORM,
    FEW_SEEDS,
    LATER_SEEDS,
    Contrast,
    Experiment,
    fixed,
    grid,
    tuned,
)
from bnbook.run import Run
from bnbook.studies import motion, running

_LRS, _BATCH_LR, _BATCH_SIZES = (0.03, 0.1, 0.3, 1.0), 0.1, (16, 512)
_PLACE_LRS = (0.03, 0.1, 0.3, 1.0, 3.0)


def _settings(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    arms = experiment.arms.values()
    return [
        *grid(arms, _LRS, FEW_SEEDS),
        *(
            replace(run, batch_size=size)
            for size in _BATCH_SIZES
            for run in grid(arms, [_BATCH_LR], FEW_SEEDS)
        ),
    ]


#: Activations, by the names that the chapter gives them.
_ACTIVATIONS = {"sigmoid": "sigmoid", "ReLU": "relu"}
_LOOKED_AT = Run(norms=BATCH_NORM, norm_momentum=1.0, epoch_steps=300, epochs=1)
#: With a rate of 0.01 a ten-millionth of the first values is left after so many steps.
_LONG = replace(_LOOKED_AT, epoch_steps=1_600)
_LATER_FIVE = LATER_SEEDS[:5]
_PLACED = Run(norms=BATCH_NORM, eval_epochs=(5,))

EXPERIMENTS = (
    Experiment(
        name="running-statistics",
        question="Why does the accuracy with running statistics jump, and by how much?",
        arms={name: replace(_LOOKED_AT, activation=act) for name, act in _ACTIVATIONS.items()},
        plan=_settings,
        measure=running.measure,
    ),
    Experiment(
        name="statistics-motion",
        question="Do the means of batches drift, or do they jump around a center, and how far?",
        arms={name: replace(_LOOKED_AT, activation=act) for name, act in _ACTIVATIONS.items()},
        plan=partial(fixed, lrs=_LRS, seeds=_LATER_FIVE),
        measure=motion.measure,
    ),
    Experiment(
        name="running-statistics-long",
        question="What is a small update rate worth when nothing of its start is left?",
        arms={name: replace(_LONG, activation=act) for name, act in _ACTIVATIONS.items()},
        plan=partial(fixed, lrs=[_BATCH_LR], seeds=_LATER_FIVE),
        measure=running.measure_long,
    ),
    Experiment(
        name="norm-place",
        question="Does batch norm belong before the activation or after it?",
        arms={
            f"{name}, {place}": replace(_PLACED, activation=act, norm_place=place)
            for name, act in _ACTIVATIONS.items()
            for place in ("before", "after")
        },
        plan=partial(tuned, lrs=_PLACE_LRS, seeds=FEW_SEEDS),
        contrasts=tuple(
            Contrast(f"{name}, after", f"{name}, before", lr)
            for name in _ACTIVATIONS
            for lr in (0.1, "best")
        ),
    ),
)
