"""The share of seeds that train."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from bnbook.findings.statistics import final


def share_trained(frame: pd.DataFrame, by: Sequence[str] = ("arm", "lr")) -> pd.DataFrame:
    """Share of runs that trained per group, with its 95 % Wilson interval.

    Columns: those of `by`, `share`, `low`, `high`, `trained`, `n`.
    """
    by = list(by)
    groups = final(frame).groupby(by, observed=True)["trained"]
    table = groups.agg(trained="sum", n="count").reset_index()
    low, high = proportion_confint(table["trained"], table["n"], method="wilson")
    return table.assign(share=table["trained"] / table["n"], low=low, high=high)
