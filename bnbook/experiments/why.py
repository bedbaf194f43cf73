"""Chapter 10: why it works. Two studies, of nets on their way and of where they arrive.

What is compared, and what counts as what, stands here and in `answers.why`; both were written
before any of it was run.
"""

from dataclasses import replace

import pandas as pd

from bnbook.experiments.plan import BATCH_NORM, SHARED_LR, Contrast, Experiment, grid
from bnbook.run import Run
from bnbook.studies import curvature, landscape

WHY_SEEDS = (0, 1, 2, 3, 4)
#: From cautious to where few nets without batch norm train.
SHARPNESS_RATES = (0.02, 0.1, 0.5, 2.0)

_SIGMOID = Run(epochs=5)
_RELU = replace(_SIGMOID, activation="relu")

#: Per activation, what batch norm is said to change on the way: columns of `findings.on_the_way`.
ON_THE_WAY = (
    "drift",
    "drift_before",
    "shift",
    "variation",
    "unpredictability",
    "roughness",
    "unevenness",
    "breadth",
    "outputs",
    "gradients",
    "weights",
)


def _at_shared(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), [SHARED_LR], WHY_SEEDS)


def _at_rates(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return grid(experiment.arms.values(), SHARPNESS_RATES, WHY_SEEDS)


WHY = (
    Experiment(
        name="landscape",
        chapter=10,
        question="What does batch norm change in a net, and around it, while it trains?",
        arms={
            "sigmoid, with BN": replace(_SIGMOID, norms=BATCH_NORM),
            "sigmoid, without BN": _SIGMOID,
            "ReLU, with BN": replace(_RELU, norms=BATCH_NORM),
            "ReLU, without BN": _RELU,
        },
        plan=_at_shared,
        contrasts=tuple(
            Contrast(f"{kind}, with BN", f"{kind}, without BN", SHARED_LR, outcome)
            for kind in ("ReLU", "sigmoid")
            for outcome in ON_THE_WAY
        ),
        measure=landscape.measure,
    ),
    Experiment(
        name="sharpness",
        chapter=10,
        question="Do larger learning rates end in flatter places, and do these generalize better?",
        arms={
            "ReLU, with BN": replace(_RELU, norms=BATCH_NORM),
            "ReLU, without BN": _RELU,
            "sigmoid, with BN": replace(_SIGMOID, norms=BATCH_NORM),
        },
        plan=_at_rates,
        measure=curvature.measure,
    ),
)
