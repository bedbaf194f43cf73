"""Between which learning rates nets begin and cease to train, as brackets of the rates tried."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnbook import findings

WITH, WITHOUT = "with BN", "without BN"


@dataclass(frozen=True)
class Limits:
    """Learning rates at which half of the seeds or more train, and the rates just beyond."""

    below: float  # the next lower rate tried, where most fail; 0 if none is
    first: float
    last: float
    above: float  # the next higher rate tried, where most fail; infinite if none is

    @property
    def width(self) -> float:
        """How many times the lowest rate the highest is."""
        return self.last / self.first


def limits(shares: pd.DataFrame) -> Limits:
    """Find the limits in a table of one net, as from `share_trained`.

    Raises ValueError if no rate trains half of the seeds.
    """
    train = sorted(shares.loc[shares["share"] >= 0.5, "lr"])
    if not train:
        raise ValueError("no learning rate trains half of the seeds")
    tried = shares["lr"]
    below, above = tried[tried < train[0]], tried[tried > train[-1]]
    return Limits(
        float(below.max()) if len(below) else 0.0,
        float(train[0]),
        float(train[-1]),
        float(above.min()) if len(above) else np.inf,
    )


def every_rate(first: pd.DataFrame, further: pd.DataFrame) -> pd.DataFrame:
    """Stack the final rows of a grid and of its further rates, which have other seeds."""
    kind = first["arm"].dtype
    return pd.concat([findings.final(first), findings.final(further)]).astype({"arm": kind})


def by_rate(runs: pd.DataFrame) -> pd.DataFrame:
    """Count per net and rate: `runs`, `trained`, `share`, and `median`, the test accuracy.

    The median is that of the runs that trained; NaN where none did. `runs` as from `every_rate`.
    """
    groups = runs.groupby(["arm", "lr"], observed=True)
    table = groups["trained"].agg(runs="size", trained="sum", share="mean")
    trained = runs[runs["trained"]].groupby(["arm", "lr"], observed=True)
    whole: pd.DataFrame = table.assign(median=trained["test_accuracy"].median()).reset_index()
    return whole
