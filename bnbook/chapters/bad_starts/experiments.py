"""Chapter 11: nets that start from weights of the wrong size."""

from dataclasses import replace
from functools import partial
from itertools import product

import pandas as pd

from bnbook.experiment import FEW_SEEDS, Contrast, Experiment, fixed, grid
from bnbook.run import Run

SCALES = (0.001, 0.01, 0.1, 1.0, 10.0)
_MAP_RATES = {
    "adam": (0.0001, 0.001, 0.01, 0.1),
    "sgd": (0.01, 0.1, 1.0, 10.0),
}

#: The post's recipe: standard normal weights, and 1,000 steps whose loss is told every 100.
_POSTED = Run(
    model="mlp",
    norms=("none", "none"),
    activation="relu",
    init="normal",
    optimizer="adam",
    lr=0.01,
    input_transform="centred",
    batch_size=256,
    train_size=50_000,
    epoch_steps=100,
    epochs=10,
    eval_epochs=(1, 2, 5, 10),
)
_NORMED = replace(_POSTED, norms=("batch", "batch"))

#: One cell of the map: a single pass over its images.
_CELL = replace(_POSTED, batch_size=64, train_size=16_000, epoch_steps=0, epochs=1, eval_epochs=())
_NAMES = {"adam": "Adam", "sgd": "SGD"}


def _map(experiment: Experiment, frame: pd.DataFrame) -> list[Run]:  # noqa: ARG001
    return [
        replace(run, init_scale=scale)
        for arm, scale in product(experiment.arms.values(), SCALES)
        for run in grid([arm], _MAP_RATES[arm.optimizer], FEW_SEEDS)
    ]


BAD_STARTS = Experiment(
    name="bad-starts",
    question="Does batch norm make up for a bad start?",
    arms={
        "with BN": _NORMED,
        "without BN": _POSTED,
        "with BN, dropout": replace(_NORMED, dropout=0.5),
        "without BN, dropout": replace(_POSTED, dropout=0.5),
        "good start, with BN": replace(_NORMED, init="he"),
        "good start, without BN": replace(_POSTED, init="he"),
    },
    plan=partial(fixed, lrs=[_POSTED.lr], seeds=FEW_SEEDS),
    contrasts=(
        Contrast("with BN", "without BN", _POSTED.lr),
        Contrast("with BN, dropout", "without BN, dropout", _POSTED.lr),
        Contrast("with BN", "good start, without BN", _POSTED.lr),
        Contrast("with BN", "good start, with BN", _POSTED.lr),
    ),
)

START_MAP = Experiment(
    name="start-map",
    question="From which starts, and at which learning rates, does a net train?",
    arms={
        f"{_NAMES[optimizer]}, {name}": replace(_CELL, optimizer=optimizer, norms=(norm, norm))
        for optimizer in _MAP_RATES
        for name, norm in (("with BN", "batch"), ("without BN", "none"))
    },
    plan=_map,
)

EXPERIMENTS = (BAD_STARTS, START_MAP)
