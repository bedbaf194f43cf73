"""What batch norm adds at each batch size, with every net at its best learning rate."""

import pandas as pd

from bnbook import findings
from bnbook.findings import Interval


def best_by_size(noise: pd.DataFrame) -> pd.DataFrame:
    """Select each arm's fresh runs at its best learning rate, at every batch size apart."""
    sizes = [part for _, part in noise.groupby("batch_size")]
    return pd.concat([findings.at_best(part) for part in sizes], ignore_index=True)


def lead(noise: pd.DataFrame) -> pd.DataFrame:
    """Measure what batch norm adds to the test accuracy, by `batch_size` and `seed`: `value`."""
    ends = findings.final(best_by_size(noise))
    tested = ends.pivot(index=["batch_size", "seed"], columns="arm", values="test_accuracy")
    gain = (tested["batch norm"] - tested["neither"]).dropna()
    return gain.rename("value").reset_index()


def ends_and_middle(leads: pd.DataFrame) -> tuple[Interval, Interval, Interval]:
    """Compare the lead at the smallest and the largest size with its mean between, by seed.

    Above 0: batch norm adds more at that end; intervals are adjusted over the two (Holm). And the
    mean between.
    """
    wide = leads.pivot(index="seed", columns="batch_size", values="value")
    between = wide.iloc[:, 1:-1].mean(axis=1)
    ends = {"small": wide.iloc[:, 0] - between, "large": wide.iloc[:, -1] - between}
    found = findings.holm_intervals(ends)
    return found["small"], found["large"], findings.interval(between)
