"""Chapter 1: the biases before batch norm, kept and removed."""

from dataclasses import replace

import pandas as pd

from bnbook.experiment import (
    BATCH_NORM,
    FEW_SEEDS,
    SEEDS,
    SHARED_LR,
    Experiment,
    against,
    grid,
)
from bnbook.run import Run

_PLAIN = Run(train_size=50_000, epochs=10, eval_epochs=(1, 2, 3, 5, 7, 10))
_FULL = replace(_PLAIN, norms=BATCH_NORM)


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
)

EXPERIMENTS = (BIAS_REMOVAL,)
