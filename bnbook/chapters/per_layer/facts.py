"""What the records say about batch norm in each of the four layers."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bnbook import findings
from bnbook.chapters.per_layer import activations, removals
from bnbook.chapters.per_layer.activations import ITSELF, OTHERS
from bnbook.chapters.per_layer.experiments import LAYER_LRS, PER_LAYER, PER_LAYER_AGAIN
from bnbook.chapters.per_layer.removals import LAYERS
from bnbook.findings import Interval, decisions, transfer
from bnbook.findings.probes import ACTIVATED, BEFORE, NORMED

#: The source trains for 2, 4 and 8 epochs.
EARLY = 2


class Facts:
    """Accuracies are shares of the test images; a cost is a difference against the full net."""

    def __init__(self, records: Mapping[str, pd.DataFrame]) -> None:
        """Work out the facts from the chapter's experiments and those of `findings.transfer`."""
        frame = records[PER_LAYER_AGAIN.name]
        planned = findings.contrasts(frame, PER_LAYER_AGAIN.contrasts)
        cube = records[PER_LAYER.name]
        low, high = LAYER_LRS
        self.seeds = frame["seed"].nunique()  # of the runs that decide
        self.subset_seeds = cube["seed"].nunique()  # of all sixteen subsets
        self.epochs = int(cube["epoch"].max())
        self.images = int(cube["train_size"].iloc[0])
        self.low, self.high = low, high  # learning rates; the lower one is the source's
        #: At both rates.
        self.costs, self.firsts = removals.costs(planned), removals.firsts(planned)
        self._name_layers()
        #: What five other seeds had said at the lower rate.
        self.earlier = removals.missed_most(removals.earlier(cube, low))
        self.early = EARLY  # the source's shortest budget, in epochs
        #: By the source's recipe, after it and after the longest.
        self.early_gap = removals.gap(records["as-posted"], EARLY, low)
        self.late_gap = -removals.gap(records["as-posted"], self.epochs, low)
        self._count_subsets(findings.final(cube))
        #: By how much a norm's Shapley value grows from one layer to the next, per rate.
        self.trend = findings.trend(findings.layer_values(cube, low))
        self.high_trend = findings.trend(findings.layer_values(cube, high))
        self.ratios = activations.ratios(frame[frame["lr"] == low])
        self.elsewhere = transfer.elsewhere(records, transfer.LAYERS)
        self._look_elsewhere()
        #: Whether norms of later layers are worth more at both rates, by Shapley's measure.
        self.later_profit = self.trend.low > 0 and self.high_trend.low > 0

    def _count_subsets(self, ends: pd.DataFrame) -> None:
        """Count the subsets of norms that train, and look at those of one norm."""
        groups = ends[ends["lr"] == self.low].groupby("arm", observed=True)
        trained, medians = groups["trained"].sum(), groups["test_accuracy"].median()
        self.subsets = len(trained)
        self.sound = int((trained == groups.size()).sum())  # all seeds train
        self.never = tuple(map(str, trained.index[trained == 0]))
        #: Nets without any norm that train at the higher rate.
        bare = ends[(ends["lr"] == self.high) & (ends["arm"] == "none")]
        self.bare_trained = int(bare["trained"].sum())
        #: Median test accuracy with only one norm, at the lower rate.
        self.only_first, self.only_last = float(medians["1"]), float(medians["4"])
        at_high = ends[ends["lr"] == self.high]
        #: At the higher rate: the last norm alone against each of those in between alone.
        self.last_at_high = [findings.paired(at_high, "4", one).gap for one in ("2", "3")]

    def _name_layers(self) -> None:
        """Name the layers by what the removal of their norm costs at the source's rate."""
        costs = self._at(self.costs, self.low).set_index("layer")
        self.first_cost = -Interval.of(costs.loc[LAYERS[0]])
        #: Whose norm is missed detectably less than the first, and as much, within the margin.
        firsts = self._at(self.firsts, self.low)
        self.ahead_of = tuple(firsts.loc[firsts["high"] < 0, "layer"])
        self.level_with = tuple(firsts.loc[firsts["finding"] == findings.EQUIVALENT, "layer"])

    def _look_elsewhere(self) -> None:
        """Name other settings where nothing is lost, and what is lost in the others."""
        one = self.elsewhere[self.elsewhere["a"] != "none"]
        equal = (one["finding"] == findings.EQUIVALENT).groupby(one["setting"]).all()
        self.equal_elsewhere = tuple(equal.index[equal])  # no removal of one norm costs anything
        plain = self.elsewhere[self.elsewhere["a"] == "none"]
        self.plain_fails = tuple(plain.loc[plain["failed_a"] == plain["n"], "setting"])
        #: Removals of one norm: the two that cost most there, detectably or not; how many cost
        #: anything detectable anywhere.
        on_clothes = one[one["setting"] == transfer.CLOTHES]
        self.worst_on_clothes = tuple(on_clothes.nsmallest(2, "mean")["a"])
        self.missed_elsewhere = int((one["high"] < 0).sum())

    def _at(self, table: pd.DataFrame, lr: float) -> pd.DataFrame:
        return table[table["lr"] == f"{lr:g}"]

    @property
    def decision(self) -> str:
        """Whether the first norm is missed more than each other one, at the source's rate."""
        return removals.missed_most(self._at(self.firsts, self.low))

    @property
    def at_high(self) -> str:
        """Whether it is at the higher rate."""
        return removals.missed_most(self._at(self.firsts, self.high))

    @property
    def missed(self) -> tuple[str, ...]:
        """Name the layers whose norm is missed detectably at the source's rate."""
        return self._missed(self.low)

    @property
    def missed_at_high(self) -> tuple[str, ...]:
        """Name those at the higher rate."""
        return self._missed(self.high)

    def _missed(self, lr: float) -> tuple[str, ...]:
        rows = self._at(self.costs, lr)
        return tuple(rows.loc[(rows["low"] < 0) & (rows["high"] < 0), "layer"])

    @property
    def most(self) -> str:
        """Name the layer whose removal costs most, detectably or not, at the source's rate."""
        return str(self._at(self.costs, self.low).set_index("layer")["mean"].idxmin())

    def ratio(self, of: str, where: str, epoch: int = 0) -> Interval:
        """Look up a mean square as a multiple of the full net's; at the end, by default."""
        rows = self.ratios[(self.ratios["of"] == of) & (self.ratios["where"] == where)]
        return Interval.of(rows.set_index("epoch").loc[epoch or rows["epoch"].max()])

    @property
    def itself_before(self) -> Interval:
        """The layer that lost its norm, where the norm would take its input."""
        return self.ratio(ITSELF, BEFORE)

    @property
    def itself_activated(self) -> Interval:
        """The same layer after the sigmoid."""
        return self.ratio(ITSELF, ACTIVATED)

    @property
    def as_source(self) -> bool:
        """Whether the claim comes out where the source looks: falls, is made up for, most early."""
        early = self.ratio(ITSELF, NORMED, int(self.ratios["epoch"].min()))
        late = self.ratio(ITSELF, NORMED)
        return early.high < late.low < late.high < 1 < self.ratio(OTHERS, NORMED).low

    @property
    def C5(self) -> str:
        """Judge whether removing the first norm hurts most, against each other one."""
        each: Any = self._at(self.firsts, self.low).to_dict("records")
        found = decisions.of_parts(*map(decisions.below, each))
        if found == decisions.REPRODUCED and self.at_high != decisions.SUPPORTED:
            return decisions.REFINED
        return found

    @property
    def C6(self) -> str:
        """Judge whether the layer without its norm shrinks and others make up for it."""
        if self.as_source and self.itself_before.high < 1 and self.itself_activated.high < 1:
            return decisions.REPRODUCED
        if self.as_source:
            return decisions.REFINED
        reversed_ = self.ratio(ITSELF, NORMED).low > 1
        return decisions.REFUTED if reversed_ else decisions.UNDECIDED
