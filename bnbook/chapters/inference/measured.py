"""Estimates from this chapter's records: how far off statistics are, and how means move."""

from typing import Any, Final

import numpy as np
import pandas as pd
import torch

from bnbook import findings, folding, models, training
from bnbook.experiment import SHARED_LR
from bnbook.findings import Interval
from bnbook.run import Run
from bnbook.studies.running import UPDATE_RATES, USUAL_RATE

#: The learning rate and the batch size at which the causes are told apart.
LR, BATCH_SIZE = SHARED_LR, 128
LAYERS: Final = models.LENET_SLOTS
ACTIVATIONS: Final = ("sigmoid", "ReLU")
MOVING, STILL = findings.USUAL, "running, weights fixed"
SORTED, OWN = "running, weights fixed, sorted by label", "each batch its own"
LAST_MOVING, LAST_STILL = "last batch, in training", "last batch, weights fixed"
#: In the long runs: looks while a slow average's start still counts, and the late ones.
EARLY, LATE = (200, 300, 450, 700), 1_575


def nested(table: pd.DataFrame, inner: str) -> dict[str, dict[str, Interval]]:
    """Turn a table of estimates by `arm` and `inner` into mappings."""
    by_arm = table.groupby("arm", sort=False, observed=True)
    return {str(arm): Interval.by(part, inner) for arm, part in by_arm}


def _per_seed(usual: pd.DataFrame, arm: str, cause: str) -> Any:
    """Average how far off statistics of one origin are, seed by seed."""
    each = findings.with_gaps(usual[usual["arm"] == arm])
    each = each[each["cause"] == cause]
    return each["gap"].abs().groupby(each["seed"]).mean()


def between(usual: pd.DataFrame, arm: str, first: str, second: str) -> Interval:
    """Estimate how much further off statistics of one origin are than those of another."""
    return findings.interval(_per_seed(usual, arm, first) - _per_seed(usual, arm, second))


def averaging(usual: pd.DataFrame, arm: str) -> Interval:
    """Estimate how many times as far off the last batch alone is as the running average."""
    return _ratio(_per_seed(usual, arm, LAST_MOVING), _per_seed(usual, arm, MOVING))


def _ratio(first: Any, second: Any) -> Interval:
    """Estimate a ratio by its logarithms, paired by seed."""
    return findings.interval(np.log(first / second)).exp()


def lagging(frame: pd.DataFrame) -> Interval:
    """Estimate how much further off a slow average is than the usual one, its start taken out."""
    each = findings.with_gaps(frame[(frame["arm"] == "sigmoid") & (frame["order"] == "debiased")])
    each = each[each["after"].isin(EARLY)]
    sizes = each.assign(size=each["gap"].abs()).groupby(["rate", "seed"])["size"]
    mean: Any = sizes.mean()
    return findings.interval(mean[min(UPDATE_RATES)] - mean[USUAL_RATE])


def itself(usual: pd.DataFrame) -> float:
    """How much the re-estimated accuracy changes from one look to the next, with sigmoids."""
    looks = findings.with_gaps(usual)
    looks = looks[(looks["cause"] == MOVING) & (looks["arm"] == "sigmoid")].sort_values("after")
    share = looks["correct_precise"] / looks["images"]
    return float(share.groupby(looks["key"]).diff().abs().mean())


def motion(frame: pd.DataFrame) -> pd.DataFrame:
    """List what the means of fixed images do in the last steps at the shared rate, by layer.

    `cosine` of successive changes, `step_size`, `autocorrelation` from one step apart on, and
    `zigzag`: its second value minus its first.
    """
    frame = frame[(frame["series"] == "fixed images") & (frame["lr"] == LR)]
    names = ["arm", "seed", "cosine", "step_size", "autocorrelation"]
    rows = frame[names].assign(layer=pd.Series([LAYERS] * len(frame), index=frame.index))
    rows = rows.explode(["layer", *names[2:]], ignore_index=True)
    return rows.assign(zigzag=[float(one[1] - one[0]) for one in rows["autocorrelation"]])


def by_layer(moved: pd.DataFrame, outcome: str) -> dict[str, dict[str, Interval]]:
    """Estimate a quantity of `motion` by activation and layer."""
    return nested(findings.estimates(moved, ["arm", "layer"], outcome), "layer")


def step_ratios(moved: pd.DataFrame) -> dict[str, Interval]:
    """Divide the steps of `motion` with sigmoids by those with ReLU, paired by seed, by layer."""
    sizes: Any = moved.astype({"step_size": float}).groupby(["arm", "layer", "seed"], observed=True)
    sizes = sizes["step_size"].mean()
    return {layer: _ratio(*(sizes.loc[(arm, layer)] for arm in ACTIVATIONS)) for layer in LAYERS}


def autocorrelation(rows: pd.DataFrame) -> pd.DataFrame:
    """Estimate how alike means of `motion` are by `arm`, `layer` and `lag`, the steps apart."""
    counts = [list(range(1, len(one) + 1)) for one in rows["autocorrelation"]]
    lags = rows.assign(lag=pd.Series(counts, index=rows.index))
    lags = lags.explode(["lag", "autocorrelation"], ignore_index=True)
    lags = lags.astype({"lag": int, "autocorrelation": float})
    return findings.estimates(lags, ["arm", "layer", "lag"], "autocorrelation")


def offsets(usual: pd.DataFrame) -> dict[str, dict[str, Interval]]:
    """Estimate how far off running means are, by activation and layer."""
    away = findings.offsets(usual)
    away = away[away["cause"] == MOVING]
    return nested(away.assign(layer=[LAYERS[number - 1] for number in away["layer"]]), "layer")


def rates(frame: pd.DataFrame) -> pd.DataFrame:
    """Estimate the typical difference for each update rate, early and late.

    Early also with the share of the start taken out.
    """
    early, late = frame[frame["after"].isin(EARLY)], frame[frame["after"] >= LATE]
    parts = {
        "early, as kept": early[early["order"] == "trained"],
        "early, start taken out": early[early["order"] == "debiased"],
        "late": late[late["order"] == "trained"],
    }
    tables = [
        findings.statistics_gaps(part, ("arm", "rate")).assign(when=when)
        for when, part in parts.items()
    ]
    whole = pd.concat(tables, ignore_index=True)
    return whole.astype({"when": pd.CategoricalDtype(list(parts))})


@torch.no_grad()
def folding_error(run: Run) -> tuple[torch.nn.Module, torch.nn.Module, float]:
    """Return `run`'s net after one batch of noise, it folded, and how far their outputs differ.

    In double precision, as a share of the largest output.
    """
    net = training.build(run).double()
    images = torch.rand(256, 1, 28, 28, generator=torch.Generator().manual_seed(0)).double()
    net(images)  # so that there are statistics to fold
    folded = folding.fold(net.eval())
    wanted = net(images)
    return net, folded, float((folded(images) - wanted).abs().max() / wanted.abs().max())
