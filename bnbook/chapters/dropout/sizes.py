"""Outputs, gradients and weights with batch norm as multiples of those without."""

import numpy as np
import pandas as pd

from bnbook import findings
from bnbook.chapters.dropout.experiments import FEW_SHARED_LR
from bnbook.findings import Interval
from bnbook.findings.probes import ACTIVATED


def outputs(few: pd.DataFrame) -> pd.DataFrame:
    """Root mean squares after each activation, at the shared learning rate: `value` by `layer`.

    Of the fresh runs with batch norm and with neither, at every evaluation; `after` counts steps.
    """
    squares = findings.magnitudes(_alike(few))
    activated = squares[squares["where"] == ACTIVATED]
    return activated.assign(value=activated["value"] ** 0.5, after=activated["step"])


def relative_sizes(few: pd.DataFrame) -> dict[str, Interval]:
    """Compare sizes seed by seed, geometric means over layers, at the shared learning rate.

    `outputs_first`: at the start, where both nets have the same weights; `outputs_last` and
    `weights`: at the end of training; `gradients`: at the start and the first evaluation after it
    (later there is little left to learn). Intervals are adjusted over the four (Holm).
    """
    runs, active = _alike(few), outputs(few)
    early = runs["epoch"] <= runs.loc[runs["epoch"] > 0, "epoch"].min()
    logs = {
        "outputs_first": _log_ratios(active[active["epoch"] == 0]),
        "outputs_last": _log_ratios(active[active["epoch"] == active["epochs"]]),
        "gradients": _log_ratios(findings.gradients(runs[early])),
        "weights": _log_ratios(findings.weight_norms(runs[runs["epoch"] == runs["epochs"]])),
    }
    return {what: log.exp() for what, log in findings.holm_intervals(logs).items()}


def _alike(few: pd.DataFrame) -> pd.DataFrame:
    fresh = findings.fresh(few)
    return fresh[(fresh["lr"] == FEW_SHARED_LR) & fresh["arm"].isin(["batch norm", "neither"])]


def _log_ratios(long: pd.DataFrame) -> "pd.Series[float]":
    """Average the logarithms of the ratios to the net without batch norm, for every seed."""
    each = findings.multiples(long, "neither")
    return each.assign(log=np.log(each["value"])).groupby("seed")["log"].mean()
