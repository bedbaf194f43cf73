"""Chapters 1 to 5: the exercises on the whole of MNIST's training split."""

from dataclasses import replace

import pandas as pd

from bnbook.experiments.plan import (
    BATCH_NORM,
    FEW_SEEDS,
    SEEDS,
    SHARED_LR,
    Experiment,
    against,
    grid,
    subsets,
    tuned,
)
from bnbook.run import Run

RATES = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
GRID_LRS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
GRID_BATCH_SIZES = (128, 32, 512)
#: The smallest batch makes eight times the steps: it gets every second learning rate.
SMALL_BATCH = 16
LAYER_LRS = (0.1, 1.0)

_PLAIN = Run(train_size=50_000, epochs=10, eval_epochs=(1, 2, 3, 5, 7, 10))
_FULL = replace(_PLAIN, norms=BATCH_NORM)
#: One cell of the map of learning rates and batch sizes.
_CELL = Run(train_size=20_000, epochs=3)
_LAYERS = Run(train_size=50_000, epochs=8, eval_epochs=(1, 2, 4, 8))


def _shared(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    arms = dict(experiment.arms)
    compared = {c.a for c in experiment.contrasts} | {c.b for c in experiment.contrasts}
    return [
        *grid([arm for name, arm in arms.items() if name in compared], [SHARED_LR], SEEDS),
        *grid(arms.values(), [SHARED_LR], FEW_SEEDS),
    ]


def _learning_rates(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), RATES, FEW_SEEDS)


def _learning_rate_grid(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    cells = [(size, GRID_LRS) for size in GRID_BATCH_SIZES] + [(SMALL_BATCH, GRID_LRS[1::2])]
    return [
        replace(run, batch_size=size)
        for size, lrs in cells
        for run in grid(experiment.arms.values(), lrs, FEW_SEEDS)
    ]


def _per_layer(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), LAYER_LRS, FEW_SEEDS)


EXERCISES = (
    Experiment(
        name="bias-removal",
        chapter=1,
        question="Can the biases before batch norm go, and where must they stay?",
        arms={
            "all biases": _FULL,
            "no conv biases": replace(_FULL, conv_bias=False),
            "no linear biases": replace(_FULL, linear_bias=False),
            "no biases": replace(_FULL, conv_bias=False, linear_bias=False),
            "variance-only, all biases": replace(_PLAIN, norms=("variance",) * 4),
            "variance-only, no biases": replace(
                _PLAIN, norms=("variance",) * 4, conv_bias=False, linear_bias=False
            ),
        },
        plan=_shared,
        contrasts=against(
            "all biases", ("no conv biases", "no linear biases", "no biases"), [SHARED_LR]
        ),
    ),
    Experiment(
        name="learning-rate",
        chapter=2,
        question="How large may the learning rate be, with and without batch norm?",
        arms={"with BN": _FULL, "without BN": _PLAIN},
        plan=_learning_rates,
        contrasts=against("without BN", ["with BN"], [0.1, 0.5, 2.0]),
    ),
    Experiment(
        name="learning-rate-grid",
        chapter=2,
        question="At which learning rates and batch sizes does training succeed?",
        arms={"with BN": replace(_CELL, norms=BATCH_NORM), "without BN": _CELL},
        plan=_learning_rate_grid,
    ),
    Experiment(
        name="per-layer",
        chapter=3,
        question="Does every layer need its batch norm?",
        arms=subsets(_LAYERS),
        plan=_per_layer,
        contrasts=against("1234", ("234", "134", "124", "123"), LAYER_LRS),
    ),
    Experiment(
        name="lite",
        chapter=4,
        question="What is left of batch norm if only the mean is removed, or only the scale?",
        arms={
            "full": _FULL,
            "mean-only": replace(_PLAIN, norms=("mean",) * 4),
            "variance-only": replace(_PLAIN, norms=("variance",) * 4),
            "none": _PLAIN,
            "gamma fixed": replace(_FULL, affine="beta"),
            "beta fixed": replace(_FULL, affine="gamma"),
            "both fixed": replace(_FULL, affine="none"),
        },
        plan=tuned,
        contrasts=against("full", ("mean-only", "variance-only", "none"), [SHARED_LR, "best"]),
    ),
    Experiment(
        name="affine",
        chapter=5,
        question="What do gamma and beta do for the net, and what happens when they are fixed?",
        arms={
            "both learned": _FULL,
            "gamma fixed": replace(_FULL, affine="beta"),
            "beta fixed": replace(_FULL, affine="gamma"),
            "both fixed": replace(_FULL, affine="none"),
        },
        plan=tuned,
        contrasts=against(
            "both learned",
            ("gamma fixed", "beta fixed", "both fixed"),
            [SHARED_LR, "best"],
        ),
    ),
)
