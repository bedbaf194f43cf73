"""Chapters 6 and 7 at equal time: every net may choose its batch size, and none more seconds.

With equally many epochs a smaller batch makes more steps, and with equally many steps a slower
norm takes more time. Here each net has as many steps as fit into one budget of processor time.
"""

from dataclasses import replace

import pandas as pd

from bnbook.experiment import (
    LATER_SEEDS,
    LATER_TUNING_SEEDS,
    TUNING_FROM,
    Experiment,
    best_lr,
    grid,
    recorded,
)
from bnbook.findings.records import at
from bnbook.findings.statistics import fresh
from bnbook.run import Run

#: Milliseconds of one step by net and batch size, one thread: the least that chapters 6, 7 and 12
#: recorded on one machine. Where they have none, a straight line between two sizes, or for Newton
#: and Monarch at 32 the ratio that whitening has. They fix the number of steps, the same
#: everywhere; the seconds that a run took are recorded with it.
Costs = dict[str, dict[int, float]]

_TWO_TO_TUNE = LATER_TUNING_SEEDS[:2]
_FRESH = LATER_SEEDS[:10]
_PIECES = 4  # evaluated after the second and the fourth


def arm_name(net: str, batch_size: int) -> str:
    """Name the arm of `net` at `batch_size`."""
    return f"{net}, batches of {batch_size}"


def arms(nets: dict[str, Run], costs: Costs, budget: float) -> dict[str, Run]:
    """Give every net at every batch size as many steps as fit into `budget` milliseconds."""
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

    By the mean validation accuracy, each batch size at its best rate (see `best_lr`). Raises
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


def at_best_size(frame: pd.DataFrame, costs: Costs) -> pd.DataFrame:
    """Select every net's fresh runs at its best batch size and rate; arms are named by net.

    Raises BookError where tuning runs are missing.
    """
    parts = []
    for net in costs:
        arm, lr = best_size(frame, net, costs)
        parts.append(at(fresh(frame), arm, lr).assign(arm=net))
    runs = pd.concat(parts, ignore_index=True)
    return runs.assign(arm=pd.Categorical(runs["arm"], list(costs)))


def plan(
    experiment: Experiment, frame: pd.DataFrame, costs: Costs, lrs: tuple[float, ...]
) -> list[Run]:
    """Tune every net's rate at every batch size; then fresh seeds at the best of both."""
    runs = grid(experiment.arms.values(), lrs, _TWO_TO_TUNE)
    for net, by_size in costs.items():
        mine = [experiment.arms[arm_name(net, size)] for size in by_size]
        if recorded(grid(mine, lrs, _TWO_TO_TUNE), frame):
            arm, lr = best_size(frame, net, costs)
            runs += grid([experiment.arms[arm]], [lr], _FRESH)
    return runs
