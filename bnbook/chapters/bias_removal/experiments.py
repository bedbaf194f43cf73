"""Chapter 1: the biases before batch norm, kept and removed."""

from dataclasses import replace

import pandas as pd

from bnbook.experiment import (
    FEW_SEEDS,
    FULL,
    PLAIN,
    SEEDS,
    SHARED_LR,
    Experiment,
    against,
    grid,
    halves,
)
from bnbook.run import Run

_VARIANCE = halves(PLAIN)["variance-only"]


def _shared(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    arms = dict(experiment.arms)
    compared = {c.a for c in experiment.contrasts} | {c.b for c in experiment.contrasts}
    return [
        *grid([arm for name, arm in arms.items() if name in compared], [SHARED_LR], SEEDS),
        *grid(arms.values(), [SHARED_LR], FEW_SEEDS),
    ]


BIAS_REMOVAL = Experiment(
    name="bias-removal",
    question="Can the biases before batch norm go, and where must they stay?",
    arms={
        "all biases": FULL,
        "no conv biases": replace(FULL, conv_bias=False),
        "no linear biases": replace(FULL, linear_bias=False),
        "no biases": replace(FULL, conv_bias=False, linear_bias=False),
        "variance-only, all biases": _VARIANCE,
        "variance-only, no biases": replace(_VARIANCE, conv_bias=False, linear_bias=False),
    },
    plan=_shared,
    contrasts=against(
        "all biases", ("no conv biases", "no linear biases", "no biases"), [SHARED_LR]
    ),
)

EXPERIMENTS = (BIAS_REMOVAL,)
