"""What the records say about batch norm at inference."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bnbook import findings, models
from bnbook.chapters.inference import measured
from bnbook.chapters.inference.experiments import EXPERIMENTS
from bnbook.chapters.inference.measured import (
    ACTIVATIONS,
    BATCH_SIZE,
    LAST_MOVING,
    LAST_STILL,
    LAYERS,
    LR,
    MOVING,
    OWN,
    SORTED,
    STILL,
)
from bnbook.experiment import MARGIN
from bnbook.findings import Interval, decisions
from bnbook.run import Run
from bnbook.studies.running import UPDATE_RATES, USUAL_RATE

_PLANS = {one.name: one for one in EXPERIMENTS}


class Facts:
    """Differences are shares of the validation images; mappings are by activation."""

    slowest = min(UPDATE_RATES)
    usual_rate = USUAL_RATE

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from this chapter's experiments and "bias-removal"."""
        study = records["running-statistics"]
        large = study[study["batch_size"] == BATCH_SIZE]
        usual = large[large["lr"] == LR]
        long = records["bias-removal"]
        long = long[(long["arm"] == "all biases") & (long["epoch"] > 0)]
        noise = findings.evaluation_noise(long).iloc[0]
        ends = findings.final(long)
        placed = records["norm-place"]
        net, folded, error = measured.folding_error(Run(norms=("batch",) * 4))
        moved = measured.motion(records["statistics-motion"])
        self.seeds = usual["seed"].nunique()
        self.nets = study["key"].nunique()
        self.images = Run().train_size
        self.steps = int(study["after"].max())
        #: How far off the accuracy is, on average over looks, by the origin of the statistics, one
        #: of `findings.CAUSES`.
        self.off = measured.nested(findings.statistics_gaps(usual), "cause")
        sigmoid = self.off["sigmoid"]
        self.sigmoid, self.relu = sigmoid[MOVING], self.off["ReLU"][MOVING]
        self.sigmoid_still, self.sorted_sigmoid = sigmoid[STILL], sigmoid[SORTED]
        self.sigmoid_last, self.sigmoid_last_still = sigmoid[LAST_MOVING], sigmoid[LAST_STILL]
        #: Of two origins, the first minus the second, paired by seed.
        self.extra = {arm: measured.between(usual, arm, MOVING, STILL) for arm in ACTIVATIONS}
        #: Sigmoids, early, without the start: update rates 0.01 and 0.1.
        self.lagging = measured.lagging(records["running-statistics-long"])
        #: `LAST_MOVING` over `MOVING`, a ratio, paired by seed, over all learning rates.
        self.averaging = {arm: measured.averaging(large, arm) for arm in ACTIVATIONS}
        #: Change of the re-estimated accuracy in five steps, typical.
        self.itself = measured.itself(usual)
        self.weights_to_blame = self.itself > self.sigmoid.mean
        #: Of the nets of Exercise 1, trained on all images.
        self.evaluations = int(noise["n"])
        self.typical = float(noise["typical"])
        self.largest = float(noise["largest"])
        #: Of test accuracies over seeds, with re-estimated statistics.
        self.spread = float(np.ptp(ends["test_accuracy"]))
        self.spread_running = float(np.ptp(ends["test_accuracy_running"]))
        #: By activation and layer, on fixed images: what successive changes of a mean do.
        self.cosine = measured.by_layer(moved, "cosine")
        self.step = measured.by_layer(moved, "step_size")  # in standard deviations of the feature
        self.step_ratio = measured.step_ratios(moved)  # by layer: sigmoid over ReLU
        #: By activation and layer: correlation two steps apart minus one step apart.
        self.zigzag = measured.by_layer(moved, "zigzag")
        self.autocorrelation = measured.autocorrelation(moved)
        #: How far running means are from the true ones, in standard deviations.
        self.offset = measured.offsets(usual)
        self._name_layers()
        #: Typical differences by `arm`, `rate` and `when`.
        self.rates = measured.rates(records["running-statistics-long"])
        #: With PyTorch's rate, by `arm`, `lr` and `batch_size`.
        self.settings = findings.statistics_gaps(study, ("arm", "cause", "lr", "batch_size"))
        self.small_batch = int(study["batch_size"].min())
        own = self.settings[(self.settings["cause"] == OWN) & (self.settings["arm"] == "sigmoid")]
        #: How far off it is if each small batch is normalized by itself.
        self.own_small = Interval.of(own.sort_values("batch_size").iloc[0])
        #: Contrasts, after minus before.
        self.placed = findings.contrasts(placed, _PLANS["norm-place"].contrasts)
        self.place_seeds = findings.fresh(placed)["seed"].nunique()
        self.before = models.parameter_count(net)  # parameters of our net
        self.folded = models.parameter_count(folded)  # and without its norms
        self.folding_error = error  # relative to the largest output, in double precision
        #: The slowest average's, with sigmoids, as it is kept, early.
        self.slow_early = self.at_rate("sigmoid", 0.01, "early, as kept")
        #: The same without its start.
        self.slow_debiased = self.at_rate("sigmoid", 0.01, "early, start taken out")
        late = self.rates[(self.rates["when"] == "late") & (self.rates["arm"] == "sigmoid")]
        #: Between the best update rate and the worst, late, with sigmoids.
        self.late_span = float(late["mean"].max() - late["mean"].min())
        self.saved = self.before - self.folded  # parameters that folding does away with

    def _name_layers(self) -> None:
        """Name the layers by what their means do with sigmoids."""
        own, other = (self.cosine[arm] for arm in ACTIVATIONS)

        def those(test: Callable[[str], bool]) -> tuple[str, ...]:
            return tuple(filter(test, LAYERS))

        #: Whether successive changes go against each other in all layers, with ReLU, too.
        self.turn_back = all(one.high < 0 for one in (*own.values(), *other.values()))
        self.sharper = those(lambda layer: own[layer].high < other[layer].low)  # than with ReLU
        self.longer = those(lambda layer: self.step_ratio[layer].low > 1)  # steps, than with ReLU
        self.anew = those(lambda layer: own[layer].low < -0.5 < own[layer].high)  # as if drawn anew
        #: Still alike as far apart as we looked.
        rows = self.autocorrelation
        rows = rows[(rows["arm"] == "sigmoid") & (rows["lag"] == rows["lag"].max())]
        self.slow = tuple(str(layer) for layer in rows.loc[rows["low"] > 0.5, "layer"])
        #: More alike after two steps than after one.
        self.to_and_fro = those(lambda layer: self.zigzag["sigmoid"][layer].low > 0)
        #: The two whose running means are furthest off.
        off = self.offset["sigmoid"]
        self.furthest = those(
            lambda layer: layer in sorted(off, key=lambda one: off[one].mean)[-2:]
        )

    def lags(self, arm: str) -> bool:
        """Whether moving weights, not noise, account for most of an activation's difference."""
        off = self.off[arm]
        return self.extra[arm].low > 0 and off[MOVING].mean > 3 * off[STILL].mean

    @property
    def decision(self) -> str:
        """Whether the statistics mislead because they belong to earlier weights."""
        noise = all(self.off[arm][STILL].mean > self.extra[arm].high for arm in ACTIVATIONS)
        return decisions.decide(all(map(self.lags, ACTIVATIONS)), noise)

    def at_rate(self, arm: str, rate: float, when: str) -> float:
        """Typical difference with an update rate of the running statistics."""
        rows = self.rates
        mine = (rows["arm"] == arm) & (rows["rate"] == rate) & (rows["when"] == when)
        return float(rows.loc[mine, "mean"].iloc[0])

    @property
    def A6(self) -> str:
        """Batch norm works better before the activation, each net at its best rate."""
        own: Any = self.placed[self.placed["lr"] == "own best"].to_dict("records")
        found = [decisions.below(row) for row in own]
        if all(one == decisions.SUPPORTED for one in found):
            return decisions.REPRODUCED
        if decisions.SUPPORTED in found:
            return decisions.REFINED
        refuted = all(one == decisions.REFUTED for one in found)
        return decisions.REFUTED if refuted else decisions.UNDECIDED

    @property
    def D1(self) -> str:
        """The order of batches moves the statistics, shuffling averages that out."""
        harmless = [self.off[arm][STILL].high < MARGIN for arm in ACTIVATIONS]
        harm = [self.off[arm][SORTED].low > MARGIN for arm in ACTIVATIONS]
        if all(harmless):
            return decisions.REPRODUCED if all(harm) else decisions.REFINED
        over = any(self.off[arm][STILL].low > MARGIN for arm in ACTIVATIONS)
        return decisions.REFUTED if over else decisions.UNDECIDED

    @property
    def D3(self) -> str:
        """At inference, batch norm is a linear layer."""
        return decisions.REPRODUCED if self.folding_error < 1e-12 else decisions.REFUTED

    @property
    def D4(self) -> str:
        """Batch norm belongs before the activation; where dropout belongs is chapter 6's."""
        return self.A6
