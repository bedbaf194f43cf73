"""Chapters 6 and 7 at equal time: every net may choose its batch size, and none more seconds.

With equally many epochs a smaller batch makes more steps, and with equally many steps a slower
norm takes more time. Here each net has as many steps as fit into one budget of processor time.
"""

from dataclasses import replace
from functools import partial

import pandas as pd

from bnbook.experiments.plan import (
    LATER_SEEDS,
    LATER_TUNING_SEEDS,
    TUNING_FROM,
    Experiment,
    best_lr,
    grid,
)
from bnbook.run import Run

Costs = dict[str, dict[int, float]]

_TWO_TO_TUNE = LATER_TUNING_SEEDS[:2]
_FRESH = LATER_SEEDS[:10]

#: Milliseconds of one step by batch size, one thread: the least that chapters 6, 7 and 12 recorded
#: on one machine. Where they have none, a straight line between two sizes, or for Newton and
#: Monarch at 32 the ratio that whitening has. They fix the number of steps, the same everywhere;
#: the seconds that a run took are recorded with it.
NORM_COSTS: Costs = {
    "batch norm": {32: 3.0, 64: 4.8, 128: 8.3},
    "whitening": {32: 8.6, 64: 11.5, 128: 17.2},
    "whitening by Newton": {32: 9.7, 64: 13.2, 128: 20.3},
    "block whitening": {32: 7.2, 64: 10.1, 128: 15.9},
    "Monarch whitening": {32: 10.3, 64: 14.2, 128: 21.9},
}
DROPOUT_COSTS: Costs = {
    "neither": {16: 1.3, 64: 2.6, 256: 5.3},
    "batch norm": {16: 2.1, 64: 3.8, 256: 6.3},
    "dropout": {16: 1.7, 64: 3.6, 256: 6.5},
    "norm then dropout": {16: 2.6, 64: 4.5, 256: 7.6},
}
#: Milliseconds of training that every net has: several times what chapters 6 and 7 gave.
NORM_BUDGET, DROPOUT_BUDGET = 25_000.0, 6_000.0
NORM_LRS, DROPOUT_LRS = (1.0, 2.0, 4.0, 8.0), (0.0003, 0.001, 0.003, 0.01)

_KINDS = {
    "batch norm": "batch",
    "whitening": "zca",
    "whitening by Newton": "newton",
    "block whitening": "block",
    "Monarch whitening": "monarch",
}
_NORMED = Run(train_size=10_000, schedule="cosine")
#: Chapter 6's net on few images.
_FEW = Run(
    model="mlp",
    activation="relu",
    init="he",
    optimizer="rmsprop",
    input_transform="centred",
    train_size=2_000,
    schedule="cosine",
    record_fit=True,
)
_PIECES = 4  # evaluated after the second and the fourth


def arm_name(net: str, batch_size: int) -> str:
    """Name the arm of `net` at `batch_size`."""
    return f"{net}, batches of {batch_size}"


def _arms(nets: dict[str, Run], costs: Costs, budget: float) -> dict[str, Run]:
    return {
        arm_name(net, size): replace(
            nets[net],
            batch_size=size,
            epoch_steps=round(budget / cost / _PIECES),
            epochs=_PIECES,
            eval_epochs=(2, 4),
        )
        for net, by_size in costs.items()
        for size, cost in by_size.items()
    }


def best_size(frame: pd.DataFrame, net: str, costs: Costs) -> tuple[str, float]:
    """Name the arm of `net` and its learning rate that the tuning runs in `frame` end highest with.

    By the mean validation accuracy, each batch size at its own best rate (see `best_lr`). Raises
    BookError where tuning runs are missing.
    """
    found = {}
    for size in costs[net]:
        arm = arm_name(net, size)
        lr = best_lr(frame, arm)
        mine = frame[(frame["arm"] == arm) & (frame["lr"] == lr) & (frame["seed"] >= TUNING_FROM)]
        final = mine.loc[mine.groupby("key")["epoch"].idxmax(), "val_accuracy"]
        found[arm, lr] = float(final.mean())
    return max(found, key=lambda pair: found[pair])


def _plan(
    experiment: Experiment, frame: pd.DataFrame, costs: Costs, lrs: tuple[float, ...]
) -> list[Run]:
    """Tune every net's rate at every batch size; then fresh seeds at the best of both."""
    recorded = set(frame["key"]) if len(frame) else set()
    runs = grid(experiment.arms.values(), lrs, _TWO_TO_TUNE)
    for net, by_size in costs.items():
        mine = [experiment.arms[arm_name(net, size)] for size in by_size]
        if recorded.issuperset(run.key for run in grid(mine, lrs, _TWO_TO_TUNE)):
            arm, lr = best_size(frame, net, costs)
            runs += grid([experiment.arms[arm]], [lr], _FRESH)
    return runs


#: The primary comparison of both: each net at its best size and rate (`best_size`) with batch norm
#: at its own, test accuracy paired by seed, margin `MARGIN`, Holm over the nets.
NORMS_AT_EQUAL_TIME = Experiment(
    name="norms-equal-time",
    chapter=7,
    question="Are the leading norms ahead of batch norm in equal time, each with its batch size?",
    arms=_arms(
        {name: replace(_NORMED, norms=(kind,) * 4) for name, kind in _KINDS.items()},
        NORM_COSTS,
        NORM_BUDGET,
    ),
    plan=partial(_plan, costs=NORM_COSTS, lrs=NORM_LRS),
)
_PLAIN = {"neither": _FEW, "batch norm": replace(_FEW, norms=("batch", "batch"))}
DROPOUT_AT_EQUAL_TIME = Experiment(
    name="dropout-equal-time",
    chapter=6,
    question="Can batch norm replace dropout on few images, in equal time, each with its batch "
    "size?",
    arms=_arms(
        _PLAIN
        | {
            "dropout": replace(_PLAIN["neither"], dropout=0.5),
            "norm then dropout": replace(_PLAIN["batch norm"], dropout=0.5),
        },
        DROPOUT_COSTS,
        DROPOUT_BUDGET,
    ),
    plan=partial(_plan, costs=DROPOUT_COSTS, lrs=DROPOUT_LRS),
)
EQUAL_TIME = (DROPOUT_AT_EQUAL_TIME, NORMS_AT_EQUAL_TIME)
