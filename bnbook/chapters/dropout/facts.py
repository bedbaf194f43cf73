"""What the records say about dropout, batch norm, both and neither."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from bnbook import findings
from bnbook.chapters.dropout.equal_time import BUDGET, COSTS, DROPOUT_AT_EQUAL_TIME, LRS
from bnbook.chapters.dropout.experiments import EXPERIMENTS
from bnbook.chapters.dropout.noise import ends_and_middle, lead
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


class Setting:
    """One number of training images: differences in test accuracy, each net at its best rate.

    The intervals are adjusted by Holm's method over the setting's six planned contrasts.
    """

    def __init__(self, frame: pd.DataFrame, plan: Any) -> None:
        found: Any = findings.contrasts(frame, plan.contrasts).set_index(["a", "b", "outcome"])

        def between(a: str, b: str, outcome: str = "test_accuracy") -> Interval:
            return Interval.of(found.loc[(a, b, outcome)])

        on_training = _fit(frame)
        run = plan.arms[NEITHER]
        rates = tuple(sorted(findings.tuning(frame)["lr"].unique()))
        best = findings.best_rates(frame)
        self.images = run.train_size
        self.steps = run.epochs * run.epoch_steps
        self.batch_size = run.batch_size
        self.norm = between(NORM, NEITHER)  # batch norm against neither
        self.dropout = between(DROPOUT, NEITHER)  # dropout against neither
        self.swap = between(NORM, DROPOUT)  # batch norm against dropout
        self.both = between(USUAL, NORM)  # norm then dropout against batch norm
        self.order = between(SWAPPED, USUAL)  # dropout then norm against norm then dropout
        #: The same, evaluated with running statistics.
        self.order_running = between(SWAPPED, USUAL, "test_accuracy_running")
        #: Accuracies on training images, means over seeds: of dropout, and the lowest of all nets.
        self.dropout_fit = float(on_training[DROPOUT])
        self.lowest_fit = float(on_training.min())
        self.rates = rates  # that were tried
        #: Nets whose best rate is the first or the last of these.
        self.at_end = tuple(arm for arm, lr in best.items() if lr in (rates[0], rates[-1]))


class EqualTime:
    """Few images again, each net with equal seconds, at its best batch size and rate.

    The intervals are adjusted by Holm's method over the three.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        best = at_best_size(frame, COSTS)
        planned = DROPOUT_AT_EQUAL_TIME.contrasts
        rows = findings.compared([findings.paired(best, one.a, one.b) for one in planned])
        fit = findings.fit(best)
        of_net: Any = best.groupby("arm", observed=True)[["batch_size", "step"]].max()
        self.seeds = best["seed"].nunique()
        self.seconds = BUDGET / 1000  # of training, on one core
        #: Batch norm against dropout, batch norm against neither, dropout against neither.
        self.swap, self.norm, self.dropout = (Interval.of(row) for _, row in rows.iterrows())
        self.norm_size = int(of_net.loc[NORM, "batch_size"])  # batch size
        self.dropout_size = int(of_net.loc[DROPOUT, "batch_size"])
        self.plain_size = int(of_net.loc[NEITHER, "batch_size"])  # of the net with neither
        self.sizes = tuple(sorted(COSTS[NORM]))  # that were tried
        self.rates = LRS  # the same
        self.norm_steps = int(of_net.loc[NORM, "step"])
        self.plain_steps = int(of_net.loc[NEITHER, "step"])
        #: Accuracy on training images, mean over seeds, lowest of all nets.
        self.lowest_fit = float(fit.loc[fit["of"] == "training images", "mean"].min())


class Facts:
    """Differences are in test accuracy (shares of the images), with re-estimated statistics."""

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from the chapter's experiments."""
        few, many, noise = records[_FEW.name], records[_FULL.name], records[_NOISE.name]
        leads = lead(noise)
        self.seeds = findings.fresh(few)["seed"].nunique()
        self.few = Setting(few, _FEW)
        self.many = Setting(many, _FULL)
        self.timed = EqualTime(records[DROPOUT_AT_EQUAL_TIME.name])
        self.smallest, self.largest = int(leads["batch_size"].min()), int(leads["batch_size"].max())
        #: By how much more batch norm adds with the smallest (largest) batches than in the middle,
        #: and what it adds there.
        self.more_small, self.more_large, self.middle = ends_and_middle(leads)
        #: Lowest mean accuracy on training images with the smallest batches.
        self.small_fit = float(_fit(noise[noise["batch_size"] == self.smallest]).min())
        #: Sizes with batch norm as multiples of those without; see `relative_sizes`.
        sizes = relative_sizes(few)
        self.outputs_first, self.outputs_last = sizes["outputs_first"], sizes["outputs_last"]
        self.gradients, self.weights = sizes["gradients"], sizes["weights"]
        #: Root mean square of the outputs at the end, as a multiple of the start's.
        self.growth_plain = _growth(few, NEITHER)
        self.growth_norm = _growth(few, NORM)

    @property
    def decision(self) -> str:
        """Whether batch norm in place of dropout costs nothing beyond the margin, in equal time."""
        return decisions.decide(self.timed.swap.low > -MARGIN, self.timed.swap.high < 0)

    @property
    def B2(self) -> str:
        """Batch norm beats dropout, dropout beats neither."""
        parts = (self.many.swap, self.many.dropout, self.many.norm)
        return decisions.of_parts(*map(decisions.sign, parts))

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
        sizes = (self.outputs_last, self.gradients, self.weights)
        regularizes = decisions.sign(self.timed.norm)
        return decisions.of_parts(regularizes, *map(decisions.smaller, sizes))


def _fit(frame: pd.DataFrame) -> "pd.Series[float]":
    """Mean accuracy on training images of each arm at its best rate."""
    fit = findings.fit(findings.at_best(frame))
    return fit[fit["of"] == "training images"].set_index("arm")["mean"]


def _growth(few: pd.DataFrame, arm: str) -> float:
    """Divide outputs at the end by those at the start: geometric mean over layers and seeds."""
    found = outputs(few)
    logs = np.log(found.loc[found["arm"] == arm].set_index("epoch")["value"])
    return float(np.exp(logs[logs.index.max()].mean() - logs[0].mean()))
