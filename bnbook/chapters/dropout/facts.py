"""What the records say about dropout, batch norm, both and neither."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from bnbook import findings
from bnbook.chapters.dropout.equal_time import BUDGET, COSTS, DROPOUT_AT_EQUAL_TIME, LRS
from bnbook.chapters.dropout.experiments import EXPERIMENTS
from bnbook.chapters.dropout.noise import lead, more_than_the_middle
from bnbook.chapters.dropout.sizes import outputs, relative_sizes
from bnbook.experiment import MARGIN
from bnbook.findings import Interval, decisions
from bnbook.findings.equal_time import at_best_size

NEITHER: Final = "neither"
NORM: Final = "batch norm"
DROPOUT: Final = "dropout"
USUAL: Final = "norm then dropout"
SWAPPED: Final = "dropout then norm"

_FULL, _FEW, _NOISE = EXPERIMENTS


@dataclass(frozen=True)
class Setting:
    """One number of training images: differences in test accuracy, each net at its best rate.

    The intervals are adjusted by Holm's method over the setting's six planned contrasts.
    """

    images: int
    steps: int
    batch_size: int
    norm: Interval  # batch norm against neither
    dropout: Interval  # dropout against neither
    swap: Interval  # batch norm against dropout
    both: Interval  # norm then dropout against batch norm
    order: Interval  # dropout then norm against norm then dropout
    order_running: Interval  # the same, evaluated with running statistics
    #: Accuracies on training images, means over seeds: of dropout, and the lowest of all nets.
    dropout_fit: float
    lowest_fit: float
    rates: tuple[float, ...]  # that were tried
    at_end: tuple[str, ...]  # nets whose best rate is the first or the last of these


@dataclass(frozen=True)
class EqualTime:
    """Few images again, each net with equal seconds, at its best batch size and rate.

    The intervals are adjusted by Holm's method over the three.
    """

    seeds: int
    seconds: float  # of training, on one core
    norm: Interval  # batch norm against neither
    dropout: Interval  # dropout against neither
    swap: Interval  # batch norm against dropout
    norm_size: int  # batch size
    dropout_size: int
    plain_size: int  # of the net with neither
    sizes: tuple[int, ...]  # that were tried
    rates: tuple[float, ...]  # the same
    norm_steps: int
    plain_steps: int
    lowest_fit: float  # accuracy on training images, mean over seeds, lowest of all nets


@dataclass(frozen=True)
class Facts:
    """Differences are in test accuracy (shares of the images), with re-estimated statistics."""

    seeds: int
    few: Setting
    many: Setting
    timed: EqualTime
    smallest: int  # batch size
    largest: int
    #: By how much more batch norm adds with the smallest (largest) batches than in the middle.
    more_small: Interval
    more_large: Interval
    middle: Interval  # what it adds there
    small_fit: float  # lowest mean accuracy on training images with the smallest batches
    #: Sizes with batch norm as multiples of those without; see `relative_sizes`.
    outputs_first: Interval
    outputs_last: Interval
    gradients: Interval
    weights: Interval
    #: Root mean square of the outputs without batch norm at the end, as a multiple of the start's.
    growth_plain: float
    growth_norm: float

    @property
    def decision(self) -> str:
        """Whether batch norm in place of dropout costs nothing beyond the margin, in equal time."""
        if self.timed.swap.low > -MARGIN:
            return decisions.SUPPORTED
        return decisions.REFUTED if self.timed.swap.high < 0 else decisions.UNDECIDED

    @property
    def B2(self) -> str:
        """Batch norm beats dropout, dropout beats neither."""
        many = self.many
        return of_parts(many.swap, many.dropout, many.norm)

    @property
    def C12(self) -> str:
        """Both ends of the batch sizes lose: none was planned to be compared, so none decides."""
        return decisions.UNDECIDED

    @property
    def D4(self) -> str:
        """Dropout directly before the norm is worse than dropout last."""
        settings = (self.few, self.many)
        if any(max(s.order.low, s.order_running.low) > 0 for s in settings):
            return decisions.REFUTED
        if all(s.order.high < 0 for s in settings):
            return decisions.REPRODUCED
        running_only = any(min(s.order.high, s.order_running.high) < 0 for s in settings)
        return decisions.REFINED if running_only else decisions.UNDECIDED

    @property
    def D6(self) -> str:
        """It regularizes, and keeps outputs, gradients and weights small."""
        smaller = [
            Interval(1 - x.mean, 1 - x.high, 1 - x.low)
            for x in (self.outputs_last, self.gradients, self.weights)
        ]
        return of_parts(self.timed.norm, *smaller)


def of_parts(*effects: Interval) -> str:
    """Judge a claim of several parts, each of which says that an effect is above 0."""
    return decisions.of_parts(*map(decisions.sign, effects))


def facts(records: Mapping[str, pd.DataFrame]) -> Facts:
    """Work out the facts from the chapter's experiments."""
    few, many, noise = records[_FEW.name], records[_FULL.name], records[_NOISE.name]
    leads = lead(noise)
    by_size = leads.pivot(index="seed", columns="batch_size", values="value")
    small, large = int(by_size.columns[0]), int(by_size.columns[-1])
    more = more_than_the_middle(leads)
    return Facts(
        seeds=findings.fresh(few)["seed"].nunique(),
        few=_setting(few, _FEW),
        many=_setting(many, _FULL),
        timed=_timed(records[DROPOUT_AT_EQUAL_TIME.name]),
        smallest=small,
        largest=large,
        more_small=more[small],
        more_large=more[large],
        middle=findings.interval(by_size.iloc[:, 1:-1].mean(axis=1)),
        small_fit=float(_fit(noise[noise["batch_size"] == small]).min()),
        **relative_sizes(few),
        growth_plain=_growth(few, NEITHER),
        growth_norm=_growth(few, NORM),
    )


def _setting(frame: pd.DataFrame, plan: Any) -> Setting:
    rows = findings.contrasts(frame, plan.contrasts)
    found: Any = rows.set_index(["a", "b", "outcome"])

    def between(a: str, b: str, outcome: str = "test_accuracy") -> Interval:
        return Interval.of(found.loc[(a, b, outcome)])

    on_training = _fit(frame)
    run = plan.arms[NEITHER]
    rates = tuple(sorted(findings.tuning(frame)["lr"].unique()))
    best = findings.best_rates(frame)
    return Setting(
        images=run.train_size,
        steps=run.epochs * run.epoch_steps,
        batch_size=run.batch_size,
        norm=between(NORM, NEITHER),
        dropout=between(DROPOUT, NEITHER),
        swap=between(NORM, DROPOUT),
        both=between(USUAL, NORM),
        order=between(SWAPPED, USUAL),
        order_running=between(SWAPPED, USUAL, "test_accuracy_running"),
        dropout_fit=float(on_training[DROPOUT]),
        lowest_fit=float(on_training.min()),
        rates=rates,
        at_end=tuple(arm for arm, lr in best.items() if lr in (rates[0], rates[-1])),
    )


def _fit(frame: pd.DataFrame) -> "pd.Series[float]":
    """Mean accuracy on training images of each arm at its best rate."""
    fit = findings.fit(findings.at_best(frame))
    return fit[fit["of"] == "training images"].set_index("arm")["mean"]


def _growth(few: pd.DataFrame, arm: str) -> float:
    """Divide outputs at the end by those at the start: geometric mean over layers and seeds."""
    found = outputs(few)
    logs = np.log(found.loc[found["arm"] == arm].set_index("epoch")["value"])
    return float(np.exp(logs[logs.index.max()].mean() - logs[0].mean()))


def _timed(frame: pd.DataFrame) -> EqualTime:
    best = at_best_size(frame, COSTS)
    planned = DROPOUT_AT_EQUAL_TIME.contrasts
    rows = findings.compared([findings.paired(best, one.a, one.b) for one in planned])
    swap, norm, dropout = (Interval.of(row) for _, row in rows.iterrows())
    fit = findings.fit(best)
    of_net: Any = best.groupby("arm", observed=True)[["batch_size", "step"]].max()
    return EqualTime(
        seeds=best["seed"].nunique(),
        seconds=BUDGET / 1000,
        swap=swap,
        norm=norm,
        dropout=dropout,
        norm_size=int(of_net.loc[NORM, "batch_size"]),
        dropout_size=int(of_net.loc[DROPOUT, "batch_size"]),
        plain_size=int(of_net.loc[NEITHER, "batch_size"]),
        sizes=tuple(sorted(COSTS[NORM])),
        rates=LRS,
        norm_steps=int(of_net.loc[NORM, "step"]),
        plain_steps=int(of_net.loc[NEITHER, "step"]),
        lowest_fit=float(fit.loc[fit["of"] == "training images", "mean"].min()),
    )
